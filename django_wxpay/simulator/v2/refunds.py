"""refund and refundquery (protocol-v2 sections 6.4 and 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v2.fields import (
    REFUND_KEYS,
    REFUND_RULES,
    REFUNDQUERY_RULES,
    check_refund,
    check_refundquery,
)
from django_wxpay.simulator.control.refunding import (
    Asked,
    Problem,
    RefundProblem,
    accept,
    refundable,
)
from django_wxpay.simulator.state.refunds import Refund
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.admission import Call, check_required, checked
from django_wxpay.simulator.v2.orders import check_sub_merchant
from django_wxpay.simulator.v2.refund_fields import accepted_fields, listed_fields
from django_wxpay.simulator.v2.refusals import BusinessError

_PAGE: Final = 10

# The codes of protocol-v2 section 6.4, and texts seen in practice.
_REFUSALS: Final[Mapping[Problem, tuple[str, str]]] = {
    # An order that is not paid cannot be told from one that is not there.
    Problem.UNPAID: ("ORDERNOTEXIST", "订单不存在或未支付"),
    Problem.OVERDUE: ("TRADE_OVERDUE", "订单已经超过退款期限"),
    Problem.WRONG_TOTAL: ("PARAM_ERROR", "订单金额与原订单不一致"),
    Problem.WRONG_CURRENCY: ("PARAM_ERROR", "退款币种与原订单不一致"),
    Problem.TOO_MUCH: ("ERROR", "累计退款金额大于支付金额"),
    Problem.SHARED: ("NOTENOUGH", "订单已分账，请先回退分账资金再退款"),
    Problem.TOO_MANY: ("ERROR", "部分退款次数超过限制"),
    Problem.TOO_SOON: ("FREQUENCY_LIMITED", "同一订单的退款过于频繁"),
    Problem.OTHER_AMOUNT: (
        "PARAM_ERROR",
        "订单金额或退款金额与之前请求不一致，请核实后再试",
    ),
    Problem.OTHER_ORDER: ("OUT_REFUND_NO_USED", "商户退款单号已被其他订单使用"),
    Problem.NOT_ENOUGH: ("NOTENOUGH", "基本账户余额不足，请充值后重新发起"),
}


def refund(world: World, call: Call) -> dict[str, str]:
    """Accept a refund, or one that was accepted, and return what the answer adds; lock held.

    Source: protocol-v2 section 6.4.
    """
    check_required(REFUND_RULES, call)
    with checked():
        check_refund(call.fields, mode=call.account.mode)
    trade = _refunded_trade(world, call)
    try:
        return accepted_fields(accept(world, trade, _asked(call)))
    except RefundProblem as problem:
        raise _refusal(world, call, trade, problem.reason) from None


def _asked(call: Call) -> Asked:
    fields = call.fields
    return Asked(
        api=Api.V2,
        out_refund_no=fields["out_refund_no"],
        refund_fee=int(fields["refund_fee"]),
        total_fee=int(fields["total_fee"]),
        currency=fields.get("refund_fee_type", ""),
        reason=fields.get("refund_desc", ""),
        notify_url=fields.get("notify_url", ""),
        funds=fields.get("refund_account", ""),
        host=urlsplit(call.origin).netloc,
    )


def _refusal(world: World, call: Call, trade: Trade, reason: Problem) -> BusinessError:
    code, text = _REFUSALS[reason]
    if reason is Problem.TOO_MUCH and not refundable(world, trade):
        text = "订单已全额退款"
    if reason is Problem.NOT_ENOUGH and not call.account.mainland:
        code = "NOT_ENOUGH"
    return BusinessError(code, text)


def _refunded_trade(world: World, call: Call) -> Trade:
    mch_id, transaction_id = call.account.mch_id, call.fields.get("transaction_id")
    if transaction_id:
        trade = world.trades.find_transaction(mch_id, transaction_id)
    else:
        trade = world.trades.find(mch_id, call.out_trade_no, now=world.clock.now())
    if trade is None:
        raise BusinessError("INVALID_TRANSACTIONID" if transaction_id else "ORDERNOTEXIST")
    check_sub_merchant(call, trade)
    return trade


def refundquery(world: World, call: Call) -> dict[str, str]:
    """Return one refund, or a page of an order's refunds; lock held.

    Source: protocol-v2 section 6.5. A page that begins behind the last refund has none of them.
    """
    check_required(REFUNDQUERY_RULES, call)
    with checked():
        check_refundquery(call.fields, mode=call.account.mode)
    key = next(name for name in REFUND_KEYS if name in call.fields)
    found = _found(world, call, key)
    offset = int(call.fields.get("offset", 0))
    page = found[offset : offset + _PAGE]
    if not page:
        raise BusinessError("REFUNDNOTEXIST")
    trade = page[0].trade
    check_sub_merchant(call, trade)
    every = world.refunds.of(trade)
    added = listed_fields(trade, page, every)
    if "offset" in call.fields or len(every) > _PAGE:
        added["total_refund_count"] = str(len(every))
    return added


def _found(world: World, call: Call, key: str) -> list[Refund]:
    mch_id, number = call.account.mch_id, call.fields[key]
    match key:
        case "refund_id":
            one = world.refunds.find_id(mch_id, number)
            return [] if one is None else [one]
        case "out_refund_no":
            one = world.refunds.find(mch_id, number)
            return [] if one is None else [one]
        case "transaction_id":
            trade = world.trades.find_transaction(mch_id, number)
            if trade is None:
                raise BusinessError("INVALID_TRANSACTIONID")
        case _:
            trade = world.trades.find(mch_id, number, now=world.clock.now())
    return [] if trade is None else world.refunds.of(trade)
