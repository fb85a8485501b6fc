"""How an order object becomes a fact, global or domestic, common or institutional.

The families differ in names (protocol-v3 sections 3.3 and 4.3): the order number is ``id``
or ``transaction_id``, promotions have ids and contributions of three spellings. What an
unpaid order leaves out is optional throughout. Amounts, times and identities are read
strictly, because money hangs on them; ``promotion_detail`` only describes, so what cannot be
read of it is left out and never stands in a payment's way.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.facts import (
    GoodsLine,
    Payment,
    PromotionFact,
    TradeFact,
    TradeState,
)
from django_wxpay.protocol.v3.reading import (
    Members,
    count,
    inner,
    moment,
    objects,
    text,
    whole,
    word,
)

_STATES: Final = {state.value: state for state in TradeState if state is not TradeState.CREATED}
_PAID: Final = frozenset({TradeState.SUCCESS, TradeState.REFUND})
# Eight decimals (protocol-v3 section 3.3); as many digits as v2 writes.
_RATE_DECIMALS: Final = 8
_LARGEST_RATE: Final = 10**16 - 1


def trade_fact(trade: Members, *, source: str) -> TradeFact:
    """Return the fact that a verified order object states.

    Raises ``MalformedMessage`` for an unknown trade_state, a number or a time that is none,
    a missing number or merchant, and a success that does not say which transaction or how
    much of what.
    """
    state = _STATES.get(text(trade, "trade_state"))
    if state is None:
        raise MalformedMessage("there is no trade_state that we know")
    amount = inner(trade, "amount")
    # An unpaid order may have 0 where it has nothing to say.
    total = whole(amount, "total") or None
    fact = TradeFact(
        source=source,
        mch_id=text(trade, "mchid", "sp_mchid"),
        appid=text(trade, "appid", "sp_appid"),
        sub_mch_id=text(trade, "sub_mchid"),
        sub_appid=text(trade, "sub_appid"),
        out_trade_no=text(trade, "out_trade_no"),
        trade_state=state,
        trade_state_desc=text(trade, "trade_state_desc"),
        trade_type=text(trade, "trade_type"),
        transaction_id=text(trade, "id", "transaction_id"),
        total_fee=total,
        fee_type=text(amount, "currency") or _unsaid_currency(trade, total),
        success_time=moment(trade, "success_time"),
        bank_type=text(trade, "bank_type"),
        attach=text(trade, "attach"),
        payment=_payment(trade, amount) if state in _PAID else None,
    )
    _check_whole(fact)
    return fact


def _unsaid_currency(trade: Members, total: int | None) -> str:
    # Only a domestic payment may leave CNY unsaid; an unpaid order does not tell its family.
    return "CNY" if total and trade.get("transaction_id") else ""


def _check_whole(fact: TradeFact) -> None:
    if not fact.out_trade_no or not fact.mch_id:
        raise MalformedMessage("out_trade_no or the merchant is missing")
    # A success without its amount could not be held against the order's.
    said = fact.total_fee and fact.fee_type and fact.transaction_id
    if fact.trade_state is TradeState.SUCCESS and not said:
        raise MalformedMessage("a success without its amount, currency or transaction")


def _payment(trade: Members, amount: Members) -> Payment | None:
    payer = inner(trade, "payer")
    rate = inner(amount, "exchange_rate")
    payment = Payment(
        openid=text(payer, "openid"),
        sp_openid=text(payer, "sp_openid"),
        sub_openid=text(payer, "sub_openid"),
        payer_total=whole(amount, "payer_total"),
        payer_currency=text(amount, "payer_currency"),
        exchange_rate_type=text(rate, "type"),
        exchange_rate=_rate(rate),
        promotions=_promotions(trade),
    )
    return None if payment == Payment() else payment


def _rate(rate: Members) -> Decimal | None:
    number = whole(rate, "rate", most=_LARGEST_RATE)
    return None if number is None else Decimal(number).scaleb(-_RATE_DECIMALS)


def _promotions(trade: Members) -> tuple[PromotionFact, ...]:
    # Quick Pay's table puts them under "detail", its example does not (protocol-v3 section 3.3).
    return tuple(_promotion(item) for item in objects(trade, "promotion_detail", "detail"))


def _promotion(item: Members) -> PromotionFact:
    return PromotionFact(
        promotion_id=word(item, "promotion_id", "coupon_id"),
        name=word(item, "name"),
        scope=word(item, "scope"),
        type=word(item, "type"),
        amount=count(item, "amount"),
        currency=word(item, "currency"),
        activity_id=word(item, "activity_id", "stock_id"),
        wxpay_contribute_amount=count(
            item, "wxpay_contribute_amount", "wechatpay_contribute_amount", "wechatpay_contribute"
        ),
        merchant_contribute_amount=count(item, "merchant_contribute_amount", "merchant_contribute"),
        other_contribute_amount=count(item, "other_contribute_amount", "other_contribute"),
        goods_detail=tuple(_goods_line(line) for line in objects(item, "goods_detail")),
    )


def _goods_line(line: Members) -> GoodsLine:
    return GoodsLine(
        goods_id=word(line, "goods_id"),
        goods_remark=word(line, "goods_remark"),
        quantity=count(line, "quantity"),
        price=count(line, "price", "unit_price"),
        # Required by the table, absent from every example: 0, as the sheet has it.
        discount_amount=count(line, "discount_amount") or 0,
    )
