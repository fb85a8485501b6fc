"""Asking WeChat Pay how an order stands, and settling what it answers."""

from __future__ import annotations

from django_wxpay.models import Order
from django_wxpay.services import wire
from django_wxpay.services.settling import settle
from django_wxpay.services.transactions import refuse_open


def query_order(order: Order) -> Order:
    """Ask, settle, and return ``order`` up to date; a contradiction becomes a conflict event.

    Raises ``InsideTransaction``, ``Refused`` (ORDERNOTEXIST among others),
    ``OutcomeUnknown``, ``BadSignature``. Source: protocol-v2 section 5.
    """
    refuse_open("query_order")
    fact = wire.gateway(order.merchant).query(order.ref())
    order.refresh_from_db()
    settle(order, fact)
    return order
