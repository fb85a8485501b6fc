"""Reading of an order object, of either family and mode (protocol-v3 sections 3.3 and 4.3).

The families differ in names: the order number is ``id`` or ``transaction_id``, promotions have
ids and contributions of three spellings. The state, the amount with its currency, and the
identities are read strictly, because an order is held against them. Everything else describes
a payment that is made either way, so what cannot be read of it is left out: the payer, the
rate, the promotions, and the time. An order without its success_time is settled; one that
waits for a readable time would be paid and never delivered.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.facts import (
    NO_PAYMENT,
    GoodsLine,
    Payment,
    PromotionFact,
    TradeFact,
    TradeState,
)
from django_wxpay.protocol.v3.reading import (
    Members,
    child,
    integer,
    number,
    objects,
    optional_child,
    optional_integer,
    optional_moment,
    optional_text,
    text,
)

_STATES: Final = {state.value: state for state in TradeState if state is not TradeState.CREATED}
_PAID: Final = frozenset({TradeState.SUCCESS, TradeState.REFUND})
# Eight decimals (protocol-v3 section 3.3); as many digits as v2 writes.
_RATE_DECIMALS: Final = 8
_LARGEST_RATE: Final = 10**16 - 1


def trade_fact(trade: Members, *, source: str) -> TradeFact:
    """Return the fact that a verified order object states.

    Raises ``MalformedMessage`` for an unknown trade_state, an amount that is none, a missing
    or overlong number, and a success without its transaction, amount or currency.
    """
    state = _STATES.get(text(trade, "trade_state"))
    if state is None:
        raise MalformedMessage("there is no trade_state that we know")
    amount = child(trade, "amount")
    # An unpaid order may have 0 where it has no amount.
    total = integer(amount, "total") or None
    fact = TradeFact(
        source=source,
        mch_id=text(trade, "mchid", "sp_mchid"),
        appid=text(trade, "appid", "sp_appid"),
        sub_mch_id=text(trade, "sub_mchid"),
        sub_appid=optional_text(trade, "sub_appid"),
        out_trade_no=number(trade, "out_trade_no"),
        trade_state=state,
        trade_state_desc=optional_text(trade, "trade_state_desc"),
        trade_type=optional_text(trade, "trade_type"),
        transaction_id=number(trade, "transaction_id", "id"),
        total_fee=total,
        fee_type=text(amount, "currency") or _default_currency(trade, total),
        success_time=optional_moment(trade, "success_time"),
        bank_type=optional_text(trade, "bank_type"),
        attach=optional_text(trade, "attach"),
        payment=_payment(trade, amount) if state in _PAID else None,
    )
    _check_whole(fact)
    return fact


def _default_currency(trade: Members, total: int | None) -> str:
    # Only a domestic payment may leave out CNY; an unpaid order may be of either family.
    return "CNY" if total and trade.get("transaction_id") else ""


def _check_whole(fact: TradeFact) -> None:
    if not fact.out_trade_no or not fact.mch_id:
        raise MalformedMessage("out_trade_no or the merchant is missing")
    # A success without its amount could not be held against the order's.
    is_whole = fact.total_fee and fact.fee_type and fact.transaction_id
    if fact.trade_state is TradeState.SUCCESS and not is_whole:
        raise MalformedMessage("a success without its amount, currency or transaction")


def _payment(trade: Members, amount: Members) -> Payment | None:
    payer = optional_child(trade, "payer")
    rate = optional_child(amount, "exchange_rate")
    payment = Payment(
        openid=optional_text(payer, "openid"),
        sp_openid=optional_text(payer, "sp_openid"),
        sub_openid=optional_text(payer, "sub_openid"),
        payer_total=optional_integer(amount, "payer_total"),
        payer_currency=optional_text(amount, "payer_currency"),
        exchange_rate_type=optional_text(rate, "type"),
        exchange_rate=_rate(rate),
        promotions=_promotions(trade),
    )
    return None if payment == NO_PAYMENT else payment


def _rate(rate: Members) -> Decimal | None:
    value = optional_integer(rate, "rate", most=_LARGEST_RATE)
    return None if value is None else Decimal(value).scaleb(-_RATE_DECIMALS)


def _promotions(trade: Members) -> tuple[PromotionFact, ...]:
    # Quick Pay's table puts them under "detail", its example does not (protocol-v3 section 3.3).
    return tuple(_promotion(item) for item in objects(trade, "promotion_detail", "detail"))


def _promotion(item: Members) -> PromotionFact:
    return PromotionFact(
        promotion_id=optional_text(item, "promotion_id", "coupon_id"),
        name=optional_text(item, "name"),
        scope=optional_text(item, "scope"),
        type=optional_text(item, "type"),
        amount=optional_integer(item, "amount"),
        currency=optional_text(item, "currency"),
        activity_id=optional_text(item, "activity_id", "stock_id"),
        wxpay_contribute_amount=optional_integer(
            item, "wxpay_contribute_amount", "wechatpay_contribute_amount", "wechatpay_contribute"
        ),
        merchant_contribute_amount=optional_integer(
            item, "merchant_contribute_amount", "merchant_contribute"
        ),
        other_contribute_amount=optional_integer(
            item, "other_contribute_amount", "other_contribute"
        ),
        goods_detail=tuple(_goods_line(line) for line in objects(item, "goods_detail")),
    )


def _goods_line(line: Members) -> GoodsLine:
    return GoodsLine(
        goods_id=optional_text(line, "goods_id"),
        goods_remark=optional_text(line, "goods_remark"),
        quantity=optional_integer(line, "quantity"),
        price=optional_integer(line, "price", "unit_price"),
        # Required by the table, absent from every example: 0, as the sheet has it.
        discount_amount=optional_integer(line, "discount_amount") or 0,
    )
