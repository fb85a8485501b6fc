"""Counts and times of many calls, in a few dozen numbers.

Times are counted in buckets that grow with the time itself: 1 ms wide up to 32 ms, then
about 4 % wide. A percentile read off the buckets is within 2 % (and half a millisecond) of
the exact one, however skewed the times are.

This is our own, not a library's, because tallies have to be stored in a table's column and add
up without loss (of two workers, of two hours, of a year), and fast: the buckets of a histogram
are one large number, 64 bits each, so thousands of hours are thousands of additions, not a
million. With a library the stored columns would depend on that library's format.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from struct import unpack
from typing import Final, TypeVar

T = TypeVar("T", int, datetime)

# The fastest time of no calls: more than any call's, and the most that a column holds.
NOTHING_YET_MS: Final = 2**31 - 1

_EXACT_UP_TO: Final = 32
_LONGEST_MS: Final = 2**31
_BYTES: Final = 8
_BITS: Final = 8 * _BYTES


def _edges() -> tuple[int, ...]:
    # Stored rows are counted in these: they must never change.
    edges = list(range(_EXACT_UP_TO + 1))
    while edges[-1] < _LONGEST_MS:
        edges.append(edges[-1] + max(1, edges[-1] // 25))
    return tuple(edges)


EDGES: Final = _edges()


def bucket_of(milliseconds: int) -> int:
    """Return the number of the bucket that counts calls of ``milliseconds``, 0 or more."""
    return min(bisect_right(EDGES, milliseconds), len(EDGES) - 1) - 1


def bucket_ms(bucket: int) -> int:
    """Return the middle of a bucket, in milliseconds."""
    return (EDGES[bucket] + EDGES[bucket + 1] - 1) // 2


class Histogram:
    """The number of calls by time. 64 bits a bucket hold more calls than there can be."""

    __slots__ = ("_packed",)

    def __init__(self, stored: bytes = b"") -> None:
        self._packed = int.from_bytes(stored, "little")

    def count(self, milliseconds: int) -> None:
        self._packed += 1 << (bucket_of(milliseconds) * _BITS)

    def add(self, other: Histogram) -> None:
        """Add the counts of ``other``."""
        self._packed += other._packed

    @property
    def stored(self) -> bytes:
        """The bytes that a table keeps: eight a bucket, the least first, up to the last in use."""
        length = -(-self._packed.bit_length() // _BITS) * _BYTES
        return self._packed.to_bytes(length, "little")

    def calls(self) -> tuple[int, ...]:
        """Return how many calls each bucket has, up to the last in use."""
        stored = self.stored
        return unpack(f"<{len(stored) // _BYTES}Q", stored)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self._packed == other._packed

    # It grows, so it is no key.
    __hash__ = None  # type: ignore[assignment]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts that grow. ``failures`` are calls without a trustworthy answer, by kind.

    ``refused`` are calls that WeChat Pay answered with a no, which is an answer. Calls to a
    standby host are counted apart, with the first and the last moment of them.
    """

    calls: int = 0
    refused: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    histogram: Histogram = field(default_factory=Histogram)
    fastest_ms: int = NOTHING_YET_MS
    slowest_ms: int = 0
    standby_calls: int = 0
    first_standby_at: datetime | None = None
    last_standby_at: datetime | None = None

    def count(
        self,
        milliseconds: int,
        *,
        at: datetime,
        failure: str = "",
        is_refused: bool = False,
        is_standby: bool = False,
    ) -> None:
        """Count one call that began ``at``; ``failure`` is "" for one that was answered."""
        self.calls += 1
        self.histogram.count(milliseconds)
        self.fastest_ms = min(self.fastest_ms, milliseconds)
        self.slowest_ms = max(self.slowest_ms, milliseconds)
        if failure:
            self.failures[failure] += 1
        elif is_refused:
            self.refused += 1
        if is_standby:
            self.standby_calls += 1
            self.first_standby_at = _least(self.first_standby_at, at)
            self.last_standby_at = _greatest(self.last_standby_at, at)

    def add(self, other: Tally) -> None:
        """Add the counts of ``other``."""
        self.calls += other.calls
        self.refused += other.refused
        for kind, calls in other.failures.items():
            self.failures[kind] += calls
        self.histogram.add(other.histogram)
        self.fastest_ms = min(self.fastest_ms, other.fastest_ms)
        self.slowest_ms = max(self.slowest_ms, other.slowest_ms)
        if not other.standby_calls:
            return
        self.standby_calls += other.standby_calls
        self.first_standby_at = _least(self.first_standby_at, other.first_standby_at)
        self.last_standby_at = _greatest(self.last_standby_at, other.last_standby_at)

    @property
    def failed(self) -> int:
        """The number of calls without a trustworthy answer."""
        return self.failures.total()

    @property
    def failure_rate(self) -> float:
        """Their share, 0 to 1, to six digits; 0 for no calls."""
        return round(self.failed / self.calls, 6) if self.calls else 0.0

    def percentile_ms(self, percent: int) -> int:
        """Return the milliseconds that ``percent`` of 100 calls did not exceed (nearest rank).

        Right within 2 %, and exact where it is the fastest or the slowest call; 0 for no calls.
        """
        rank = -(-self.calls * percent // 100)
        if rank == self.calls:
            return self.slowest_ms
        if rank == 1:
            return self.fastest_ms
        middle = bucket_ms(bisect_left(list(accumulate(self.histogram.calls())), rank))
        return min(max(middle, self.fastest_ms), self.slowest_ms)


def _least(one: T | None, other: T | None) -> T | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)


def _greatest(one: T | None, other: T | None) -> T | None:
    known = [each for each in (one, other) if each is not None]
    return max(known, default=None)
