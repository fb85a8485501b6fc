"""Placing an order at WeChat Pay: one prepay at a time, and never a second one in vain."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import DatabaseError

from django_wxpay import conf
from django_wxpay.models import Order, Prepay
from django_wxpay.protocol.error_codes import refusal
from django_wxpay.protocol.errors import OrderPaid, OutcomeUnknown, Refused
from django_wxpay.protocol.facts import TradeState, TradeType
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.states import OPEN, PAID
from django_wxpay.services import clock, gateways
from django_wxpay.services.claims import claim
from django_wxpay.services.orders.querying import query_order
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.orders import accept

logger = logging.getLogger("django_wxpay.orders")

# Counted from before the call, so that ours ends first (protocol-v2 section 3.4).
_LIFE: Final = timedelta(hours=2)
_MWEB_LIFE: Final = timedelta(minutes=5)
_POLL_S: Final = 0.05
_MARGIN_S: Final = 5


def unified_order(order: Order) -> Prepay:
    """Return a prepay the customer can pay with, asking the gateway only if there is none.

    Safe to call again after any outcome. Raises ``InsideTransaction``, ``Refused``
    (``OrderPaid`` or ``OrderClosed`` also for an order known to be over), ``OutcomeUnknown``
    with the order kept, ``BadSignature``. Source: protocol-v2 sections 1.2, 3 and 3.8.
    """
    require_no_transaction("unified_order")
    patience_s = _longest_call_s(order)
    give_up_at = time.monotonic() + patience_s
    while time.monotonic() < give_up_at:
        order.refresh_from_db()
        _refuse_ended(order)
        if prepay := live_prepay(order):
            return prepay
        # A new prepay makes the QR code that a customer is looking at worthless. So one caller
        # makes the call, and the others wait for what it is granted.
        if lease := retry_on_lock(lambda: _lease(order, patience_s)):
            return _place_under(lease, order)
        time.sleep(_POLL_S)
    raise OutcomeUnknown(f"order {order.out_trade_no} is being placed by somebody else; ask again")


def live_prepay(order: Order) -> Prepay | None:
    """Return the newest prepay if the customer can still pay with it."""
    prepay = Prepay.objects.filter(order=order).order_by("-id").first()
    return prepay if prepay is not None and prepay.is_live(clock.now()) else None


def _refuse_ended(order: Order) -> None:
    state = TradeState(order.trade_state)
    if state not in OPEN:
        code = "ORDERPAID" if state in PAID else "ORDERCLOSED"
        raise refusal(code)


def _longest_call_s(order: Order) -> float:
    merchant = conf.merchant(order.merchant)
    # Over v3 a placing may fetch certificates, and is repeated after a signature probe.
    rounds = 1 if merchant.api is Api.V2 else 3
    return rounds * len(merchant.hosts) * sum(conf.current().timeout) + _MARGIN_S


def _lease(order: Order, length_s: float) -> datetime | None:
    # As long as a call may take at most, so that a crash only costs the rest of it.
    length = timedelta(seconds=length_s)
    until, rows = clock.now() + length, Order.objects.filter(pk=order.pk)
    return until if claim(rows, "placing_until", until, longest=length) else None


def _place_under(lease: datetime, order: Order) -> Prepay:
    try:
        # Another caller may have got one between our look and our lease.
        return live_prepay(order) or _place(order)
    finally:
        held = Order.objects.filter(pk=order.pk, placing_until=lease)
        retry_on_lock(lambda: held.update(placing_until=None))


def _place(order: Order) -> Prepay:
    gateway = gateways.gateway(order.merchant)
    asked_at = clock.now()
    try:
        grant = gateway.place(order.terms())
    except Refused as refused:
        _note_refusal(order, refused)
        raise
    prepay = Prepay(
        order=order,
        prepay_id=grant.prepay_id,
        trade_type=grant.trade_type,
        code_url=grant.code_url,
        mweb_url=grant.mweb_url,
        sign_type=grant.sign_type,
        created_at=asked_at,
        expires_at=_expiry(order, asked_at),
    )
    retry_on_lock(lambda: accept(order, prepay))
    return prepay


def _expiry(order: Order, asked_at: datetime) -> datetime:
    expiry = asked_at + (_MWEB_LIFE if order.trade_type == TradeType.MWEB else _LIFE)
    return min(expiry, order.time_expire) if order.time_expire else expiry


def _note_refusal(order: Order, refused: Refused) -> None:
    order.err_code, order.err_code_des = refused.err_code, refused.err_code_des
    order.updated_at = clock.now()
    try:
        retry_on_lock(partial(order.save, update_fields=["err_code", "err_code_des", "updated_at"]))
    except DatabaseError:
        # What is known of the order must not hide the refusal from the caller.
        logger.exception("the refusal of order %s was not saved", order.out_trade_no)
    if isinstance(refused, OrderPaid):
        try:
            query_order(order)
        except (OutcomeUnknown, Refused):
            # The caller is raised the refusal; the order stays for the next query.
            return
