"""Differences: their list, the page with both sides, resolving with a note, and the CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.base import Button, Section
from django_wxpay.admin.bills import words
from django_wxpay.admin.bills.filters import MerchantOfBillFilter, MonthOfBillFilter
from django_wxpay.admin.exporting import ExportingAdmin
from django_wxpay.admin.resolving import ResolvingAdmin
from django_wxpay.admin.spreadsheets import time
from django_wxpay.models import Bill, Discrepancy, Order, Refund
from django_wxpay.models.choices import DiscrepancyStatuses
from django_wxpay.models.labels import LABELS
from django_wxpay.services.transactions import without_atomic_requests


@admin.register(Discrepancy)
class DiscrepancyAdmin(ResolvingAdmin, ExportingAdmin):
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
    csv_name = "wechat-pay-differences.csv"
    search_fields = (
        "out_trade_no__exact",
        "transaction_id__exact",
        "out_refund_no__exact",
        "refund_id__exact",
    )
    search_help_text = _(
        "A whole number of the order or the refund: yours (out_trade_no, "
        "out_refund_no), or WeChat Pay's (transaction_id, refund_id)."
    )
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
        return [self.route("resolve", self.resolve_view), *super().get_urls()]

    def csv_header(self) -> list[Any]:
        return [
            gettext("day"),
            gettext("merchant"),
            LABELS["mch_id"],
            gettext("kind"),
            gettext("difference"),
            LABELS["out_trade_no"],
            LABELS["transaction_id"],
            LABELS["out_refund_no"],
            LABELS["refund_id"],
            gettext("here"),
            gettext("in the bill"),
            gettext("status"),
            gettext("note"),
            gettext("resolved by"),
            gettext("resolved"),
            gettext("found"),
        ]

    def csv_rows(self, rows: list[Discrepancy]) -> Iterator[list[Any]]:
        prefetch_related_objects(rows, "bill")
        for row in rows:
            yield _cells(row)

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


def _cells(difference: Discrepancy) -> list[Any]:
    bill = difference.bill
    return [
        bill.bill_date.isoformat(),
        bill.merchant,
        bill.mch_id,
        difference.kind,
        difference.get_kind_display(),
        difference.out_trade_no,
        difference.transaction_id,
        difference.out_refund_no,
        difference.refund_id,
        words.in_a_line(difference.ours),
        words.in_a_line(difference.theirs),
        difference.get_status_display(),
        difference.note,
        difference.resolved_by,
        time(difference.resolved_at),
        time(difference.created_at),
    ]
