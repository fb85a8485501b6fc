"""The status of a payment as its customer sees it: five words for every state of an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django_wxpay.models import Order
from django_wxpay.protocol.facts import TradeState
from django_wxpay.protocol.states import OPEN
from django_wxpay.services import clock


class CustomerStatus(StrEnum):
    """``EXPIRED`` can still turn to ``PAID``: a payment that began in time may arrive late."""

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
    # It is still being placed, by this process or another.
    if prepay is None and (order.placing_until or now) > now:
        return PaymentStatus(CustomerStatus.WAITING)
    return PaymentStatus(CustomerStatus.EXPIRED, prepay.expires_at if prepay else None)
