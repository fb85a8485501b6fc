"""API reports: each call on the wire, how long it took and what came back."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import badges
from django_wxpay.admin.base import Ledger
from django_wxpay.admin.filters import FailureFilter, HostFilter, InterfaceFilter, MerchantFilter
from django_wxpay.admin.links import list_link, may_see, page_link
from django_wxpay.admin.sections import Section
from django_wxpay.models import ApiReport, Order


@admin.register(ApiReport)
class ApiReportAdmin(Ledger):
    """Found by the order's number, the host or the failure."""

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
        "api",
        "interface_url",
        "host",
        "http_status",
        "failure",
        "return_code",
        "return_msg",
        "result_code",
        "err_code",
        "err_code_des",
        "order_link",
        "merchant",
        "mch_id",
        "appid",
        "sub_appid",
        "sub_mch_id",
        "device_info",
        "request_id",
        "report",
        "report_attempts",
        "reported_at",
    )

    def sections(self, request: HttpRequest, row: ApiReport) -> list[Section]:
        """Return the order that the call was about."""
        if not may_see(request, Order):
            return []
        orders = Order.objects.filter(merchant=row.merchant, out_trade_no=row.out_trade_no)
        rows = [
            (page_link(Order, order.pk, order), badges.state_of(order), order.amount)
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
        """Return the milliseconds."""
        return f"{report.execute_time_ms} ms"

    @admin.display(description=_("answer"))
    def answer(self, report: ApiReport) -> SafeString:
        """Return what came of it, at a glance."""
        return badges.answer_of(report)

    @admin.display(description=_("report"))
    def report(self, report: ApiReport) -> SafeString:
        """Return whether WeChat Pay has been told of the call."""
        return badges.report_status(report.report_status)

    @admin.display(description="out_trade_no")
    def order_link(self, report: ApiReport) -> SafeString | str:
        """Return the way to the order of that number, which is not looked up for it."""
        if not report.out_trade_no:
            return "-"
        return list_link(Order, report.out_trade_no, out_trade_no=report.out_trade_no)
