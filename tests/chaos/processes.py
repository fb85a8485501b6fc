"""The processes of the run, their deaths, and the connections that are cut under them."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.db import connection


class Shop:
    """Web processes and workers, started again whenever one has died."""

    def __init__(self, log: Path, *, webs: int = 3, workers: int = 2) -> None:
        self._log: IO[bytes] = log.open("wb")
        self._lock = threading.Lock()
        self._roles = ["web"] * webs + ["worker"] * workers
        self._running = [self._start(role) for role in self._roles]
        self._simulator = self._start("simulator")
        self.kills = 0
        self.cuts = 0
        # Processes that a receiver has taken with it, or that ended by themselves.
        self.deaths = 0

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.shop", role], stdout=self._log, stderr=self._log
        )

    def kill_one(self, rng: random.Random) -> None:
        """Kill a web process or a worker at once, and start its successor."""
        with self._lock:
            at = rng.randrange(len(self._running))
            self._running[at].kill()
            self._running[at].wait()
            self._running[at] = self._start(self._roles[at])
            self.kills += 1

    def revive(self) -> None:
        """Start the successors of those that have died."""
        with self._lock:
            for at, process in enumerate(self._running):
                if process.poll() is not None:
                    self._running[at] = self._start(self._roles[at])
                    self.deaths += 1

    def cut_one(self, rng: random.Random) -> None:
        """Break a database connection of some process, on servers that have them."""
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT pid FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                cut = "SELECT pg_terminate_backend(%s)"
            elif connection.vendor == "mysql":
                cursor.execute(
                    "SELECT id FROM information_schema.processlist"
                    " WHERE db = DATABASE() AND id <> CONNECTION_ID()"
                )
                cut = "KILL %s"
            else:
                return
            found = [number for (number,) in cursor.fetchall()]
            if found:
                # It may have ended by itself meanwhile.
                with suppress(Exception):
                    cursor.execute(cut, [rng.choice(found)])
                self.cuts += 1

    def stop(self, *, simulator: bool) -> None:
        with self._lock:
            ending = [*self._running, *([self._simulator] if simulator else [])]
            self._running = []
            for process in ending:
                process.kill()
                process.wait()


def wait_for(url: str, *, seconds: float = 60) -> None:
    """Wait until something answers at ``url``, whatever it says."""
    over = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - our own address
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > over:
                raise
            time.sleep(0.2)
        else:
            return


def trouble(shop: Shop, rng: random.Random, kills: int, share_done: Callable[[], float]) -> None:
    """Kill and cut, in step with the customers, until all are served and ``kills`` are done."""
    next_at = 0.0
    while (done := share_done()) < 1 or shop.kills < kills:
        shop.revive()
        if shop.kills < kills * done and time.monotonic() > next_at:
            shop.kill_one(rng)
            next_at = time.monotonic() + rng.uniform(1, 3)
            if rng.random() < 0.5:
                with suppress(Exception):
                    shop.cut_one(rng)
        # A process needs a moment to start, and is killed at any moment of its life.
        time.sleep(rng.uniform(0.05, 0.4))
    # It belongs to this thread.
    connection.close()
