"""Which orders v3 closes, and when (protocol-v3 sections 3.4, 4.6 and 7.3)."""

from __future__ import annotations

from datetime import timedelta

from django_wxpay.simulator.state.trades import CLOSED, NOTPAY, PAID_STATES, PAYERROR
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.answers import Said
from django_wxpay.simulator.v3.authorizing import Call
from django_wxpay.simulator.v3.checking import checked_close
from django_wxpay.simulator.v3.querying import find
from django_wxpay.simulator.v3.refusals import V3Refusal


def close(world: World, call: Call) -> Said:
    """Close an order that nobody has paid; closing it again is a success too. Lock held."""
    trade = find(world, call, checked_close(call, world.options))
    if trade.state in PAID_STATES:
        raise V3Refusal("ORDER_PAID")
    if trade.state not in {NOTPAY, PAYERROR, CLOSED}:
        raise V3Refusal("TRADE_ERROR")
    soonest = trade.created_at + timedelta(seconds=world.options.close_after_s)
    if world.clock.now() < soonest:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="订单生成后不能马上调用关单接口",
            english="An order cannot be closed right after it was made.",
        )
    trade.state = CLOSED
    return Said(status=204)
