"""orderquery: what is told of a trade, state by state (protocol-v2 section 5)."""

from __future__ import annotations

from typing import Final

from django_wxpay.protocol.v2.fields import ORDERQUERY_RULES, check_orderquery
from django_wxpay.simulator.state.trades import (
    ACCEPT,
    CLOSED,
    NOTPAY,
    PAID_STATES,
    PAYERROR,
    REFUND,
    REVOKED,
    SUCCESS,
    USERPAYING,
    Trade,
)
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.admission import Call
from django_wxpay.simulator.v2.checking import check_required, checked
from django_wxpay.simulator.v2.refusals import BusinessError

DESCRIPTIONS: Final[dict[str, str]] = {
    NOTPAY: "订单未支付",
    USERPAYING: "用户支付中",
    ACCEPT: "已接收，等待扣款",
    SUCCESS: "支付成功",
    REFUND: "转入退款",
    CLOSED: "订单已关闭",
    REVOKED: "已撤销",
    PAYERROR: "支付失败，请重新下单支付",
}


def orderquery(world: World, call: Call) -> dict[str, str]:
    """Return what the answer adds to the envelope; call with the lock held."""
    check_required(ORDERQUERY_RULES, call)
    with checked():
        check_orderquery(call.fields, mode=call.account.mode)
    trade = _found(world, call)
    told = {"out_trade_no": trade.out_trade_no, "trade_state": trade.state}
    told["trade_state_desc"] = DESCRIPTIONS[trade.state]
    for name in ("device_info", "attach"):
        if name in trade.terms:
            told[name] = trade.terms[name]
    if trade.state in PAID_STATES:
        told |= trade.payment
    if call.fields.get("version") != "1.0":
        told.pop("promotion_detail", None)
    return told


def check_sub_merchant(call: Call, trade: Trade) -> None:
    """Refuse a sub_mch_id under which the order was not placed (protocol-v2 section 5.4)."""
    if call.fields.get("sub_mch_id") != trade.terms.get("sub_mch_id"):
        raise BusinessError("INVALID_REQUEST", "268447845 sub_mch_id与订单不一致")


def _found(world: World, call: Call) -> Trade:
    transaction_id = call.fields.get("transaction_id")
    mch_id = call.account.mch_id
    if transaction_id:
        trade = world.trades.find_transaction(mch_id, transaction_id)
    else:
        trade = world.trades.find(mch_id, call.out_trade_no, now=world.clock.now())
    if trade is None:
        raise BusinessError("ORDERNOTEXIST")
    check_sub_merchant(call, trade)
    return trade
