"""The simulator's clock: real time, which can be moved forward and made to run fast."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def system_time() -> datetime:
    """Return this machine's time, aware."""
    return datetime.now(tz=UTC)


class Clock:
    """Time that starts where ``base`` is and can only be moved forward."""

    def __init__(self, base: Callable[[], datetime] = system_time) -> None:
        self._base = base
        # One tuple, replaced whole: reading it needs no lock.
        self._anchor = self._beginning()

    @property
    def speed(self) -> float:
        """How many simulated seconds pass in a real one."""
        return self._anchor[2]

    def now(self) -> datetime:
        """Return the simulated moment, aware."""
        real, simulated, speed = self._anchor
        return simulated + (self._base() - real) * speed

    def move_to(self, moment: datetime) -> None:
        """Move forward to ``moment``; a moment that has passed changes nothing."""
        self._anchor = (self._base(), max(self.now(), moment), self.speed)

    def set_speed(self, speed: float) -> None:
        """Let ``speed`` simulated seconds pass in a real one from now on."""
        self._anchor = (self._base(), self.now(), speed)

    def reset(self) -> None:
        """Return to real time at its real speed."""
        self._anchor = self._beginning()

    def real_seconds_until(self, moment: datetime) -> float:
        """Return how many real seconds are left until the simulated ``moment``, at least 0."""
        return max(0.0, (moment - self.now()).total_seconds() / self.speed)

    def _beginning(self) -> tuple[datetime, datetime, float]:
        """A real moment, the simulated one that belongs to it, and the speed from then on."""
        real = self._base()
        return real, real, 1.0
