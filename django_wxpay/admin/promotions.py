"""Promotions: the discounts that took part in payments."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import formats
from django_wxpay.admin.base import Ledger
from django_wxpay.admin.links import page_link
from django_wxpay.admin.sections import Section
from django_wxpay.models import Order, Promotion


@admin.register(Promotion)
class PromotionAdmin(Ledger):
    """Found by its order; its goods lines stand below it."""

    ordering = ("-id",)
    list_display = ("promotion_id", "name", "order_link", "scope", "type", "amount_shown")
    list_select_related = ("order",)
    search_fields = ("order__out_trade_no__exact",)
    search_help_text = _("A whole out_trade_no.")
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
        """Return the goods lines."""
        names = ("goods_id", "goods_remark", "quantity", "price", "discount_amount")
        rows = [tuple(_cell(row, name, line.get(name)) for name in names) for line in _lines(row)]
        columns = ("goods_id", _("remark"), _("quantity"), _("unit price"), _("discount"))
        return [Section(title=_("Goods"), columns=columns, rows=rows)]

    @admin.display(description=_("order"))
    def order_link(self, promotion: Promotion) -> SafeString:
        """Return the way to its order."""
        return page_link(Order, promotion.order_id, promotion.order)

    @admin.display(description=_("amount"))
    def amount_shown(self, promotion: Promotion) -> str:
        """Return it in major units."""
        return _money(promotion, promotion.amount)

    @admin.display(description=_("paid by WeChat Pay"))
    def wxpay_contribute_shown(self, promotion: Promotion) -> str:
        """Return WeChat Pay's share."""
        return _money(promotion, promotion.wxpay_contribute_amount)

    @admin.display(description=_("paid by the merchant"))
    def merchant_contribute_shown(self, promotion: Promotion) -> str:
        """Return the merchant's share."""
        return _money(promotion, promotion.merchant_contribute_amount)

    @admin.display(description=_("paid by others"))
    def other_contribute_shown(self, promotion: Promotion) -> str:
        """Return everybody else's share."""
        return _money(promotion, promotion.other_contribute_amount)


def _money(promotion: Promotion, amount: int | None) -> str:
    return formats.shown(amount, promotion.currency or "CNY")


def _lines(promotion: Promotion) -> list[dict[str, object]]:
    return list(promotion.goods_detail)


def _cell(promotion: Promotion, name: str, value: object) -> object:
    if name == "discount_amount" and isinstance(value, int):
        return _money(promotion, value)
    if name == "price" and isinstance(value, int):
        # A price is the shop's own, so it is in the currency of the order.
        return formats.shown(value, promotion.order.fee_type)
    return "-" if value in (None, "") else value
