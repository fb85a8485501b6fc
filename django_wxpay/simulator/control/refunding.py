"""How a refund notice is sent by hand: the refund itself is asked for elsewhere."""

from __future__ import annotations

from typing import Any

from django_wxpay.protocol.money import LARGEST
from django_wxpay.simulator.control import ledger
from django_wxpay.simulator.control.arguments import Arguments
from django_wxpay.simulator.control.errors import ControlError
from django_wxpay.simulator.notifications import sending
from django_wxpay.simulator.state.refunds import STATUSES, Refund
from django_wxpay.simulator.state.trades import PAID_STATES, REFUND, Trade
from django_wxpay.simulator.state.world import World


def refund_notice(world: World, given: Arguments) -> dict[str, Any]:
    """Tell the shop how a refund of ``mch_id``'s ``out_trade_no`` ended.

    ``refund_fee`` is the whole amount and ``status`` SUCCESS where they are left out;
    ``notify_url`` is the order's own. The same ``out_refund_no`` again is the same refund.
    """
    mch_id, out_trade_no = given.text("mch_id"), given.text("out_trade_no")
    out_refund_no = given.text("out_refund_no")
    refund_fee = given.whole("refund_fee", most=LARGEST)
    status, url = given.text("status", STATUSES[0]), given.text("notify_url", "")
    given.finish()
    if status not in STATUSES:
        raise ControlError("invalid", f"status is one of {', '.join(STATUSES)}")
    with world.lock:
        trade = world.trade(mch_id, out_trade_no)
        refund = _refund(world, trade, out_refund_no, refund_fee)
        refund.status, refund.updated_at = status, world.clock.now()
        trade.state = REFUND
        sending.post_refund(world, refund, url=url or trade.terms["notify_url"])
    if not world.live:
        sending.send_due(world)
    with world.lock:
        return ledger.refund_view(refund)


def _refund(world: World, trade: Trade, out_refund_no: str, refund_fee: int | None) -> Refund:
    total = int(trade.terms["total_fee"])
    fee = total if refund_fee is None else refund_fee
    if trade.state not in PAID_STATES:
        raise ControlError("not_paid", "the trade has not been paid, so nothing goes back")
    if not 1 <= fee <= total:
        raise ControlError("invalid", f"refund_fee is not between 1 and {total}")
    known = world.refunds.find(trade.mch_id, out_refund_no)
    if known is None:
        return _new_refund(world, trade, out_refund_no, fee)
    if known.trade is not trade or refund_fee not in {None, known.refund_fee}:
        raise ControlError("invalid", f"{out_refund_no} is another refund")
    return known


def _new_refund(world: World, trade: Trade, out_refund_no: str, fee: int) -> Refund:
    now = world.clock.now()
    refund = Refund(
        trade=trade,
        out_refund_no=out_refund_no,
        refund_id=world.numbers.refund_id(now),
        refund_fee=fee,
        status=STATUSES[0],
        updated_at=now,
    )
    world.refunds.add(refund)
    return refund
