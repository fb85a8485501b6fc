"""Actions of customers and payees about other products: confirm, pay at once, complain."""

from __future__ import annotations

from typing import Any

from django_wxpay.simulator.control.arguments import Arguments
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.more import combining, complaints, transfers


def complain(world: World, given: Arguments) -> dict[str, Any]:
    """Let the payer of a paid trade complain, and return the complaint's number."""
    mch_id, number = given.text("mch_id"), given.text("out_trade_no")
    detail = given.text("detail", "反馈一个重复扣费的问题")
    phone = given.text("phone", "13800138000")
    given.finish()
    with world.lock:
        trade = world.trade(mch_id, number)
        return complaints.complain(world, trade, detail=detail, phone=phone)


def settle_transfer(world: World, given: Arguments) -> dict[str, Any]:
    """Let the payee confirm a transfer (SUCCESS), or let it FAIL, and return it."""
    mch_id, number = given.text("mch_id"), given.text("out_bill_no")
    state, reason = given.text("state", "SUCCESS"), given.text("fail_reason", "")
    given.finish()
    with world.lock:
        return transfers.settle_transfer(world, mch_id, number, state=state, fail_reason=reason)


def pay_combined(world: World, given: Arguments) -> dict[str, Any]:
    """Let the customer pay a combined order, without a notification, and return its numbers."""
    mch_id, number = given.text("mch_id"), given.text("combine_out_trade_no")
    given.finish()
    with world.lock:
        return combining.pay_combined(world, mch_id, number)
