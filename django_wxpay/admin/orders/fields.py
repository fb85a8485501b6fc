"""Fields on the page of an order: request, refusal, payment, and the advice on a refusal."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.base import ReadOnlyAdmin
from django_wxpay.admin.bills.fees import fee_of
from django_wxpay.admin.orders import attention
from django_wxpay.models import Order
from django_wxpay.models.choices import Attentions
from django_wxpay.models.labels import LABELS
from django_wxpay.protocol.facts import TradeState, TradeType
from django_wxpay.services.orders.advice import NEVER_ARRIVED, advice_of

_UNKNOWN: Final = _(
    "WeChat Pay gave no answer when this order was placed: the outcome is unknown. Ask WeChat Pay, "
    "or place it again under the same number, which cannot be paid twice."
)
_UNKNOWN_SALE: Final = _(
    "WeChat Pay gave no answer to this sale: the outcome is unknown. Ask WeChat Pay, or reverse "
    "the sale. The worker asks too, and reverses what is not paid."
)
_NOT_KNOWN_THERE: Final = _(
    "WeChat Pay was asked and does not know this order, so it cannot be paid. Place it again, or "
    "leave it as it is."
)
_UNPLACED: Final = _("This order was never sent to WeChat Pay. Place it, or leave it as it is.")


def is_without_outcome(order: Order) -> bool:
    """Return whether WeChat Pay has neither accepted nor refused the order, as far as is known."""
    return order.trade_state == TradeState.CREATED and not order.err_code


class OrderFieldsAdmin(ReadOnlyAdmin):
    """A part is shown once it exists: the refusal, the payment, each optional field."""

    wire_names: ClassVar = {"state": "trade_state", "amount_shown": "total_fee"}
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
        "bank_type_shown",
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
    # Shown whatever they hold.
    _ALWAYS: ClassVar = frozenset({"state", "amount_shown"})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:  # noqa: ARG002
        """Return the parts that this order has."""
        order: Order = obj
        parts: list[tuple[Any, Any]] = [(None, {"fields": self._bought(order)})]
        if order.err_code:
            parts.append((_("The last refusal"), {"fields": self._REFUSAL}))
        if order.is_paid or order.success_time:
            fee = ("fee_shown",) if fee_of(order) else ()
            parts.append((_("Payment"), {"fields": (*self._PAYMENT, *fee)}))
        terms = {"fields": (*self._TERMS, *self._OPTIONAL), "classes": ("collapse",)}
        return [
            (title, {**part, "fields": given})
            for title, part in (*parts, (_("Request details"), terms))
            if (given := [name for name in part["fields"] if self._has(order, name)])
        ]

    def _bought(self, order: Order) -> tuple[str, ...]:
        state, *others = self._BOUGHT
        # Once it is late, the banner on top says it.
        is_late = Attentions.OUTCOME_UNKNOWN in attention.needs_of(order)
        said = "outcome" if is_without_outcome(order) and not is_late else "trade_state_desc"
        if order.is_paid or order.success_time:
            return (*self._BOUGHT, "next_check_at")
        return (state, said, *others, "next_check_at")

    def _has(self, order: Order, name: str) -> bool:
        """Return whether the order has what the field ``name`` shows; a zero is something."""
        if name in self._ALWAYS:
            return True
        column = name.removesuffix("_shown")
        value = getattr(order, column) if hasattr(order, column) else getattr(self, name)(order)
        return value not in (None, "", "-")

    @admin.display(description=_("reference"))
    def reference_shown(self, order: Order) -> SafeString | str:
        """Return the shop's own number, and the merchant if it is another than "default"."""
        return display.with_merchant(order.reference, order.merchant)

    @admin.display(description=LABELS["trade_state"])
    def state(self, order: Order) -> SafeString:
        return attention.badges(order)

    @admin.display(description=_("amount"), ordering="total_fee")
    def amount_shown(self, order: Order) -> str:
        return order.amount

    @admin.display(description=_("what to do"))
    def advice(self, order: Order) -> str:
        return gettext(advice_of(order))

    @admin.display(description=_("what to do"))
    def outcome(self, order: Order) -> str:
        # WeChat Pay has answered that it has no such order once nothing more is asked.
        is_asked_for = order.next_check_at is not None
        if order.trade_type == TradeType.MICROPAY:
            return str(_UNKNOWN_SALE) if is_asked_for else gettext(NEVER_ARRIVED)
        if order.placed_at is None:
            return str(_UNPLACED)
        return str(_UNKNOWN if is_asked_for else _NOT_KNOWN_THERE)

    @admin.display(description=_("fee"))
    def fee_shown(self, order: Order) -> str:
        return fee_of(order)

    @admin.display(description=_("payer"))
    def payer(self, order: Order) -> str:
        return display.payer(order) or "-"

    @admin.display(description=LABELS["openid"])
    def openid_shown(self, order: Order) -> str:
        return display.masked(order.openid)

    @admin.display(description=LABELS["sub_openid"])
    def sub_openid_shown(self, order: Order) -> str:
        return display.masked(order.sub_openid)

    @admin.display(description=LABELS["bank_type"])
    def bank_type_shown(self, order: Order) -> str:
        return display.bank(order.bank_type) or "-"

    @admin.display(description=LABELS["payer_total"])
    def payer_total_shown(self, order: Order) -> str:
        return display.money(order.payer_total, order.payer_currency or order.fee_type)

    @admin.display(description=LABELS["cash_fee"])
    def cash_fee_shown(self, order: Order) -> str:
        return display.money(order.cash_fee, order.cash_fee_type or order.fee_type)

    @admin.display(description=LABELS["coupon_fee"])
    def coupon_fee_shown(self, order: Order) -> str:
        return display.money(order.coupon_fee, order.fee_type)

    @admin.display(description=LABELS["settlement_total_fee"])
    def settlement_total_fee_shown(self, order: Order) -> str:
        return display.money(order.settlement_total_fee, order.fee_type)

    @admin.display(description=LABELS["exchange_rate"])
    def exchange_rate_shown(self, order: Order) -> str:
        """Return the rate as the shortest decimal, and its kind."""
        if order.exchange_rate is None:
            return "-"
        return f"{order.exchange_rate.normalize():f} {order.exchange_rate_type}"
