"""Schedule of queries: when WeChat Pay is asked for an order or a refund again, as data.

Pure: every moment is an argument. A moment that has passed while nobody asked is passed over, so
that an outage costs one query for each order, and not one for each moment that it has missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# After the placing: soon at first, while a customer is looking at the page.
ORDER_CHECKS: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=3),
    timedelta(minutes=5),
    timedelta(minutes=10),
    timedelta(minutes=30),
)
# A payment that began in the last second has ended by then.
CLOSING_GRACE: Final = timedelta(seconds=60)
LAST_CHECK: Final = timedelta(minutes=5)

# After the request: a refund takes minutes into a balance, and days to a bank card.
REFUND_CHECKS: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
_A_DAY: Final = timedelta(days=1)
REFUND_DAYS: Final = 30

# Without an answer the pause grows with the age of what is asked for, between these two.
SHORTEST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
_PAUSE_SHARE: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSchedule:
    """The moments of an order that may still be paid.

    ``prepay_ends_at`` is the end of its newest prepay. ``closes_at`` is when an order without
    ``time_expire`` is closed; None leaves it open.
    """

    placed_at: datetime
    prepay_ends_at: datetime
    time_expire: datetime | None = None
    closes_at: datetime | None = None

    def next_after(self, now: datetime) -> datetime | None:
        """Return the next moment, or None if the last one has passed."""
        return min((each for each in self._moments() if each > now), default=None)

    def is_to_be_closed(self, now: datetime) -> bool:
        """Return whether the order is to be closed if it is found unpaid now."""
        at = self._closing_at()
        return at is not None and now >= at

    def _closing_at(self) -> datetime | None:
        return self.time_expire + CLOSING_GRACE if self.time_expire else self.closes_at

    def _moments(self) -> list[datetime]:
        last = self._closing_at() or self.prepay_ends_at + LAST_CHECK
        ends = [self.prepay_ends_at, self.prepay_ends_at + LAST_CHECK, last]
        if self.time_expire:
            ends = [self.prepay_ends_at, self.time_expire, last]
        early = [self.placed_at + pause for pause in ORDER_CHECKS]
        return [*(each for each in early if each <= max(ends)), *ends]


def next_refund_check(
    requested_at: datetime, now: datetime, *, is_stuck: bool = False
) -> datetime | None:
    """Return when a refund that is not over is asked for next, or None 30 days after its request.

    One that ``is_stuck`` waits for a person, and is asked for once a day.
    """
    daily = [_A_DAY * day for day in range(1, REFUND_DAYS + 1)]
    pauses = daily if is_stuck else [*REFUND_CHECKS, *daily]
    return min((at for pause in pauses if (at := requested_at + pause) > now), default=None)


def pause_without_answer(since: datetime, now: datetime) -> timedelta:
    """Return the pause after a query without an answer, of what is asked for ``since`` then."""
    return max(SHORTEST_PAUSE, min((now - since) / _PAUSE_SHARE, LONGEST_PAUSE))
