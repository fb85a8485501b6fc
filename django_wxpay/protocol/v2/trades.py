"""Reading of the trade block of an answer or a notice (protocol-v2 sections 5.2 and 7.2).

The amount of the order and its numbers are read strictly, because an order is held against
them. Everything else describes a payment that is made either way, so what cannot be read of it
is left out: the rate, the cash, the coupons, the promotions, and the time. An order without its
success_time is settled; one that waits for a readable time would be paid and never delivered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.facts import (
    NO_PAYMENT,
    Coupon,
    GoodsLine,
    Payment,
    PromotionFact,
    TradeFact,
    TradeState,
)
from django_wxpay.protocol.json_bounds import has_too_many_values
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.rules import parse_object
from django_wxpay.protocol.times import parse_t14

_DIGITS: Final = re.compile("[0-9]{1,16}")
_COUPON: Final = re.compile("coupon_(id|type|fee)_(0|[1-9][0-9]{0,2})")
_PAID: Final = frozenset({TradeState.SUCCESS, TradeState.REFUND})
# Of an order, a transaction or a refund of WeChat Pay's (protocol-v2 sections 5.2 and 7.4).
LONGEST_NUMBER: Final = 32
# promotion_detail has 6,000 characters at most (protocol-v2 section 5.2): with names of its members
# no text of that length holds half as many. Each line of goods is an object of ours.
_MOST_VALUES_OF_PROMOTIONS: Final = 2000


def read_trade(fields: Mapping[str, str], *, source: str, state: TradeState) -> TradeFact:
    """Return the fact that verified ``fields`` state.

    Raises ``MalformedMessage`` for an amount that is none, for a missing or overlong number,
    and for a success without its transaction or its amount.
    """
    fact = TradeFact(
        source=source,
        mch_id=fields.get("mch_id", ""),
        appid=fields.get("appid", ""),
        sub_mch_id=fields.get("sub_mch_id", ""),
        sub_appid=fields.get("sub_appid", ""),
        out_trade_no=read_number(fields, "out_trade_no"),
        trade_state=state,
        trade_state_desc=fields.get("trade_state_desc", ""),
        trade_type=fields.get("trade_type", ""),
        transaction_id=read_number(fields, "transaction_id"),
        total_fee=read_amount(fields, "total_fee"),
        fee_type=fee_type_of(fields),
        success_time=_optional_moment(fields, "time_end"),
        bank_type=fields.get("bank_type", ""),
        attach=fields.get("attach", ""),
        payment=_payment(fields) if state in _PAID else None,
    )
    _check_whole(fact)
    return fact


def read_number(fields: Mapping[str, str], name: str, *, longest: int = LONGEST_NUMBER) -> str:
    """Return the identifying number ``name``, "" if there is none.

    One of more than ``longest`` characters is a ``MalformedMessage``: a part of it would be
    another number.
    """
    text = fields.get(name, "")
    if len(text) > longest:
        raise MalformedMessage(f"{name} is longer than {longest} characters")
    return text


def read_amount(fields: Mapping[str, str], name: str) -> int | None:
    """Return the amount ``name`` in minor units, None if there is none; else as above."""
    text = fields.get(name)
    if not text:
        return None
    if not _DIGITS.fullmatch(text):
        raise MalformedMessage(f"{name} is not a number in plain digits")
    amount = int(text)
    if amount > LARGEST:
        raise MalformedMessage(f"{name} is more than {LARGEST}")
    return amount


def _check_whole(fact: TradeFact) -> None:
    if not fact.out_trade_no:
        raise MalformedMessage("out_trade_no is missing")
    # A success without its amount could not be held against the order's.
    if fact.trade_state is TradeState.SUCCESS and (
        fact.total_fee is None or not fact.transaction_id
    ):
        raise MalformedMessage("a success without total_fee or transaction_id")


def _payment(fields: Mapping[str, str]) -> Payment | None:
    openid = fields.get("openid", "")
    institutional = bool(fields.get("sub_mch_id"))
    cash_fee = optional_amount(fields, "cash_fee")
    cash_currency = fields.get("cash_fee_type") or fee_type_of(fields)
    rate = _exchange_rate(fields)
    payment = Payment(
        openid="" if institutional else openid,
        sp_openid=openid if institutional else "",
        sub_openid=fields.get("sub_openid", ""),
        payer_total=cash_fee,
        payer_currency="" if cash_fee is None else cash_currency or "CNY",
        cash_fee=cash_fee,
        cash_fee_type=fields.get("cash_fee_type", ""),
        settlement_total_fee=optional_amount(fields, "settlement_total_fee"),
        coupon_fee=optional_amount(fields, "coupon_fee"),
        coupons=_coupons(fields),
        exchange_rate_type="" if rate is None else "SETTLEMENT_RATE",
        exchange_rate=rate,
        promotions=_promotions(fields.get("promotion_detail", "")),
    )
    return None if payment == NO_PAYMENT else payment


def _coupons(fields: Mapping[str, str]) -> tuple[Coupon, ...]:
    named = [name for name, value in fields.items() if value and name.startswith("coupon_")]
    if not named:
        return ()
    indices = sorted({int(match[2]) for match in map(_COUPON.fullmatch, named) if match})
    return tuple(
        Coupon(
            coupon_id=fields.get(f"coupon_id_{index}", ""),
            coupon_type=fields.get(f"coupon_type_{index}", ""),
            coupon_fee=optional_amount(fields, f"coupon_fee_{index}"),
        )
        for index in indices
    )


def _exchange_rate(fields: Mapping[str, str]) -> Decimal | None:
    text = fields.get("rate_value") or fields.get("rate", "")
    return Decimal(int(text)).scaleb(-8) if _DIGITS.fullmatch(text) else None


def fee_type_of(fields: Mapping[str, str]) -> str:
    """Return the currency of the order; a document with an amount and no currency means CNY."""
    return fields.get("fee_type") or ("CNY" if fields.get("total_fee") else "")


def optional_amount(fields: Mapping[str, str], name: str) -> int | None:
    """Return the amount ``name``, None where there is none or where it cannot be read."""
    try:
        return read_amount(fields, name)
    except MalformedMessage:
        return None


def _optional_moment(fields: Mapping[str, str], name: str) -> datetime | None:
    try:
        return parse_t14(fields.get(name, ""))
    except ValueError:
        return None


def _promotions(text: str) -> tuple[PromotionFact, ...]:
    if not text or has_too_many_values(text, _MOST_VALUES_OF_PROMOTIONS):
        return ()
    content = parse_object(text) or {}
    return tuple(map(_promotion, _objects(content, "promotion_detail")))


def _promotion(item: Mapping[str, Any]) -> PromotionFact:
    return PromotionFact(
        promotion_id=_word(item, "promotion_id"),
        name=_word(item, "name"),
        scope=_word(item, "scope"),
        type=_word(item, "type"),
        amount=_count(item, "amount"),
        currency=_word(item, "currency"),
        activity_id=_word(item, "activity_id"),
        wxpay_contribute_amount=_count(item, "wxpay_contribute"),
        merchant_contribute_amount=_count(item, "merchant_contribute"),
        other_contribute_amount=_count(item, "other_contribute"),
        goods_detail=tuple(map(_goods_line, _objects(item, "goods_detail"))),
    )


def _goods_line(line: Mapping[str, Any]) -> GoodsLine:
    return GoodsLine(
        goods_id=_word(line, "goods_id"),
        goods_remark=_word(line, "goods_remark"),
        quantity=_count(line, "quantity"),
        price=_count(line, "price"),
        discount_amount=_count(line, "discount_amount"),
    )


def _objects(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    items = holder.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _word(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def _count(holder: Mapping[str, Any], name: str) -> int | None:
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST
    return value if whole else None
