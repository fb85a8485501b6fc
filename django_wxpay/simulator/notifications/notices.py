"""Pending notifications, the rhythm of their retries, and the attempts made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.notifications.failures import Failure
from django_wxpay.simulator.state.refunds import Refund
from django_wxpay.simulator.state.trades import Trade

# Gaps between one attempt and the next, in seconds (protocol-v2 section 7.1).
RHYTHM_S: Final = (
    *(15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600),
    *(10800, 10800, 10800, 21600, 21600),
)
PAYMENT: Final = "TRANSACTION.SUCCESS"
REFUND_EVENT: Final = "REFUND."


@dataclass(slots=True, kw_only=True, eq=False)
class Notice:
    """One notification to ``url``, with the number of ``attempts`` so far.

    Its subject is ``refund`` if there is one, else the payment of ``trade``; ``event_type`` is
    v3's word for it. ``state`` is ``pending``, ``accepted``, ``exhausted`` or ``lost``. One
    that is ``held`` waits for another to be sent first. ``event_id`` and ``seal_nonce`` are
    those of a v3 envelope, the same for each attempt. ``failed`` is the last attempt that was
    not accepted.
    """

    trade: Trade
    url: str
    due_at: datetime
    created_at: datetime
    event_id: str
    seal_nonce: str
    event_type: str = PAYMENT
    refund: Refund | None = None
    copies: int = 1
    at_once: bool = False
    held: bool = False
    attempts: int = 0
    state: str = "pending"
    failed: Attempt | None = field(default=None, repr=False)

    @property
    def api(self) -> Api:
        """The protocol of the notification: the one that placed the order or asked to refund."""
        return (self.refund or self.trade).api

    @property
    def refund_status(self) -> str:
        """The result that is notified, whatever has happened to the refund since."""
        return self.event_type.removeprefix(REFUND_EVENT)

    def record_state(self) -> None:
        """Copy the state to the payment or refund that the notification is about."""
        subject = self.refund or self.trade
        subject.notification_state = self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMessage:
    """The octets and headers of one attempt, the fault in them, and the key that signed them."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    fault: str
    signed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at delivery: the answer, and whether it ends the retries.

    ``failure`` is the reason why it does not. ``client_failure`` names a mistake of the shop that
    a shop must never make.
    """

    notice: Notice = field(repr=False)
    number: int
    at: datetime
    fault: str
    status: int | None
    body: str
    error: str
    accepted: bool
    failure: Failure | None = None
    signed_by: str = ""
    client_failure: str = ""

    @property
    def outcome(self) -> str:
        """The outcome in plain words."""
        answered = "" if self.status is None else f"HTTP {self.status}, "
        return f"{answered}{self.failure or 'delivered'}"


class Outbox:
    """The notifications still to be sent. The caller holds the lock."""

    def __init__(self) -> None:
        self._waiting: list[Notice] = []

    def __iter__(self) -> Iterator[Notice]:
        return iter(self._waiting)

    def add(self, notice: Notice) -> None:
        self._waiting.append(notice)

    def next_due_at(self) -> datetime | None:
        """Return when the next one is due, None when nothing waits."""
        return min((notice.due_at for notice in self._waiting), default=None)

    def take(self, now: datetime) -> Notice | None:
        """Return the one that has been due longest, if any is."""
        notice = min(self._waiting, key=lambda notice: notice.due_at, default=None)
        if notice is None or notice.due_at > now:
            return None
        self._waiting.remove(notice)
        return notice

    def remove(self, notice: Notice) -> bool:
        """Take ``notice`` out; False when it is not here any more."""
        found = notice in self._waiting
        if found:
            self._waiting.remove(notice)
        return found

    def release(self, now: datetime) -> None:
        """Make those due that waited for another one to be sent first."""
        for notice in self._waiting:
            if notice.held:
                notice.held, notice.due_at = False, now


def next_attempt_at(notice: Notice) -> datetime | None:
    """Return when ``notice`` is tried again, None after the last attempt of the rhythm."""
    if notice.attempts > len(RHYTHM_S):
        return None
    # From the moment the last attempt was due: a slow receiver does not stretch the rhythm.
    return notice.due_at + timedelta(seconds=RHYTHM_S[notice.attempts - 1])
