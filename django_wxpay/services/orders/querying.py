"""Querying an order at WeChat Pay, and applying the answer."""

from __future__ import annotations

from django_wxpay.models import Order
from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.facts import TradeFact, TradeState
from django_wxpay.protocol.merchants import Api
from django_wxpay.services import gateways
from django_wxpay.services.refunds.querying import look_for_refunds
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.orders import apply_trade_fact


def query_order(order: Order, *, api: str | None = None) -> Order:
    """Query ``order`` and return it up to date; a contradiction becomes a conflict event.

    ``api`` queries over another protocol than the merchant's own, if it has the keys for both.
    Raises ``InsideTransaction``, ``InvalidOrder`` for an ``api`` that is neither "v2" nor "v3",
    ``Refused`` (ORDERNOTEXIST among others), ``OutcomeUnknown``, ``BadSignature``. Sources:
    protocol-v2 section 5, protocol-v3 sections 3.3 and 4.3.
    """
    require_no_transaction("query_order")
    fact = gateways.gateway(order.merchant, api=_protocol(api)).query(order.ref())
    retry_on_lock(lambda: _apply(order, fact))
    if order.trade_state == TradeState.REFUND:
        look_for_refunds(order)
    return order


def _protocol(api: str | None) -> Api | None:
    try:
        return Api(api) if api else None
    except ValueError:
        raise InvalidOrder("api", "is no protocol", '"v2" or "v3"') from None


def _apply(order: Order, fact: TradeFact) -> None:
    order.refresh_from_db()
    apply_trade_fact(order, fact)
