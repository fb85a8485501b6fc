"""Closing an order, so that it cannot be paid any more."""

from __future__ import annotations

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.error_codes import refusal
from django_wxpay.protocol.errors import InvalidOrder, OrderPaid
from django_wxpay.protocol.facts import TradeFact, TradeState, TradeType
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.states import OPEN
from django_wxpay.services import gateways
from django_wxpay.services.orders.querying import query_order
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.orders import apply_trade_fact


@conf.same_account()
def close_order(order: Order) -> Order:
    """Close it and return it up to date; an order that is closed already is returned as it is.

    An order found to be paid becomes so, and ``OrderPaid`` is raised. Raises ``InvalidOrder`` for
    a payment by code, ``InsideTransaction``, ``Refused``, ``OutcomeUnknown``, ``BadSignature``.
    Source: protocol-v2 section 6.1.
    """
    require_no_transaction("close_order")
    order.refresh_from_db()
    if order.trade_type == TradeType.MICROPAY:
        # protocol-v2 section 6.1
        raise InvalidOrder("trade_type", _("a payment by code is not closed"), _("it is reversed"))
    if order.trade_state in {TradeState.CLOSED, TradeState.REVOKED}:
        return order
    if order.is_paid:
        raise refusal("ORDERPAID")
    try:
        gateways.gateway(order.merchant).close(order.ref())
    except OrderPaid:
        query_order(order)
        raise
    retry_on_lock(lambda: _apply(order))
    return order


def _apply(order: Order) -> None:
    order.refresh_from_db()
    # A customer who was typing the password may have paid after the close: money counts.
    apply_trade_fact(order, _closed(order), only_while=OPEN)


def _closed(order: Order) -> TradeFact:
    return TradeFact(
        source="closeorder",
        mch_id=order.mch_id,
        appid=order.appid,
        sub_mch_id=order.sub_mch_id,
        out_trade_no=order.out_trade_no,
        trade_state=TradeState.CLOSED,
    )
