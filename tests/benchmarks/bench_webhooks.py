"""A payment's notification through our view, beside an event through dj-stripe's.

Both are Django views that verify a signature, record what arrived and record its outcome. Each
runs in a process of its own, with the same Django, the same database and the same driver, and
they take turns. What dj-stripe does with an event, and what was done in its favour, stands in
``peers/djstripe_project.py``.

Run: python -m tests.benchmarks.bench_webhooks
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from example_project.settings import DATABASES
from tests import neighbours
from tests.benchmarks.measuring import FULL, KEPT_CONNECTION, Result, Scale, ratios, show
from tests.benchmarks.peers.environments import ROOT, python_with
from tests.benchmarks.peers.obeying import READY
from tests.benchmarks.peers.ours import HELD

DJ_STRIPE = "dj-stripe==2.11.0"
OF_OURS = ("Django", "psycopg[binary]", "PyMySQL")
OURS, SETTLED, RECORDED = "ours", "payment_intent.succeeded", "balance.available"
REACH = 2.0
A_ROUND_S = 0.5
QUICK_COUNT = 4
NOTE = (
    "{ours:.1f} ms beside {theirs:.1f} ms; dj-stripe's call to Stripe's API is answered in its"
    " process, and the peer is an event that it only records"
)
CONNECTION_NOTE = "; {ours:.1f} ms of ours and {theirs:.1f} ms of its open and close the connection"
CONNECTION = {False: "a connection for each request", True: "a kept connection"}
# A competitor, and whether its connection is kept.
Way = tuple[str, bool]
WAYS: tuple[Way, ...] = (
    (OURS, False),
    (SETTLED, False),
    (RECORDED, False),
    (HELD, False),
    (OURS, True),
    (SETTLED, True),
    (RECORDED, True),
)
SERVER_WAYS = tuple(way for way in WAYS if way != (HELD, False))


def results(scale: Scale) -> Iterator[Result]:
    """Compare the two views, with a connection for each request and with a kept one."""
    database = os.environ.get("WXPAY_TEST_DATABASE", "sqlite")
    same = [f"{name}=={version(name.partition('[')[0])}" for name in OF_OURS]
    theirs = (python_with(DJ_STRIPE, *same), "-m", "tests.benchmarks.peers.djstripe_project")
    with (
        served(sys.executable, "-m", "tests.benchmarks.peers.ours") as ours,
        served(*theirs, json.dumps(entry(database), default=str)) as djstripe,
    ):
        rivals = {OURS: ours, HELD: ours, SETTLED: djstripe, RECORDED: djstripe}
        times = in_rounds(rivals, WAYS if database == "sqlite" else SERVER_WAYS, scale=scale)
    for is_kept in (False, True):
        yield against_djstripe(times, is_kept=is_kept)
    if database == "sqlite":
        yield kept_connection(times)


def entry(database: str) -> dict[str, Any]:
    """Return Django's entry for a database of dj-stripe's, made as ours is."""
    name = f"wxpay_bench_{os.getpid()}_djstripe"
    if database == "sqlite":
        name = str(Path(tempfile.gettempdir()) / f"{name}.sqlite3")
    made = neighbours.database(database) or DATABASES["default"]
    return made | {"TEST": {"NAME": name}}


def in_rounds(
    rivals: Mapping[str, Served], ways: Sequence[Way], *, scale: Scale
) -> dict[Way, list[float]]:
    """Return the seconds that one request of each has taken, round by round."""
    slowest = max(rivals[name].seconds(name, 5, is_kept=is_kept) / 5 for name, is_kept in ways)
    count = QUICK_COUNT if scale.is_quick else max(5, int(A_ROUND_S / slowest))
    times: dict[Way, list[float]] = {way: [] for way in ways}
    for _ in range(scale.rounds):
        for name, is_kept in ways:
            taken = rivals[name].seconds(name, count, is_kept=is_kept)
            times[name, is_kept].append(taken / count)
    return times


def against_djstripe(times: Mapping[Way, list[float]], *, is_kept: bool) -> Result:
    """Return our throughput as a multiple of dj-stripe's."""
    ours, settled, recorded = (times[name, is_kept] for name in (OURS, SETTLED, RECORDED))
    low, middle, high = statistics.quantiles(ratios(settled, ours), n=4)
    note = NOTE.format(ours=_ms(ours), theirs=_ms(settled))
    if not is_kept:
        note += CONNECTION_NOTE.format(
            ours=_ms(ours) - _ms(times[OURS, True]),
            theirs=_ms(settled) - _ms(times[SETTLED, True]),
        )
    return Result(
        path=f"POST of a v2 notification, {CONNECTION[is_kept]}, beside dj-stripe's webhook",
        limit=f"dj-stripe 2.11, {SETTLED} = 1",
        figure=middle,
        reach=REACH,
        low=low,
        high=high,
        peers={f"dj-stripe, {RECORDED}": statistics.median(ratios(settled, recorded))},
        note=note,
    )


def kept_connection(times: Mapping[Way, list[float]]) -> Result:
    """Return what ``CONN_MAX_AGE`` gains on SQLite, as a multiple of the throughput without."""
    opened, held, kept = times[OURS, False], times[HELD, False], times[OURS, True]
    low, middle, high = statistics.quantiles(ratios(opened, kept), n=4)
    return Result(
        path=KEPT_CONNECTION,
        limit="CONN_MAX_AGE = 0, Django's default = 1",
        figure=middle,
        reach=None,
        low=low,
        high=high,
        note=(
            f"{_ms(opened):.1f} ms with a connection for each request, {_ms(held):.1f} ms with the"
            f" same while another process has the file open, {_ms(kept):.1f} ms with a kept one"
        ),
    )


def _ms(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000


class Served:
    """A competitor in a process that obeys; see ``peers/obeying.py``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        if (line := self._line()) != READY:
            raise RuntimeError(f"a competitor began with {line!r}")

    def seconds(self, way: str, count: int, *, is_kept: bool) -> float:
        """Return the seconds that so many have taken."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{way} {count} {int(is_kept)}\n")
            self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"a competitor has ended: {self._process.args!r}")
        return line.strip()


@contextmanager
def served(*command: str) -> Iterator[Served]:
    """Start a competitor, and end it by closing its input."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Served(process)


def main() -> None:
    """Measure and print."""
    show(results(FULL))


if __name__ == "__main__":
    main()
