"""What a payment adds to a trade: the fields of the paid block (protocol-v2 section 5.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_wxpay.protocol.facts import Coupon
from django_wxpay.protocol.money import EXPONENTS, major_units
from django_wxpay.protocol.times import to_t14
from django_wxpay.simulator.control.errors import ControlError
from django_wxpay.simulator.state.identifiers import openid_of
from django_wxpay.simulator.state.trades import Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the customer pays; what is left out is chosen as a plain payment would have it.

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


def payment_fields(
    trade: Trade, manner: Manner, *, now: datetime, transaction_id: str
) -> dict[str, str]:
    """Return the wire fields of a payment; ``ControlError`` when the sums cannot be right."""
    terms = trade.terms
    fields = {
        **_payer(terms, manner),
        "trade_type": terms["trade_type"],
        "bank_type": manner.bank_type,
        "total_fee": terms["total_fee"],
        "fee_type": terms.get("fee_type", "CNY"),
        "transaction_id": transaction_id,
        "time_end": to_t14(now),
        **_coupon_fields(manner.coupons),
        **_money(terms, manner),
    }
    promotions = manner.promotion_detail or tuple(_promotion(c) for c in manner.coupons)
    if promotions:
        fields["promotion_detail"] = json.dumps(
            {"promotion_detail": promotions}, ensure_ascii=False, separators=(",", ":")
        )
    return fields


def _payer(terms: Mapping[str, str], manner: Manner) -> dict[str, str]:
    payer = {
        "openid": manner.openid or terms.get("openid") or openid_of(terms["appid"]),
        "is_subscribe": "N",
    }
    if "sub_appid" in terms:
        payer["sub_openid"] = (
            manner.sub_openid or terms.get("sub_openid") or openid_of(terms["sub_appid"])
        )
        payer["sub_is_subscribe"] = "N"
    return payer


def _money(terms: Mapping[str, str], manner: Manner) -> dict[str, str]:
    total = int(terms["total_fee"])
    fee_type = terms.get("fee_type", "CNY")
    rest = total - sum(_fee(coupon) for coupon in manner.coupons)
    if rest < 0:
        raise ControlError("invalid", f"the coupons are worth more than the {total} to pay")
    cash_fee, cash_fee_type = rest, fee_type
    fields = {}
    if manner.rate_value is not None:
        cash_fee_type = manner.cash_fee_type or "CNY"
        cash_fee = _converted(rest, fee_type, manner.rate_value, to=cash_fee_type)
        fields["rate_value"] = str(manner.rate_value)
    fields["cash_fee"] = str(cash_fee if manner.cash_fee is None else manner.cash_fee)
    fields["cash_fee_type"] = manner.cash_fee_type or cash_fee_type
    free = sum(_fee(coupon) for coupon in manner.coupons if coupon.coupon_type == "NO_CASH")
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
