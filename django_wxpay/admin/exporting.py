"""CSV of a list, for who may see it: all that its filters find, or the rows that are ticked.

No file is made where a filter or a search has not found all. The columns of refunds
are here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.base import ReadOnlyAdmin
from django_wxpay.admin.lookups import is_answerable
from django_wxpay.admin.refunds import words
from django_wxpay.admin.spreadsheets import amount, csv_answer, csv_lines, slices, time
from django_wxpay.models import Refund
from django_wxpay.models.labels import LABELS


class ExportingAdmin(ReadOnlyAdmin):
    """Adds the address ``csv/``, and the action, to a list."""

    csv_name: ClassVar[str]

    def time_of_list(self, request: HttpRequest) -> str:  # noqa: ARG002
        """Return the time along whose index the list goes with the filters of this address."""
        return "created_at"

    def csv_header(self) -> list[Any]:
        """Return the names of the columns."""
        raise NotImplementedError

    def csv_rows(self, rows: list[Any]) -> Iterator[list[Any]]:
        """Yield the cells of each of ``rows``, which are a few hundred."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        ours = path("csv/", self.admin_site.admin_view(self.csv_view), name=name)
        return [ours, *super().get_urls()]

    def csv_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send every row that the filters of the address find, the newest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        address = display.page_address(self.admin_site, self.model, "changelist")
        back = f"{address}?{request.GET.urlencode()}"
        if not is_answerable(request, self.model):
            return redirect(back)
        try:
            shown: Any = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return redirect(f"{address}?{ERROR_FLAG}=1")
        if getattr(shown, "is_cut", False):
            sentence = _("No file was made: the filter does not find all of these rows. %(note)s")
            text = sentence % {"note": " ".join(shown.notes)}
            messages.error(request, text, fail_silently=True)
            return redirect(back)
        return self._answer(request, getattr(shown, "found", shown.queryset))

    @admin.action(description=_("Save as CSV"), permissions=["view"])
    def save_csv(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase:
        """Send the rows that are ticked; where these are all of a list, its file."""
        if request.POST.get("select_across") == "1":
            address = display.page_address(self.admin_site, self.model, "csv")
            return redirect(f"{address}?{request.GET.urlencode()}")
        return self._answer(request, queryset)

    def _answer(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponseBase:
        found = slices(rows, self.time_of_list(request))
        cells = (row for each in found for row in self.csv_rows(each))
        return csv_answer(csv_lines(self.csv_header(), cells), self.csv_name)


class RefundExportingAdmin(ExportingAdmin):
    """A list of refunds that can be saved."""

    csv_name = "wechat-pay-refunds.csv"

    def csv_header(self) -> list[Any]:
        return [
            gettext("status"),
            "refund_status",
            gettext("amount"),
            gettext("currency"),
            LABELS["out_refund_no"],
            LABELS["refund_id"],
            LABELS["out_trade_no"],
            gettext("merchant"),
            gettext("reason"),
            gettext("created"),
            gettext("paid back at"),
        ]

    def csv_rows(self, rows: list[Refund]) -> Iterator[list[Any]]:
        prefetch_related_objects(rows, "order")
        for refund in rows:
            yield [
                words.refund_words(refund),
                refund.refund_status,
                amount(refund.refund_fee, refund.order.fee_type),
                refund.order.fee_type,
                refund.out_refund_no,
                refund.refund_id or "",
                refund.order.out_trade_no,
                refund.merchant,
                refund.refund_desc,
                time(refund.created_at),
                time(refund.success_time),
            ]
