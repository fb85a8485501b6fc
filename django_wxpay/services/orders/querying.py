"""Querying an order at WeChat Pay, and applying the answer.

A payment by code that is undecided is asked for under its lease. So no reversal is on its way
between the question and what is applied: an answer from before it would sell what is not paid for.
Of every other order an answer that contradicts a state which came after the question is no answer,
and it is asked for again.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.errors import InvalidOrder, OutcomeUnknown
from django_wxpay.protocol.facts import TradeFact, TradeState, TradeType
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services import gateways
from django_wxpay.services.orders.leases import DECIDED, Lease, busy, take_lease
from django_wxpay.services.refunds.querying import look_for_refunds
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.orders import OutdatedAnswer, apply_trade_fact

# An order moves a few times in its life, and each question is about the last of them.
_MOST_QUESTIONS: Final = 4


@conf.same_account()
def query_order(order: Order, *, api: str | None = None) -> Order:
    """Query ``order`` and return it up to date; a contradiction becomes a conflict event.

    ``api`` queries over another protocol than the merchant's own, if it has the keys for both.
    Raises ``InsideTransaction``, ``InvalidOrder`` for an ``api`` that is neither "v2" nor "v3",
    ``OrderBusy`` while another call works on a payment by code, ``Refused`` (ORDERNOTEXIST among
    others), ``OutcomeUnknown``, ``BadSignature``. Sources: protocol-v2 section 5, protocol-v3
    sections 3.3 and 4.3.
    """
    require_no_transaction("query_order")
    protocol = _protocol(api)
    lease = _lease_of_sale(order)
    try:
        _query(order, protocol, lease)
    finally:
        if lease is not None:
            lease.give_back(next_check_at=None)
    if order.trade_state == TradeState.REFUND:
        look_for_refunds(order)
    return order


@conf.same_account()
def query_under(lease: Lease, order: Order) -> None:
    """Query ``order`` as ``query_order`` does, for the call that works on it under ``lease``."""
    require_no_transaction("query_order")
    _query(order, None, lease)
    if order.trade_state == TradeState.REFUND:
        look_for_refunds(order)


def _lease_of_sale(order: Order) -> Lease | None:
    """Return the lease under which ``order`` is asked for; None for one that needs none."""
    if order.trade_type != TradeType.MICROPAY:
        return None
    order.refresh_from_db()
    if order.trade_state in DECIDED:
        return None
    lease = take_lease(order, keeps_schedule=True)
    if lease is None:
        order.refresh_from_db()
        if order.trade_state not in DECIDED:
            raise busy(order)
    return lease


def _query(order: Order, api: Api | None, lease: Lease | None) -> None:
    gateway = gateways.gateway(order.merchant, api=api)
    for _question in range(_MOST_QUESTIONS):
        asked_in = order.trade_state
        fact = gateway.query(order.ref())
        if lease is not None:
            # A process that was suspended may have lost it to one that reverses the sale.
            lease.renew()
        try:
            retry_on_lock(partial(_apply, order, fact, asked_in))
        except OutdatedAnswer:
            # It has moved meanwhile, and is up to date now: what it says next is later than that.
            continue
        return
    raise OutcomeUnknown(f"order {order.out_trade_no} keeps moving; ask again")


def _protocol(api: str | None) -> Api | None:
    try:
        return Api(api) if api else None
    except ValueError:
        raise InvalidOrder("api", _("is no protocol"), _('"v2" or "v3"')) from None


def _apply(order: Order, fact: TradeFact, asked_in: str) -> None:
    order.refresh_from_db()
    apply_trade_fact(order, fact, asked_in=asked_in)
