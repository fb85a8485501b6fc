"""Orders: their list with its search and filters, its CSV, and what stands on a page of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin.base import Section
from django_wxpay.admin.exporting import ExportingAdmin
from django_wxpay.admin.filters import MerchantFilter
from django_wxpay.admin.orders.attention import AttentionFilter, Banner, banners
from django_wxpay.admin.orders.calls import OrderCallsAdmin
from django_wxpay.admin.orders.fields import OrderFieldsAdmin
from django_wxpay.admin.orders.filters import (
    PaidFilter,
    RefundedFilter,
    conditions_asked,
    time_asked,
)
from django_wxpay.admin.orders.listing import SEARCH_IS_CUT, OrderList
from django_wxpay.admin.orders.related import related_sections
from django_wxpay.admin.orders.searching import keys_found_by
from django_wxpay.admin.orders.timeline import OrderNotesAdmin
from django_wxpay.admin.refunds.making import OrderRefundsAdmin
from django_wxpay.admin.spreadsheets import amount, time
from django_wxpay.models import Order
from django_wxpay.models.labels import LABELS
from django_wxpay.services.attention.cases import among
from django_wxpay.services.refunds.balances import balances


@admin.register(Order)
class OrderAdmin(
    OrderRefundsAdmin, OrderNotesAdmin, OrderCallsAdmin, OrderFieldsAdmin, ExportingAdmin
):
    change_list_template = "admin/django_wxpay/order_list.html"
    list_display = (
        "state",
        "amount_shown",
        "out_trade_no",
        "created_at",
        "reference_shown",
        "success_time",
    )
    list_display_links = ("out_trade_no",)
    list_filter = (
        AttentionFilter,
        PaidFilter,
        RefundedFilter,
        "trade_state",
        "trade_type",
        MerchantFilter,
        ("created_at", DateFieldListFilter),
    )
    # The box is shown for them; what it finds is found by get_search_results.
    search_fields = ("out_trade_no__exact",)
    search_help_text = _(
        "A number or reference, whole, its first characters or its last six; an amount such as "
        "68.00; the payer's openid."
    )
    actions = ("query_now", "close", "save_csv")
    sortable_by: ClassVar[tuple[str, ...]] = ("amount_shown", "created_at", "success_time")
    csv_name = "wechat-pay-orders.csv"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Find orders by what a customer says."""
        if not search_term.strip():
            return super().get_search_results(request, queryset, search_term)
        # Among all of them, and then the filters: with a filter as well, the way to the newest of
        # an amount may be long.
        orders, wanted = self.get_queryset(request), conditions_asked(request)
        found = keys_found_by(search_term, orders, wanted)
        setattr(request, SEARCH_IS_CUT, found.is_cut)
        return among(queryset, found.keys), False

    def banners(self, request: HttpRequest, row: Order) -> list[Banner]:
        return banners(self.admin_site, request, row)

    def sections(self, request: HttpRequest, row: Order) -> list[Section]:
        return related_sections(self.admin_site, request, row)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OrderList]:  # noqa: ARG002
        return OrderList

    def time_of_list(self, request: HttpRequest) -> str:
        return time_asked(request)

    def csv_header(self) -> list[Any]:
        return [
            gettext("state"),
            "trade_state",
            gettext("amount"),
            gettext("refunded"),
            gettext("currency"),
            LABELS["out_trade_no"],
            LABELS["transaction_id"],
            gettext("reference"),
            gettext("description"),
            LABELS["trade_type"],
            gettext("merchant"),
            LABELS["mch_id"],
            gettext("created"),
            gettext("paid at"),
        ]

    def csv_rows(self, rows: list[Order]) -> Iterator[list[Any]]:
        left = balances(rows)
        for order in rows:
            yield [
                order.get_trade_state_display(),
                order.trade_state,
                amount(order.total_fee, order.fee_type),
                amount(left[order.pk].refunded, order.fee_type),
                order.fee_type,
                order.out_trade_no,
                order.transaction_id or "",
                order.reference,
                order.body,
                order.trade_type,
                order.merchant,
                order.mch_id,
                time(order.created_at),
                time(order.success_time),
            ]
