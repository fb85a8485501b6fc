"""closeorder: which orders can be closed, and when (protocol-v2 section 6.1)."""

from __future__ import annotations

from datetime import timedelta

from django_wxpay.protocol.v2.fields import CLOSEORDER_RULES, check_closeorder
from django_wxpay.simulator.state.trades import CLOSED, NOTPAY, PAID_STATES, PAYERROR
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.admission import Call
from django_wxpay.simulator.v2.checking import check_required, checked
from django_wxpay.simulator.v2.querying import check_sub_merchant
from django_wxpay.simulator.v2.refusals import BusinessError


def closeorder(world: World, call: Call) -> dict[str, str]:
    """Close the order and return what the answer adds; call with the lock held."""
    check_required(CLOSEORDER_RULES, call)
    with checked():
        check_closeorder(call.fields, mode=call.account.mode)
    now = world.clock.now()
    trade = world.trades.find(call.account.mch_id, call.out_trade_no, now=now)
    if trade is None:
        raise BusinessError("ORDERNOTEXIST")
    check_sub_merchant(call, trade)
    if trade.state in PAID_STATES:
        raise BusinessError("ORDERPAID")
    if trade.state == CLOSED and world.options.close_again == "ORDERCLOSED":
        raise BusinessError("ORDERCLOSED")
    if trade.state not in {NOTPAY, PAYERROR, CLOSED}:
        raise BusinessError("TRADE_STATE_ERROR")
    if now < trade.created_at + timedelta(seconds=world.options.close_after_s):
        raise BusinessError("INVALID_REQUEST", "订单生成后不能马上调用关单接口")
    trade.state = CLOSED
    return {"result_msg": "OK"}
