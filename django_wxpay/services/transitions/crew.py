"""Receivers at work on threads of their own, so that one that hangs keeps no other event waiting.

A slow one is waited for a moment, then the next event has its turn beside it. After
``RECEIVER_TIMEOUT_S`` it is given up: it may still end, and then its own mark decides. Their
number in a process is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from django_wxpay import conf
from django_wxpay.models import OrderEvent
from django_wxpay.services import patience
from django_wxpay.services.transactions import connection
from django_wxpay.services.transitions.delivery import Delivery

# Each has a connection to the database. More would hide that something is wrong.
MOST_IN_HAND: Final = 8
# Three times as long as SQLite lets a writer wait for another, unless the project says otherwise.
_SQLITE_S: Final = 15.0
# Most receivers have ended by then, and one event after the other is gentler to the shop.
_A_MOMENT_S: Final = 1.0


class ReceiversHang(Exception):
    """So many receivers have not returned that no further one is called in this process."""


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    delivery: Delivery
    hand: patience.Hand
    has_sent: Future[bool]
    overdue_at: float

    def has_ended(self, within_s: float) -> bool:
        left_s = max(0.0, self.overdue_at - time.monotonic())
        return patience.has_ended(self.has_sent, min(within_s, left_s))


def place_of(event: OrderEvent) -> int:
    """Return the order of ``event``, of which one event at a time is delivered.

    One of no order has a place of its own, which is less than zero.
    """
    return event.order_id or -event.pk


# Of the whole process, whichever run has begun them.
_in_hand: set[_Task] = set()


class Crew:
    """A context manager that delivers events, and at its end waits for those still in hand.

    ``on_overdue`` is called with the event of each that is given up, and the seconds it had.
    """

    def __init__(self, *, on_overdue: Callable[[OrderEvent, float], None]) -> None:
        self.delivered = 0
        self._on_overdue = on_overdue
        self._limit_s = longest_s()
        self._waited_for: list[_Task] = []
        self._idle: list[patience.Hand] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while self._waited_for:
                self._settle()
        finally:
            for hand in self._idle:
                hand.end()
            # Nothing of their threads is left when the caller goes on.
            for hand in self._idle:
                hand.wait_for_end()

    @staticmethod
    def places_in_hand() -> set[int]:
        """Return the places of the events in hand in this process, hung ones included."""
        return {place_of(task.delivery.event) for task in list(_in_hand)}

    def make_room(self) -> None:
        """Wait until one more may begin. Raises ``ReceiversHang`` if all have been given up."""
        self._settle_ended()
        while len(_in_hand) >= MOST_IN_HAND:
            if not self._waited_for:
                raise ReceiversHang(
                    f"{MOST_IN_HAND} receivers have not returned in {self._limit_s:g} s: give "
                    "whatever they wait for a time limit, and restart this process"
                )
            self._settle()

    def deliver(self, delivery: Delivery, send: Callable[[Delivery], bool]) -> None:
        """Call ``send``, which returns whether it was delivered, and wait for it a moment."""
        overdue_at = time.monotonic() + self._limit_s
        hand = self._idle.pop() if self._idle else patience.Hand(name="wxpay-receiver")
        has_sent = hand.start(partial(send, delivery))
        task = _Task(delivery, hand, has_sent, overdue_at)
        _in_hand.add(task)
        has_sent.add_done_callback(lambda _: _in_hand.discard(task))
        self._waited_for.append(task)
        # On SQLite a receiver that has written keeps every other from writing anyway.
        if _has_one_writer() or task.has_ended(_A_MOMENT_S):
            self._settle(-1)

    def _settle_ended(self) -> None:
        # Their threads are free for the next, so that there are no more of them than in hand.
        for at in reversed(range(len(self._waited_for))):
            if self._waited_for[at].has_sent.done():
                self._settle(at)

    def _settle(self, at: int = 0) -> None:
        task = self._waited_for.pop(at)
        if task.has_ended(self._limit_s):
            self._idle.append(task.hand)
            self.delivered += task.has_sent.result()
            return
        # It ends with its receiver, if that ever does.
        task.hand.end()
        task.delivery.cut()
        self._on_overdue(task.delivery.event, self._limit_s)


def longest_s() -> float:
    """Return the seconds for which a receiver is waited for."""
    limit_s = conf.receiver_timeout_s()
    if not _has_one_writer():
        return limit_s
    # While it is waited for nobody else can write, and all others wait no longer than this.
    busy_s: Any = connection().settings_dict["OPTIONS"].get("timeout", 0)
    return min(limit_s, max(_SQLITE_S, float(busy_s)))


def _has_one_writer() -> bool:
    return str(connection().vendor) == "sqlite"
