"""Which host is asked first: a host that failed rests, then gets its place back.

The memory is one process's own; another worker finds out for itself (protocol-v2
section 1.4). No lock is needed beyond the one that keeps the dict whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable


class HostHealth:
    """Remembers when each host last failed, by its base URL. Safe for any number of threads."""

    def __init__(
        self,
        recovery_s: float = 180.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recovery_s = recovery_s
        self._clock = clock
        self._failed_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def order(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """Return every host once: the fit in configured order, then those that rest.

        With all of them resting that is the configured order.
        """
        now = self._clock()
        with self._lock:
            failed_at = dict(self._failed_at)
        known = dict.fromkeys(hosts)
        return tuple(sorted(known, key=lambda host: self._rests(failed_at.get(host), now)))

    def failed(self, host: str) -> None:
        """Pass ``host`` over for ``recovery_s`` from now on."""
        now = self._clock()
        with self._lock:
            self._failed_at[host] = now

    def healed(self, host: str) -> None:
        """Give ``host`` its place back."""
        with self._lock:
            self._failed_at.pop(host, None)

    def _rests(self, failed_at: float | None, now: float) -> bool:
        # A clock that went back must not make a host rest for longer than agreed.
        return failed_at is not None and 0 <= now - failed_at < self._recovery_s
