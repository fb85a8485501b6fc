"""Reversing a payment by code: an unpaid one is closed, the money of a paid one goes back.

Reverse is repeated until WeChat Pay says that it is done, and the end state is what a query answers
then. While a reversal is on its way without an outcome, an answer that the order is paid proves
nothing, and is not applied: the money may be on its way back. The lease sees to that, which a query
of an undecided sale needs as well. To reverse again needs no such wait, as its answers sell
nothing. Source: protocol-v2 section 6.3.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.error_codes import lookup
from django_wxpay.protocol.errors import (
    ConfigurationError,
    InvalidOrder,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.protocol.facts import TradeFact, TradeState, TradeType
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services import clock, gateways
from django_wxpay.services.orders.leases import (
    DECIDED,
    ENDED,
    REVERSIBLE_AFTER_S,
    Lease,
    busy,
    take_lease_to_reverse,
)
from django_wxpay.services.orders.querying import query_under
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.orders import apply_trade_fact

logger = logging.getLogger("django_wxpay.orders")

PARTLY_REFUNDED: Final = (
    "Some of this sale is refunded, so it cannot be reversed any more. Refund the rest instead."
)
# As often as WeChat Pay's own demonstration repeats it (protocol-v2 section 6.3).
_MOST_CALLS: Final = 10
_LONGEST_S: Final = 30
_PAUSE_S: Final = 1
# Refused, because it is done; the query has the proof.
_REVERSED_ALREADY: Final = "ORDERREVERSED"
_QUERIES: Final = 3
# After this the sweep asks for an order that a call has left undecided.
CHECK_AGAIN: Final = timedelta(minutes=1)


@conf.same_account()
def reverse_order(order: Order) -> Order:
    """Reverse a payment by code and return it up to date; one that is over is returned as it is.

    In the first 15 seconds of the order it waits for them to pass. Raises ``InvalidOrder`` for an
    order that is no payment by code, ``Refused`` with the order as it stands, ``OrderBusy``
    while another call works on it, ``OutcomeUnknown``, ``BadSignature``, ``ConfigurationError``
    where v2 has no client certificate, ``InsideTransaction``. Safe to call again, and at once.
    """
    require_no_transaction("reverse_order")
    order.refresh_from_db()
    if order.trade_type != TradeType.MICROPAY:
        rule = _("an unpaid order is closed, a paid one is refunded")
        raise InvalidOrder("trade_type", _("only a payment by code is reversed"), rule)
    if order.trade_state in ENDED:
        return order
    lease = take_lease_to_reverse(order)
    if lease is None:
        order.refresh_from_db()
        if order.trade_state in ENDED:
            return order
        raise busy(order)
    try:
        undo(order, lease)
    finally:
        is_over = order.trade_state in ENDED
        lease.give_back(next_check_at=None if is_over else clock.now() + CHECK_AGAIN)
    return order


def undo(order: Order, lease: Lease) -> None:
    """Reverse ``order`` under ``lease``, which leaves it CLOSED or REVOKED.

    Raises ``Refused`` where WeChat Pay will not, after a query that shows how the order stands, and
    ``OutcomeUnknown`` where that is not known in the end.
    """
    transport, gateway = gateways.transport(), gateways.gateway(order.merchant)
    transport.sleep(_too_early_s(order))
    began = transport.clock()
    for _call in range(_MOST_CALLS):
        was_reversing = lease.is_reversing
        # One that is paid already stays so until it is reversed, whatever a query shows.
        lease.is_reversing |= order.trade_state not in DECIDED
        # Written down before it is sent, for this process may end.
        lease.renew()
        try:
            is_done = not gateway.reverse(order.ref())
        except Refused as refused:
            is_done = refused.kind == _REVERSED_ALREADY
            if lookup(refused.kind).is_final and not is_done:
                if not refused.may_have_arrived:
                    lease.is_reversing = was_reversing
                _find_out_why(order, lease)
                if order.trade_state in ENDED:
                    return
                if order.trade_state == TradeState.REFUND:
                    refused.advice = PARTLY_REFUNDED
                raise
        except OutcomeUnknown:
            is_done = False
        except ConfigurationError:
            # Nothing was sent.
            lease.is_reversing = was_reversing
            raise
        if is_done or transport.clock() - began > _LONGEST_S:
            break
        transport.sleep(_PAUSE_S)
    _confirm(order, lease)


def _too_early_s(order: Order) -> float:
    # Bounded, for the row may be from a machine whose clock is wrong.
    age_s = (clock.now() - order.created_at).total_seconds()
    return min(REVERSIBLE_AFTER_S, max(0.0, REVERSIBLE_AFTER_S - age_s))


def _find_out_why(order: Order, lease: Lease) -> None:
    try:
        if lease.may_be_reversed:
            _has_ended(order, lease)
        else:
            query_under(lease, order)
    except (OutcomeUnknown, Refused) as problem:
        logger.warning("order %s is not reversed, nor known: %s", order.out_trade_no, problem)


def _confirm(order: Order, lease: Lease) -> None:
    transport = gateways.transport()
    for _query in range(_QUERIES):
        lease.renew()
        try:
            if _has_ended(order, lease):
                return
        except (OutcomeUnknown, Refused):
            pass
        transport.sleep(_PAUSE_S)
    raise OutcomeUnknown(
        f"the reversal of order {order.out_trade_no} has no outcome yet; reversing again is safe"
    )


def _has_ended(order: Order, lease: Lease) -> bool:
    """Ask for an order that may be reversed at this moment, and apply nothing but its end."""
    fact = gateways.gateway(order.merchant).query(order.ref())
    if fact.trade_state not in ENDED:
        return False
    _apply(order, fact)
    lease.is_reversing, lease.earlier_lands_by = False, None
    return True


def _apply(order: Order, fact: TradeFact) -> None:
    def apply() -> None:
        order.refresh_from_db()
        apply_trade_fact(order, fact)

    retry_on_lock(apply)
