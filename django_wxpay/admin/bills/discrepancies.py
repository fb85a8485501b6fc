"""Differences: their list, the page with both sides, resolving with a note, and the CSV."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.base import Button, Section
from django_wxpay.admin.bills import words
from django_wxpay.admin.bills.exporting import csv_of
from django_wxpay.admin.bills.filters import MerchantOfBillFilter, MonthOfBillFilter
from django_wxpay.admin.lookups import is_answerable
from django_wxpay.admin.resolving import ResolvingAdmin
from django_wxpay.models import Bill, Discrepancy, Order, Refund
from django_wxpay.models.choices import DiscrepancyStatuses
from django_wxpay.services.transactions import without_atomic_requests

_AT_ONCE = 500


@admin.register(Discrepancy)
class DiscrepancyAdmin(ResolvingAdmin):
    list_display = (
        "status_shown",
        "kind",
        "number",
        "here",
        "there",
        "bill_link",
        "created_at",
    )
    list_display_links = ("number",)
    list_filter = ("status", "kind", MerchantOfBillFilter, MonthOfBillFilter)
    list_prefetch_related = ("bill",)
    search_fields = (
        "out_trade_no__exact",
        "transaction_id__exact",
        "out_refund_no__exact",
        "refund_id__exact",
    )
    search_help_text = _("A whole out_trade_no, transaction_id, out_refund_no or refund_id.")
    _NUMBERS: ClassVar = ("out_trade_no", "transaction_id", "out_refund_no", "refund_id")

    class Media:
        css: ClassVar = {"all": ["django_wxpay/bills.css"]}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:  # noqa: ARG002
        """Return the numbers that there are, what to do while it is open, and the note if any."""
        row: Discrepancy = obj
        is_open = row.status == DiscrepancyStatuses.OPEN
        advice = ("what_to_do",) if is_open else ()
        answer = ("answer_shown",) if _answer(row) else ()
        numbers = tuple(name for name in self._NUMBERS if getattr(row, name))
        local = tuple(name for name in ("order_link", "refund_link") if getattr(self, name)(row))
        ended = ("note", "resolved_by", "resolved_at") if not is_open else ()
        top = ("status_shown", "kind", *advice, *answer)
        return [(None, {"fields": (*top, *numbers, *local, "bill_link", "created_at", *ended)})]

    def buttons(self, row: Discrepancy) -> list[Button]:
        if row.status != DiscrepancyStatuses.OPEN:
            return []
        return [Button(label=_("Resolve"), url=self.address(row, "resolve"), asks_first=True)]

    def sections(self, request: HttpRequest, row: Discrepancy) -> list[Section]:  # noqa: ARG002
        columns = ("", _("here"), _("in the bill"))
        return [Section(title=_("Both sides"), columns=columns, rows=list(words.both_sides(row)))]

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        ours = [
            path("csv/", self.admin_site.admin_view(self.csv_view), name=name),
            self.route("resolve", self.resolve_view),
        ]
        return [*ours, *super().get_urls()]

    def csv_view(self, request: HttpRequest) -> HttpResponse:
        """Send every difference that the filters of the address find."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not is_answerable(request, self.model):
            return redirect(display.page_address(self.admin_site, self.model, "changelist"))
        found = self.get_changelist_instance(request).get_queryset(request)
        rows = found.prefetch_related(None).select_related("bill").iterator(chunk_size=_AT_ONCE)
        return csv_of(rows, "wechat-pay-differences.csv")  # type: ignore[return-value]

    @without_atomic_requests
    def resolve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a note, and resolve the difference when it is posted."""
        row: Discrepancy = self.operable(request, pk)
        if row.status != DiscrepancyStatuses.OPEN:
            return self.resolved_already(request, row)
        return self.resolve_page(
            request,
            row,
            lambda note, by: services.resolve_discrepancy(row, note=note, by=by),
            title=gettext("Resolve this difference?"),
            subject=f"{row.get_kind_display()}: {row.number}",
            sides=list(words.both_sides(row)),
        )

    @admin.display(description=_("status"))
    def status_shown(self, row: Discrepancy) -> SafeString:
        return words.status_badge(row)

    @admin.display(description=_("what to do"))
    def what_to_do(self, row: Discrepancy) -> str:
        return words.what_to_do(row.kind)

    @admin.display(description=_("WeChat Pay says"))
    def answer_shown(self, row: Discrepancy) -> str:
        return _answer(row)

    @admin.display(description=_("here"))
    def here(self, row: Discrepancy) -> str:
        return words.amount_of(row.ours)

    @admin.display(description=_("in the bill"))
    def there(self, row: Discrepancy) -> str:
        return words.amount_of(row.theirs)

    @admin.display(description=_("bill"))
    def bill_link(self, row: Discrepancy) -> SafeString:
        text = f"{row.bill.bill_date:%Y-%m-%d} {row.bill.merchant}"
        return display.page_link(self.admin_site, Bill, row.bill.pk, text)

    @admin.display(description=_("order"))
    def order_link(self, row: Discrepancy) -> SafeString | str:
        pk = row.local_order_id
        number = row.out_trade_no or pk
        return display.page_link(self.admin_site, Order, pk, number) if pk else ""

    @admin.display(description=_("refund"))
    def refund_link(self, row: Discrepancy) -> SafeString | str:
        pk = row.local_refund_id
        return display.page_link(self.admin_site, Refund, pk, row.out_refund_no) if pk else ""


def _answer(row: Discrepancy) -> str:
    return str(row.ours.get(words.ANSWER, "")) if isinstance(row.ours, dict) else ""
