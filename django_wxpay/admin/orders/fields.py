"""An order's facts, as its page says them: agreed, refused, paid.

Which advice belongs to a code that is stored: that of the protocol the merchant speaks.

A code that only the other protocol has is from the time when the merchant spoke that one.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import conf
from django_wxpay.admin import badges, formats
from django_wxpay.admin.base import Ledger
from django_wxpay.admin.links import masked
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.models import Order
from django_wxpay.protocol.error_codes import TABLE, lookup
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v3.errors import V3_TABLE, lookup_v3, normalised


class OrderFacts(Ledger):
    """Which facts there are depends on what has happened; what never was is not shown."""

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
    # Shown where they were given.
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

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:  # noqa: ARG002
        """Return what there is to say: a refusal if there was one, a payment if there was one."""
        order: Order = obj
        parts: list[tuple[Any, Any]] = [(None, {"fields": self._BOUGHT})]
        if order.err_code:
            parts.append((_("The last refusal"), {"fields": self._REFUSAL}))
        if order.is_paid or order.success_time:
            parts.append((_("Payment"), {"fields": self._PAYMENT}))
        elif order.trade_state_desc:
            parts[0][1]["fields"] = ("state", "trade_state_desc", *self._BOUGHT[1:])
        given = [name for name in self._OPTIONAL if getattr(order, name.removesuffix("_shown"))]
        terms = {"fields": (*self._TERMS, *given), "classes": ("collapse",)}
        return [*parts, (_("What was agreed"), terms)]

    @admin.display(description=_("state"))
    def state(self, order: Order) -> SafeString:
        """Return where it stands, at a glance."""
        return badges.state_of(order)

    @admin.display(description=_("amount"))
    def amount_shown(self, order: Order) -> str:
        """Return the amount in major units."""
        return order.amount

    @admin.display(description="trade_type")
    def type_shown(self, order: Order) -> str:
        """Return WeChat Pay's word alone, for a list is narrow."""
        return order.trade_type

    @admin.display(description=_("what to do"))
    def advice(self, order: Order) -> str:
        """Return the advice that belongs to the last refusal."""
        return gettext(advice_on(order.err_code, merchant=order.merchant))

    @admin.display(description=_("payer"))
    def payer(self, order: Order) -> str:
        """Return who paid, recognisable and no more."""
        ids = {
            "openid": order.payer_openid,
            "sp_openid": order.payer_sp_openid,
            "sub_openid": order.payer_sub_openid,
        }
        return ", ".join(f"{name} {masked(ids[name])}" for name in ids if ids[name]) or "-"

    @admin.display(description="openid")
    def openid_shown(self, order: Order) -> str:
        """Return who was to pay, recognisable and no more."""
        return masked(order.openid)

    @admin.display(description="sub_openid")
    def sub_openid_shown(self, order: Order) -> str:
        """Return who was to pay, recognisable and no more."""
        return masked(order.sub_openid)

    @admin.display(description=_("paid by the customer"))
    def payer_total_shown(self, order: Order) -> str:
        """Return ``payer_total`` in the payer's currency."""
        return formats.shown(order.payer_total, order.payer_currency or order.fee_type)

    @admin.display(description=_("of it in cash"))
    def cash_fee_shown(self, order: Order) -> str:
        """Return ``cash_fee`` in its own currency."""
        return formats.shown(order.cash_fee, order.cash_fee_type or order.fee_type)

    @admin.display(description=_("of it in coupons"))
    def coupon_fee_shown(self, order: Order) -> str:
        """Return ``coupon_fee``, with the number of coupons."""
        return formats.shown(order.coupon_fee, order.fee_type)

    @admin.display(description=_("settled"))
    def settlement_total_fee_shown(self, order: Order) -> str:
        """Return ``settlement_total_fee``."""
        return formats.shown(order.settlement_total_fee, order.fee_type)

    @admin.display(description=_("exchange rate"))
    def exchange_rate_shown(self, order: Order) -> str:
        """Return the rate as the shortest decimal, and its kind."""
        if order.exchange_rate is None:
            return "-"
        return f"{order.exchange_rate.normalize():f} {order.exchange_rate_type}"


# What v3 stands under when a refusal came without a code.
_STATUS: Final = re.compile("HTTP_([0-9]{3})")


def advice_on(err_code: str, *, merchant: str) -> str:
    """Return what to do about a refusal of the merchant of this alias, in English."""
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
