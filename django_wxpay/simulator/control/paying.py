"""Payments: whether a trade can be paid, and the fields that a payment adds to it.

Source of the fields: protocol-v2 section 5.2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django_wxpay.protocol.facts import Coupon
from django_wxpay.protocol.money import EXPONENTS, major_units
from django_wxpay.protocol.times import to_t14
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.notifications.notices import Notice
from django_wxpay.simulator.notifications.sending import queue_payment_notice
from django_wxpay.simulator.state.identifiers import openid_of
from django_wxpay.simulator.state.trades import (
    PAID_STATES,
    PAYABLE_STATES,
    STATES,
    SUCCESS,
    Prepay,
    Trade,
)
from django_wxpay.simulator.state.world import World

# Reasons why a customer cannot pay, for the page and for the control plane.
PAID: Final = "already_paid"
CLOSED: Final = "closed"
REPLACED: Final = "replaced"
EXPIRED: Final = "expired"
PREPAY_EXPIRED: Final = "prepay_expired"

SENTENCES: Final[dict[str, str]] = {
    PAID: "the trade has been paid",
    CLOSED: "the trade is closed",
    REPLACED: "unifiedorder was called again and this code no longer works",
    EXPIRED: "the order's time_expire has passed",
    PREPAY_EXPIRED: "the prepay_id has expired; call unifiedorder again",
}


def unpayable_reason(world: World, trade: Trade, prepay: Prepay) -> str:
    """Return the reason why ``trade`` cannot be paid with ``prepay`` now, "" if it can."""
    now = world.clock.now()
    if trade.state in PAID_STATES:
        return PAID
    if trade.state not in PAYABLE_STATES:
        return CLOSED
    if prepay is not trade.live_prepay:
        return REPLACED
    if trade.is_too_late(now):
        return EXPIRED
    return PREPAY_EXPIRED if now >= prepay.expires_at else ""


def pay(world: World, trade: Trade, details: PaymentDetails, *, force: bool = False) -> Notice:
    """Let the customer pay and queue the notification; call with the lock held.

    ``force`` pays a trade that has expired or was closed meanwhile: the customer may have
    been typing the password. Raises ``ControlError`` when the trade cannot be paid.
    """
    reason = unpayable_reason(world, trade, trade.live_prepay)
    if reason and (not force or reason == PAID):
        raise ControlError(reason, SENTENCES[reason])
    return take_payment(world, trade, details)


def take_payment(world: World, trade: Trade, details: PaymentDetails) -> Notice:
    """Record a payment in any state of the trade and queue the notification."""
    record_payment(world, trade, details)
    trade.state = SUCCESS
    return queue_payment_notice(world, trade)


def set_state(world: World, trade: Trade, state: str) -> None:
    """Put a trade into any state of protocol-v2 section 5.3 without a notification.

    A trade that becomes paid gets a payment. Raises ``ControlError`` for an unknown state.
    """
    if state not in STATES:
        raise ControlError("invalid", f"trade_state is one of {', '.join(STATES)}")
    if state in PAID_STATES and not trade.payment:
        record_payment(world, trade, PaymentDetails())
    trade.state, trade.pending = state, None


def notify_again(world: World, trade: Trade) -> Notice:
    """Queue the notification of a paid trade once more; lock held."""
    if not trade.payment:
        raise ControlError(
            "not_paid", "the trade has not been paid, so there is no notification to send"
        )
    if trade.is_by_code:
        raise ControlError("no_notification", "nothing is notified of a payment by code")
    return queue_payment_notice(world, trade)


def record_payment(world: World, trade: Trade, details: PaymentDetails) -> None:
    """Give ``trade`` the fields of a payment now, and count it; its state stays."""
    trade.payment = payment_of(world, trade, details, at=world.clock.now())
    trade.charges += 1


def payment_of(
    world: World, trade: Trade, details: PaymentDetails, *, at: datetime
) -> dict[str, str]:
    """Return the wire fields of a payment at ``at``, which change nothing by themselves."""
    return _payment_fields(
        trade, details, now=at, transaction_id=world.identifiers.transaction_id(at)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetails:
    """Details of a payment; the defaults are those of a plain one.

    ``rate_value`` is the exchange rate x 10^8: with it, ``cash_fee`` is converted, to CNY
    unless ``cash_fee_type`` names another currency.
    """

    openid: str = ""
    sub_openid: str = ""
    bank_type: str = "OTHERS"
    coupons: tuple[Coupon, ...] = ()
    cash_fee: int | None = None
    cash_fee_type: str = ""
    rate_value: int | None = None
    promotion_detail: tuple[Mapping[str, Any], ...] = ()


def _payment_fields(
    trade: Trade, details: PaymentDetails, *, now: datetime, transaction_id: str
) -> dict[str, str]:
    """Return the wire fields of a payment; ``ControlError`` when the sums cannot be right."""
    terms = trade.terms
    fields = {
        **_payer(terms, details),
        "trade_type": terms["trade_type"],
        "bank_type": details.bank_type,
        "total_fee": terms["total_fee"],
        "fee_type": terms.get("fee_type", "CNY"),
        "transaction_id": transaction_id,
        "time_end": to_t14(now),
        **_coupon_fields(details.coupons),
        **_money(terms, details),
    }
    promotions = details.promotion_detail or tuple(_promotion(c) for c in details.coupons)
    if promotions:
        fields["promotion_detail"] = json.dumps(
            {"promotion_detail": promotions}, ensure_ascii=False, separators=(",", ":")
        )
    return fields


def _payer(terms: Mapping[str, str], details: PaymentDetails) -> dict[str, str]:
    payer = {
        "openid": details.openid or terms.get("openid") or openid_of(terms["appid"]),
        "is_subscribe": "N",
    }
    if "sub_appid" in terms:
        payer["sub_openid"] = (
            details.sub_openid or terms.get("sub_openid") or openid_of(terms["sub_appid"])
        )
        payer["sub_is_subscribe"] = "N"
    return payer


def _money(terms: Mapping[str, str], details: PaymentDetails) -> dict[str, str]:
    total = int(terms["total_fee"])
    fee_type = terms.get("fee_type", "CNY")
    rest = total - sum(_fee(coupon) for coupon in details.coupons)
    if rest < 0:
        raise ControlError("invalid", f"the coupons are worth more than the {total} to pay")
    cash_fee, cash_fee_type = rest, fee_type
    fields = {}
    if details.rate_value is not None:
        cash_fee_type = details.cash_fee_type or "CNY"
        cash_fee = _converted(rest, fee_type, details.rate_value, to=cash_fee_type)
        fields["rate_value"] = str(details.rate_value)
    fields["cash_fee"] = str(cash_fee if details.cash_fee is None else details.cash_fee)
    fields["cash_fee_type"] = details.cash_fee_type or cash_fee_type
    free = sum(_fee(coupon) for coupon in details.coupons if coupon.coupon_type == "NO_CASH")
    if free:
        fields["settlement_total_fee"] = str(total - free)
    return fields


def _converted(amount: int, fee_type: str, rate_value: int, *, to: str) -> int:
    major = major_units(amount, fee_type) * Decimal(rate_value).scaleb(-8)
    return int(major.scaleb(EXPONENTS.get(to, 2)).to_integral_value())


def _coupon_fields(coupons: tuple[Coupon, ...]) -> dict[str, str]:
    if not coupons:
        return {}
    fields = {
        "coupon_count": str(len(coupons)),
        "coupon_fee": str(sum(_fee(coupon) for coupon in coupons)),
    }
    for n, coupon in enumerate(coupons):
        fields[f"coupon_id_{n}"] = coupon.coupon_id
        fields[f"coupon_fee_{n}"] = str(_fee(coupon))
        if coupon.coupon_type:
            fields[f"coupon_type_{n}"] = coupon.coupon_type
    return fields


def _promotion(coupon: Coupon) -> dict[str, Any]:
    return {
        "promotion_id": coupon.coupon_id,
        "name": f"coupon {coupon.coupon_id}",
        "scope": "GLOBAL",
        "type": "COUPON" if coupon.coupon_type == "CASH" else "DISCOUNT",
        "amount": _fee(coupon),
        "activity_id": coupon.coupon_id,
        "wxpay_contribute": _fee(coupon),
        "merchant_contribute": 0,
        "other_contribute": 0,
    }


def _fee(coupon: Coupon) -> int:
    return coupon.coupon_fee or 0
