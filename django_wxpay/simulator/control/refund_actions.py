"""Actions of the control plane that concern refunds: made, settled, notified, and paid from."""

from __future__ import annotations

from typing import Any

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.money import LARGEST
from django_wxpay.simulator.control import ledger, refunding
from django_wxpay.simulator.control.arguments import Arguments, ControlError
from django_wxpay.simulator.control.refunding import Asked, RefundProblem
from django_wxpay.simulator.notifications import sending
from django_wxpay.simulator.state.refunds import (
    BY_PLATFORM,
    FINAL_STATUSES,
    STATUSES,
    Refund,
)
from django_wxpay.simulator.state.trades import PAID_STATES, Trade
from django_wxpay.simulator.state.world import World


def refund(world: World, given: Arguments) -> dict[str, Any]:
    """Refund ``mch_id``'s ``out_trade_no`` as the merchant does on the platform.

    Defaults: a new number as ``out_refund_no``, all that is left as ``refund_fee``, and no
    notification without a ``notify_url``. It is in process until its time comes.
    """
    mch_id, out_trade_no = given.text("mch_id"), given.text("out_trade_no")
    out_refund_no = given.text("out_refund_no", "")
    refund_fee = given.whole("refund_fee", most=LARGEST)
    reason, url = given.text("refund_desc", ""), given.text("notify_url", "")
    given.finish()
    with world.lock:
        trade = world.trade(mch_id, out_trade_no)
        asked = Asked(
            # The platform's own notification is v2's, whatever placed the order (protocol-v2
            # section 7.4); without an API key there is nothing to seal that with.
            api=Api.V2 if world.accounts[mch_id].api_key else trade.api,
            out_refund_no=out_refund_no or world.identifiers.nonce(),
            refund_fee=refunding.refundable(world, trade) if refund_fee is None else refund_fee,
            reason=reason,
            notify_url=url,
            source=BY_PLATFORM,
        )
        if asked.refund_fee < 1:
            raise _nothing(refund_fee)
        try:
            made = refunding.accept(world, trade, asked)
        except RefundProblem as problem:
            raise ControlError(problem.reason.name.lower(), str(problem)) from None
        return ledger.refund_view(made)


def _nothing(refund_fee: int | None) -> ControlError:
    if refund_fee is None:
        return ControlError("nothing_left", "the order has been refunded in full")
    return ControlError("invalid", "refund_fee is at least 1")


def settle_refund(world: World, given: Arguments) -> dict[str, Any]:
    """End ``mch_id``'s ``out_refund_no`` as ``status`` now, and notify its address."""
    mch_id, out_refund_no = given.text("mch_id"), given.text("out_refund_no")
    status = _status(given)
    given.finish()
    with world.lock:
        sending.settle_due_refunds(world)
        known = world.refund(mch_id, out_refund_no)
        if known.status in FINAL_STATUSES:
            raise ControlError("settled", f"the refund has ended as {known.status}")
        refunding.settle(world, known, status)
    return _refund_after_sending(world, known)


def set_balance(world: World, given: Arguments) -> dict[str, Any]:
    """Set what ``mch_id`` has for refunds to ``balance`` minor units; without it, no limit."""
    mch_id = given.text("mch_id")
    balance = given.whole("balance", most=LARGEST)
    given.finish()
    with world.lock:
        if mch_id not in world.accounts:
            raise ControlError("unknown_merchant", f"there is no merchant {mch_id}", status=404)
        world.balances[mch_id] = balance
    return {"mch_id": mch_id, "balance": balance}


def refund_notice(world: World, given: Arguments) -> dict[str, Any]:
    """Notify the shop of the result of a refund of ``mch_id``'s ``out_trade_no``.

    Defaults: the whole amount as ``refund_fee``, SUCCESS as ``status``, and of ``notify_url`` that
    of the refund or else of the order. The same ``out_refund_no`` again is the same refund. A
    result that contradicts an earlier one is notified as well.
    """
    mch_id, out_trade_no = given.text("mch_id"), given.text("out_trade_no")
    out_refund_no = given.text("out_refund_no")
    refund_fee = given.whole("refund_fee", most=LARGEST)
    status, url = _status(given, STATUSES[0]), given.text("notify_url", "")
    given.finish()
    with world.lock:
        trade = world.trade(mch_id, out_trade_no)
        before = world.refunds.find(mch_id, out_refund_no)
        url = url or (before.notify_url if before else "") or trade.terms.get("notify_url", "")
        if not url:
            raise ControlError("invalid", "notify_url is missing, and the order has none")
        known = _noticed(world, trade, out_refund_no, refund_fee)
        known.notify_url = url
        refunding.settle(world, known, status)
    return _refund_after_sending(world, known)


def _status(given: Arguments, default: str | None = None) -> str:
    status = given.text("status", default)
    if status not in STATUSES:
        raise ControlError("invalid", f"status is one of {', '.join(STATUSES)}")
    return status


def _refund_after_sending(world: World, known: Refund) -> dict[str, Any]:
    if not world.live:
        sending.send_due(world)
    with world.lock:
        return ledger.refund_view(known)


def _noticed(world: World, trade: Trade, out_refund_no: str, refund_fee: int | None) -> Refund:
    total = int(trade.terms["total_fee"])
    fee = total if refund_fee is None else refund_fee
    if trade.state not in PAID_STATES:
        raise ControlError("not_paid", "the trade has not been paid, so nothing goes back")
    if not 1 <= fee <= total:
        raise ControlError("invalid", f"refund_fee is not between 1 and {total}")
    known = world.refunds.find(trade.mch_id, out_refund_no)
    if known is None:
        asked = Asked(api=trade.api, out_refund_no=out_refund_no, refund_fee=fee)
        known = refunding.new_refund(world, trade, asked)
        world.add_refund(known)
    elif known.trade is not trade or refund_fee not in {None, known.refund_fee}:
        raise ControlError("invalid", f"{out_refund_no} is another refund")
    return known
