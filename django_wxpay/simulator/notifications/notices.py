"""What is on its way to a shop, when it is sent again, and what came of each attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.state.refunds import Refund
from django_wxpay.simulator.state.trades import Trade

# Gaps between one attempt and the next, in seconds (protocol-v2 section 7.1).
RHYTHM_S: Final = (
    *(15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600),
    *(10800, 10800, 10800, 21600, 21600),
)
PAYMENT: Final = "TRANSACTION.SUCCESS"


@dataclass(frozen=True, slots=True)
class Reply:
    """The receiver's HTTP answer to a notification."""

    status: int
    body: bytes


class Deliver(Protocol):
    """Sends a notification and returns the answer; an ``OSError`` means that none came."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Notice:
    """One notification on its way to ``url``: ``attempts`` were made so far.

    It tells of a payment, or of ``refund`` where there is one; ``event_type`` is v3's word for
    it. ``state`` is ``pending``, ``accepted``, ``exhausted`` or ``lost``. ``held`` means that
    it waits for another one to be sent first. ``event_id`` and ``seal_nonce`` are those of a
    v3 envelope, the same for each attempt.
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

    @property
    def api(self) -> Api:
        """The protocol it speaks: that in which the order was placed."""
        return self.trade.api

    def write_down(self) -> None:
        """Let the payment or the refund know what became of its notification."""
        subject = self.refund or self.trade
        subject.told = self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The octets and headers of one attempt, the fault they suffer from, and who signed them."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    fault: str
    signed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at delivering: what was answered, and whether that ends the retries.

    ``client_failure`` says what the shop did that a shop must never do.
    """

    notice: Notice = field(repr=False)
    number: int
    at: datetime
    fault: str
    status: int | None
    body: str
    error: str
    accepted: bool
    signed_by: str = ""
    client_failure: str = ""


class Outbox:
    """The notifications that are still to be sent. The caller holds the lock."""

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
        """Let go of those that waited for another one to be sent first."""
        for notice in self._waiting:
            if notice.held:
                notice.held, notice.due_at = False, now


def next_attempt_at(notice: Notice) -> datetime | None:
    """Return when ``notice`` is tried again, None when the rhythm is through.

    The gap is counted from the moment the last attempt was due, so that slow receivers do
    not stretch the rhythm.
    """
    if notice.attempts > len(RHYTHM_S):
        return None
    return notice.due_at + timedelta(seconds=RHYTHM_S[notice.attempts - 1])
