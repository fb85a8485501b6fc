"""What a customer, or a hand on the controls, does to a trade."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django_wxpay.simulator.control.errors import ControlError
from django_wxpay.simulator.notifications.notices import Notice
from django_wxpay.simulator.notifications.sending import post
from django_wxpay.simulator.state.payments import Manner, payment_fields
from django_wxpay.simulator.state.trades import (
    PAID_STATES,
    PAYABLE_STATES,
    STATES,
    SUCCESS,
    Prepay,
    Trade,
)
from django_wxpay.simulator.state.world import World

# Why a customer cannot pay, for the page and for the control plane.
PAID: Final = "already_paid"
CLOSED: Final = "closed"
REPLACED: Final = "replaced"
EXPIRED: Final = "expired"
PREPAY_EXPIRED: Final = "prepay_expired"

SENTENCES: Final[dict[str, str]] = {
    PAID: "the trade has been paid",
    CLOSED: "the trade is closed",
    REPLACED: "unifiedorder was called again and this code no longer works",
    EXPIRED: "the order's time_expire has passed",
    PREPAY_EXPIRED: "the prepay_id has expired; call unifiedorder again",
}


def obstacle(world: World, trade: Trade, prepay: Prepay) -> str:
    """Return why ``trade`` cannot be paid with ``prepay`` now, "" when it can."""
    now = world.clock.now()
    if trade.state in PAID_STATES:
        return PAID
    if trade.state not in PAYABLE_STATES:
        return CLOSED
    if prepay is not trade.live_prepay:
        return REPLACED
    # time_expire names a second, and the whole of it still counts.
    if trade.expires_at is not None and now >= trade.expires_at + timedelta(seconds=1):
        return EXPIRED
    return PREPAY_EXPIRED if now >= prepay.expires_at else ""


def pay(
    world: World, trade: Trade, manner: Manner, *, prepay: Prepay | None = None, force: bool = False
) -> Notice:
    """Let the customer pay and put the notification on its way; call with the lock held.

    ``force`` pays a trade that has expired or was closed meanwhile, for the customer who was
    already typing the password. Raises ``ControlError`` when the trade cannot be paid.
    """
    reason = obstacle(world, trade, prepay or trade.live_prepay)
    if reason and (not force or reason == PAID):
        raise ControlError(reason, SENTENCES[reason])
    return settle(world, trade, manner)


def settle(world: World, trade: Trade, manner: Manner) -> Notice:
    """Take the money, whatever state the trade is in, and put the notification on its way."""
    _take_money(world, trade, manner)
    trade.state = SUCCESS
    return post(world, trade)


def set_state(world: World, trade: Trade, state: str) -> None:
    """Put a trade into any state of protocol-v2 section 5.3, and tell nobody.

    A trade that is declared paid gets its payment; its notification never comes. Raises
    ``ControlError`` for a word that is no state.
    """
    if state not in STATES:
        raise ControlError("invalid", f"trade_state is one of {', '.join(STATES)}")
    if state in PAID_STATES and not trade.payment:
        _take_money(world, trade, Manner())
    trade.state = state


def notify_again(world: World, trade: Trade) -> Notice:
    """Send the notification of a paid trade once more, as gateways do; lock held."""
    if not trade.payment:
        raise ControlError("not_paid", "the trade has not been paid, so there is nothing to tell")
    return post(world, trade)


def _take_money(world: World, trade: Trade, manner: Manner) -> None:
    now = world.clock.now()
    trade.payment = payment_fields(
        trade, manner, now=now, transaction_id=world.numbers.transaction_id(now)
    )
