"""Which trade a v3 query asks for, and what it is told (protocol-v3 sections 3.3 and 4.3)."""

from __future__ import annotations

from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.answers import Said, wants_english
from django_wxpay.simulator.v3.authorizing import Call
from django_wxpay.simulator.v3.checking import checked_query
from django_wxpay.simulator.v3.order_objects import order_object
from django_wxpay.simulator.v3.refusals import V3Refusal


def query(world: World, call: Call) -> Said:
    """Return how an order stands, whichever protocol placed it; lock held."""
    trade = find(world, call, checked_query(call, world.options))
    content = order_object(
        trade,
        call.account,
        contribution=world.options.contribution_spelling,
        is_english=wants_english(call.request),
    )
    return Said(status=200, content=content)


def find(world: World, call: Call, sub_mchid: str) -> Trade:
    """Return the trade that the path names, if it is one of ``sub_mchid``'s."""
    mch_id, route = call.account.mch_id, call.route
    if route.transaction_id:
        trade = world.trades.find_transaction(mch_id, route.transaction_id)
    else:
        trade = world.trades.find(mch_id, route.out_trade_no, now=world.clock.now())
    if trade is None:
        raise V3Refusal("ORDER_NOT_EXIST")
    if trade.terms.get("sub_mch_id", "") != sub_mchid:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="商户号与订单不匹配",
            english="The merchant is not the order's.",
            number=268447843,
        )
    return trade
