"""Fields on the page of an order: request, refusal, payment, and the advice on a refusal."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import conf
from django_wxpay.admin import display
from django_wxpay.admin.base import ReadOnlyAdmin
from django_wxpay.admin.bills.fees import fee_of
from django_wxpay.admin.orders import attention
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.models import Order
from django_wxpay.protocol.error_codes import TABLE, lookup
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v3.errors import V3_TABLE, lookup_v3, normalised


class OrderFieldsAdmin(ReadOnlyAdmin):
    """A part is shown once it exists: the refusal, the payment, each optional field."""

    _BOUGHT: ClassVar = (
        "state",
        "amount_shown",
        "body",
        "out_trade_no",
        "reference",
        "trade_type",
        "merchant",
        "created_at",
        "updated_at",
    )
    _REFUSAL: ClassVar = ("err_code", "err_code_des", "advice")
    _PAYMENT: ClassVar = (
        "transaction_id",
        "success_time",
        "trade_state_desc",
        "bank_type",
        "payer",
        "payer_total_shown",
        "cash_fee_shown",
        "coupon_fee_shown",
        "settlement_total_fee_shown",
        "exchange_rate_shown",
    )
    # Shown where the order has them.
    _OPTIONAL: ClassVar = (
        "sub_appid",
        "sub_mch_id",
        "attach",
        "openid_shown",
        "sub_openid_shown",
        "product_id",
        "detail",
        "scene_info",
        "time_start",
        "time_expire",
        "goods_tag",
        "limit_pay",
        "receipt",
        "profit_sharing",
        "device_info",
        "version",
        "user_type",
    )
    _TERMS: ClassVar = ("mch_id", "appid", "spbill_create_ip", "notify_url")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[attention.OrderList]:  # noqa: ARG002
        return attention.OrderList

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:  # noqa: ARG002
        """Return the parts that this order has."""
        order: Order = obj
        parts: list[tuple[Any, Any]] = [(None, {"fields": self._BOUGHT})]
        if order.err_code:
            parts.append((_("The last refusal"), {"fields": self._REFUSAL}))
        if order.is_paid or order.success_time:
            fee = ("fee_shown",) if fee_of(order) else ()
            parts.append((_("Payment"), {"fields": (*self._PAYMENT, *fee)}))
        elif order.trade_state_desc:
            parts[0][1]["fields"] = ("state", "trade_state_desc", *self._BOUGHT[1:])
        if order.next_check_at:
            parts[0][1]["fields"] = (*parts[0][1]["fields"], "next_check_at")
        given = [name for name in self._OPTIONAL if getattr(order, name.removesuffix("_shown"))]
        terms = {"fields": (*self._TERMS, *given), "classes": ("collapse",)}
        return [*parts, (_("Request details"), terms)]

    @admin.display(description=_("state"))
    def state(self, order: Order) -> SafeString:
        return attention.badges(order)

    @admin.display(description=_("amount"))
    def amount_shown(self, order: Order) -> str:
        return order.amount

    @admin.display(description=_("what to do"))
    def advice(self, order: Order) -> str:
        return gettext(advice_on(order.err_code, merchant=order.merchant))

    @admin.display(description=_("fee"))
    def fee_shown(self, order: Order) -> str:
        return fee_of(order)

    @admin.display(description=_("payer"))
    def payer(self, order: Order) -> str:
        return display.payer(order) or "-"

    @admin.display(description="openid")
    def openid_shown(self, order: Order) -> str:
        return display.masked(order.openid)

    @admin.display(description="sub_openid")
    def sub_openid_shown(self, order: Order) -> str:
        return display.masked(order.sub_openid)

    @admin.display(description=_("paid by the customer"))
    def payer_total_shown(self, order: Order) -> str:
        return display.money(order.payer_total, order.payer_currency or order.fee_type)

    @admin.display(description=_("cash"))
    def cash_fee_shown(self, order: Order) -> str:
        return display.money(order.cash_fee, order.cash_fee_type or order.fee_type)

    @admin.display(description=_("coupons"))
    def coupon_fee_shown(self, order: Order) -> str:
        return display.money(order.coupon_fee, order.fee_type)

    @admin.display(description=_("settled"))
    def settlement_total_fee_shown(self, order: Order) -> str:
        return display.money(order.settlement_total_fee, order.fee_type)

    @admin.display(description=_("exchange rate"))
    def exchange_rate_shown(self, order: Order) -> str:
        """Return the rate as the shortest decimal, and its kind."""
        if order.exchange_rate is None:
            return "-"
        return f"{order.exchange_rate.normalize():f} {order.exchange_rate_type}"


# The code that is stored for a v3 refusal without a code of its own.
_STATUS: Final = re.compile("HTTP_([0-9]{3})")


def advice_on(err_code: str, *, merchant: str) -> str:
    """Return the advice, in English, on a refusal of the merchant of this alias.

    It is the advice of the protocol that the merchant speaks now. A code that only the other
    protocol has is from the time when the merchant spoke that one.
    """
    if status := _STATUS.fullmatch(err_code):
        return lookup_v3(int(status[1]), "").advice
    row = V3_TABLE.get(normalised(err_code))
    if row is None or (err_code in TABLE and not _speaks_v3(merchant)):
        row = lookup(err_code)
    return row.advice


def _speaks_v3(merchant: str) -> bool:
    try:
        return conf.merchant(merchant).api is Api.V3
    except ConfigurationError:
        return False
