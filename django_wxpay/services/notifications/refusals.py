"""Counts of refused notifications, by merchant, reason and hour.

Whoever knows a notify_url can flood it. So the rows are bounded by the settings (merchants, reasons
and hours), and what is written by time: a process adds up in memory, and writes at most once a
second, a few rows at once. What it has added up since is written with the next notification, and is
lost if the process ends before. No refusal waits for a thread or fails for a count.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from django.db.models import F, Sum

from django_wxpay.models import RefusalCount
from django_wxpay.models.choices import RefusalReasons
from django_wxpay.protocol.errors import (
    ConfigurationError,
    MalformedMessage,
    MessageTooLarge,
    NotAuthentic,
)
from django_wxpay.services import clock
from django_wxpay.services.latency.rollup import start_of_hour
from django_wxpay.services.transactions import in_transaction, retry_on_lock

logger = logging.getLogger("django_wxpay.notifications")

_EVERY_S: Final = 1.0
# A database that does not take them is left alone for so long.
_AFTER_FAILURE_S: Final = 30.0
_MOST_AT_ONCE: Final = 16
# Merchants times reasons, for some hours without a database. Past it, what is new is not counted.
_MOST_KEPT: Final = 1000

_REASONS: Final[tuple[tuple[type[Exception], RefusalReasons], ...]] = (
    (MessageTooLarge, RefusalReasons.TOO_LARGE),
    (MalformedMessage, RefusalReasons.MALFORMED),
    (ConfigurationError, RefusalReasons.OUR_TROUBLE),
)


class _Key(NamedTuple):
    hour: datetime
    merchant: str
    reason: str


@dataclass(slots=True)
class _Count:
    number: int
    last_seen_at: datetime


class RefusalCounter:
    """The counts of one process that are not written yet. Safe for any number of threads."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._waiting: dict[_Key, _Count] = {}
        self._next_at = 0.0

    @property
    def waiting(self) -> int:
        """How many refusals are not written yet."""
        with self._lock:
            return sum(count.number for count in self._waiting.values())

    def add(self, merchant: str, reason: RefusalReasons) -> None:
        """Count one refusal, and write what waits if it is time. Never raises."""
        now = clock.now()
        with self._lock:
            self._keep(_Key(start_of_hour(now), merchant, reason.value), _Count(1, now))
        self.write_if_due()

    def write_if_due(self) -> None:
        """Write what waits, unless this process did a second ago. Never raises.

        In a transaction of the caller's nothing is written: the row would be locked until its end.
        """
        # Without the lock: nearly always there is nothing, and what is missed comes next time.
        if not self._waiting or in_transaction():
            return
        taken = self._take()
        try:
            while taken:
                key, count = taken[-1]
                retry_on_lock(partial(_write, key, count))
                taken.pop()
        except Exception as error:  # noqa: BLE001 - a driver's own exceptions are no Error
            logger.warning("refusals are not counted for now: %s", type(error).__name__)
            self._put_back(taken)

    def _take(self) -> list[tuple[_Key, _Count]]:
        with self._lock:
            now = self._seconds()
            if now < self._next_at:
                return []
            self._next_at = now + _EVERY_S
            keys = list(self._waiting)[:_MOST_AT_ONCE]
            return [(key, self._waiting.pop(key)) for key in keys]

    def _put_back(self, taken: list[tuple[_Key, _Count]]) -> None:
        with self._lock:
            self._next_at = self._seconds() + _AFTER_FAILURE_S
            for key, count in taken:
                self._keep(key, count)

    def _keep(self, key: _Key, count: _Count) -> None:
        known = self._waiting.get(key)
        if known is not None:
            known.number += count.number
            known.last_seen_at = max(known.last_seen_at, count.last_seen_at)
        elif len(self._waiting) < _MOST_KEPT:
            self._waiting[key] = count


# Of this process.
refusals: Final = RefusalCounter()


def reason_of(error: Exception, body: bytes) -> RefusalReasons:
    """Return why a notification with this ``body`` was refused."""
    if not body:
        # It broke off, whatever the check said that it came to.
        return RefusalReasons.MALFORMED
    if isinstance(error, NotAuthentic):
        return RefusalReasons(error.cause)
    found = (reason for kind, reason in _REASONS if isinstance(error, kind))
    # Such as a key that is being downloaded at this moment.
    return next(found, RefusalReasons.OUR_TROUBLE)


def refused_since(moment: datetime) -> int:
    """Return how many were refused in the hours from that of ``moment`` on."""
    rows = RefusalCount.objects.filter(hour__gte=start_of_hour(moment))
    total: int | None = retry_on_lock(lambda: rows.aggregate(total=Sum("count"))["total"])
    return total or 0


def _write(key: _Key, count: _Count) -> None:
    row = RefusalCount.objects.filter(**key._asdict())
    values = {"count": F("count") + count.number, "last_seen_at": count.last_seen_at}
    if not row.update(**values):
        # Two processes may begin an hour at the same moment.
        new = RefusalCount(**key._asdict(), last_seen_at=count.last_seen_at)
        RefusalCount.objects.bulk_create([new], ignore_conflicts=True)
        row.update(**values)
