"""The status of a payment as its customer sees it: five words for every state of an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django_wxpay.models import Order
from django_wxpay.protocol.facts import TradeState, TradeType
from django_wxpay.protocol.states import OPEN
from django_wxpay.services import clock


class CustomerStatus(StrEnum):
    """``EXPIRED`` can still turn to ``PAID``: a payment that began in time may arrive late.

    ``FAILED``: the bank refused the payment, or WeChat Pay the order; nothing was taken.
    """

    WAITING = "waiting"
    PAID = "paid"
    EXPIRED = "expired"
    CLOSED = "closed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """``expires_at`` is until when the customer can pay with what the page shows, or None."""

    status: CustomerStatus
    expires_at: datetime | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return it for a ``JsonResponse``, as the script of the waiting page reads it."""
        expires_at = self.expires_at.isoformat() if self.expires_at else None
        return {"status": self.status.value, "expires_at": expires_at}


def payment_status(order: Order) -> PaymentStatus:
    """Return how the payment of ``order`` stands for its customer. No call; one query at most.

    ``order`` is taken as it is: ``check_order`` brings it up to date.
    """
    if order.is_paid:
        return PaymentStatus(CustomerStatus.PAID)
    if order.trade_state == TradeState.PAYERROR:
        return PaymentStatus(CustomerStatus.FAILED)
    if TradeState(order.trade_state) not in OPEN:
        return PaymentStatus(CustomerStatus.CLOSED)
    now = clock.now()
    prepay = order.prepays.order_by("-expires_at").first()
    if prepay is not None and prepay.is_live(now):
        return PaymentStatus(CustomerStatus.WAITING, prepay.expires_at)
    if _is_in_hand(order, now):
        status = CustomerStatus.WAITING
    elif prepay is None and order.trade_state == TradeState.CREATED:
        status = _before_acceptance(order, now)
    else:
        status = CustomerStatus.EXPIRED
    ran_out_at = prepay.expires_at if prepay and status is CustomerStatus.EXPIRED else None
    return PaymentStatus(status, ran_out_at)


def _is_in_hand(order: Order, now: datetime) -> bool:
    """Return whether a call places or charges ``order``, or the sweep is to find out how it went.

    The schedule says so of a payment by code alone: every other order has its checks until the end.
    """
    is_by_code = order.trade_type == TradeType.MICROPAY
    return (order.placing_until or now) > now or (is_by_code and order.next_check_at is not None)


def _before_acceptance(order: Order, now: datetime) -> CustomerStatus:
    """Return the status of an order that WeChat Pay has not accepted: there is no code yet."""
    if order.time_expire is not None and order.time_expire <= now:
        return CustomerStatus.EXPIRED
    # The outcome of a call is unknown, and is asked for.
    is_undecided = order.next_check_at is not None
    # A payment by code is sent as it is created.
    is_unsent = order.placed_at is None and order.trade_type != TradeType.MICROPAY
    if is_unsent or is_undecided:
        return CustomerStatus.WAITING
    return CustomerStatus.FAILED
