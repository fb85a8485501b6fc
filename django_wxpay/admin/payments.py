"""Prepays and promotions: rows that belong to one order."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.base import ReadOnlyAdmin, Section
from django_wxpay.models import Order, Prepay, Promotion, Refund
from django_wxpay.models.labels import LABELS


class OwnedAdmin(ReadOnlyAdmin):
    """A page of rows that belong to an order."""

    list_prefetch_related = ("order",)

    @admin.display(description=_("order"))
    def order_link(self, row: Prepay | Promotion | Refund) -> SafeString:
        """Return a link to the order."""
        return display.page_link(self.admin_site, Order, row.order.pk, row.order)


class NumberedAdmin(OwnedAdmin):
    """A page of such rows that are searched by numbers of their own as well as by their order's."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if not search_term:
            return found, may_repeat
        # By the keys of the orders: no index serves a column of one table or one of another.
        orders = Order.objects.filter(out_trade_no=search_term.strip())
        of_orders = queryset.filter(order__in=list(orders.values_list("pk", flat=True)))
        return found | of_orders, may_repeat


@admin.register(Prepay)
class PrepayAdmin(NumberedAdmin):
    # The first leads to the page, and v3 grants NATIVE and MWEB without a prepay_id.
    list_display = ("created_at", "order_link", "prepay_id", "trade_type", "live", "expires_at")
    search_fields = ("prepay_id__exact",)
    search_help_text = _("A whole prepay ID (prepay_id) or merchant order number (out_trade_no).")
    fields = (
        "order",
        "prepay_id",
        "trade_type",
        "live",
        "code_url",
        "mweb_url",
        "sign_type",
        "created_at",
        "expires_at",
    )

    @admin.display(description=_("good for paying"))
    def live(self, prepay: Prepay) -> SafeString:
        if prepay.is_live(timezone.now()):
            return display.badge(gettext("Live"), display.GOOD)
        return display.badge(gettext("Expired"), display.QUIET)


@admin.register(Promotion)
class PromotionAdmin(OwnedAdmin):
    ordering = ("-id",)
    wire_names: ClassVar = {
        "wxpay_contribute_shown": "wxpay_contribute_amount",
        "merchant_contribute_shown": "merchant_contribute_amount",
        "other_contribute_shown": "other_contribute_amount",
    }
    list_display = ("promotion_id", "name", "order_link", "scope", "type", "amount_shown")
    search_fields = ("order__out_trade_no__exact",)
    search_help_text = _("A whole merchant order number (out_trade_no).")
    fields = (
        "name",
        "promotion_id",
        "order",
        "scope",
        "type",
        "amount_shown",
        "wxpay_contribute_shown",
        "merchant_contribute_shown",
        "other_contribute_shown",
        "activity_id",
    )

    def sections(self, request: HttpRequest, row: Promotion) -> list[Section]:  # noqa: ARG002
        names = ("goods_id", "goods_remark", "quantity", "price", "discount_amount")
        rows = [tuple(_cell(row, name, line.get(name)) for name in names) for line in _lines(row)]
        columns = (LABELS["goods_id"], _("remark"), _("quantity"), _("unit price"), _("discount"))
        return [Section(title=_("Goods"), columns=columns, rows=rows)]

    @admin.display(description=LABELS["amount"])
    def amount_shown(self, promotion: Promotion) -> str:
        return _money(promotion, promotion.amount)

    @admin.display(description=LABELS["wxpay_contribute_amount"])
    def wxpay_contribute_shown(self, promotion: Promotion) -> str:
        return _money(promotion, promotion.wxpay_contribute_amount)

    @admin.display(description=LABELS["merchant_contribute_amount"])
    def merchant_contribute_shown(self, promotion: Promotion) -> str:
        return _money(promotion, promotion.merchant_contribute_amount)

    @admin.display(description=LABELS["other_contribute_amount"])
    def other_contribute_shown(self, promotion: Promotion) -> str:
        return _money(promotion, promotion.other_contribute_amount)


def _money(promotion: Promotion, amount: int | None) -> str:
    return display.money(amount, promotion.currency or "CNY")


def _lines(promotion: Promotion) -> list[dict[str, object]]:
    return list(promotion.goods_detail)


def _cell(promotion: Promotion, name: str, value: object) -> object:
    if name == "discount_amount" and isinstance(value, int):
        return _money(promotion, value)
    if name == "price" and isinstance(value, int):
        # A price is the shop's own, so it is in the currency of the order.
        return display.money(value, promotion.order.fee_type)
    return "-" if value in (None, "") else value
