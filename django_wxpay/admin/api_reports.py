"""API reports: each call on the wire, its time and its answer."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.base import ReadOnlyAdmin, Section
from django_wxpay.admin.filters import FailureFilter, HostFilter, InterfaceFilter, MerchantFilter
from django_wxpay.models import ApiReport, Order
from django_wxpay.models.latency import CALL_COLUMNS

# The number leads to its order, and the time stands at the top with its unit.
_SHOWN: Final = tuple(
    "order_link" if name == "out_trade_no" else name
    for name in CALL_COLUMNS
    if name != "execute_time_ms"
)


@admin.register(ApiReport)
class ApiReportAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "interface",
        "answer",
        "took",
        "order_link",
        "host",
        "merchant",
        "report",
    )
    list_filter = (
        FailureFilter,
        HostFilter,
        MerchantFilter,
        InterfaceFilter,
        "report_status",
        ("created_at", DateFieldListFilter),
    )
    search_fields = ("out_trade_no__exact",)
    search_help_text = _("A whole out_trade_no.")
    fields = (
        "created_at",
        "answer",
        "took",
        *_SHOWN,
        "report",
        "report_attempts",
        "reported_at",
    )

    def sections(self, request: HttpRequest, row: ApiReport) -> list[Section]:
        """Return the order that the call was about."""
        if not display.may_see(request, Order):
            return []
        orders = Order.objects.filter(merchant=row.merchant, out_trade_no=row.out_trade_no)
        rows = [
            (display.page_link(Order, order.pk, order), display.state_badge(order), order.amount)
            for order in orders
        ]
        columns = ("out_trade_no", _("state"), _("amount"))
        return [Section(title=_("The order"), columns=columns, rows=rows)]

    @admin.display(description=_("interface"))
    def interface(self, report: ApiReport) -> str:
        """Return the path that was called; the host stands beside it."""
        return urlsplit(report.interface_url).path

    @admin.display(description=_("took"))
    def took(self, report: ApiReport) -> str:
        return f"{report.execute_time_ms} ms"

    @admin.display(description=_("answer"))
    def answer(self, report: ApiReport) -> SafeString:
        return display.answer_badge(report)

    @admin.display(description=_("report"))
    def report(self, report: ApiReport) -> SafeString:
        return display.report_badge(report.report_status)

    @admin.display(description="out_trade_no")
    def order_link(self, report: ApiReport) -> SafeString | str:
        """Return a link to the order of that number, without looking it up."""
        if not report.out_trade_no:
            return "-"
        return display.list_link(Order, report.out_trade_no, out_trade_no=report.out_trade_no)
