"""A run of benchmarks: each in a process of its own, once for each database that it knows.

``results`` of a benchmark makes whatever it needs, its database as well (``databases.py``). One
process has one Django set up, on one database: what a benchmark sets, opens or spoils reaches no
other one. They run one after the other, as two at once would measure each other.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.measuring import FULL, QUICK, Aim, Result, Scale

FOLDER: Final = Path(__file__).parent
# The name of no database, among the names of databases.
NONE: Final = ""
EVERY: Final = ("sqlite", "postgresql", "mariadb")

# Each benchmark in the order of the table, and the databases that it is measured on. One that is
# not here comes last, on every database.
DATABASES: Final[dict[str, tuple[str, ...]]] = {
    "bench_v2": (NONE,),
    "bench_v3": (NONE,),
    "bench_notifications": EVERY,
    "bench_webhooks": EVERY,
    "bench_placing": EVERY,
    "bench_lists": EVERY,
    "bench_latency": EVERY,
    "bench_reporting": EVERY,
    "bench_bills": EVERY,
    "bench_workers": EVERY,
    "bench_async": EVERY,
    "bench_merchants": EVERY,
    "bench_process": (NONE,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A benchmark that has run on one database; ``error`` is empty unless it failed."""

    benchmark: str
    database: str
    results: tuple[Result, ...]
    seconds: float = 0
    error: str = ""


def benchmarks(folder: Path = FOLDER) -> list[str]:
    """Return the modules that have ``results``, in the order of the table."""
    order = list(DATABASES)
    names = [
        path.stem
        for path in sorted(folder.glob("bench_*.py"))
        if "\ndef results(" in path.read_text(encoding="utf-8")
    ]
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def plan(names: Sequence[str], databases: Sequence[str]) -> list[tuple[str, str]]:
    """Return the benchmarks and databases to run, those of one database together."""
    return [
        (name, database)
        for database in (NONE, *databases)
        for name in names
        if database in DATABASES.get(name, EVERY)
    ]


def results_of(module: str, *, database: str, is_quick: bool) -> Iterator[Result]:
    """Run a benchmark in a process of its own, and yield its rows as they come.

    Raises ``Failed`` with the end of what it wrote, after the rows that it has measured.
    """
    command = [sys.executable, "-m", "tests.benchmarks", "--one", module]
    environment = os.environ | {"WXPAY_TEST_DATABASE": database or "sqlite"}
    with (
        tempfile.TemporaryFile("w+") as written,
        subprocess.Popen(
            [*command, "--quick"] if is_quick else command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            yield from_line(line)
        if process.wait():
            written.seek(0)
            raise Failed("\n".join(written.read().strip().splitlines()[-12:]))


class Failed(Exception):
    """A benchmark has ended with an error."""


def measure_one(module: str, *, is_quick: bool) -> None:
    """Write the rows of a benchmark to standard output, each as a line of JSON.

    Whatever else is written, by it or by a process that it starts, goes to standard error.
    """
    scale = QUICK if is_quick else FULL
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as lines:
        sys.stdout.flush()
        os.dup2(2, 1)
        for result in rows_of(module, scale):
            lines.write(f"{to_line(result)}\n")
            lines.flush()


def rows_of(module: str, scale: Scale) -> Iterator[Result]:
    """Return what ``results`` of this module yields."""
    rows: Iterator[Result] = importlib.import_module(module).results(scale)
    return rows


def to_line(result: Result) -> str:
    """Return a row as JSON."""
    return json.dumps(asdict(result) | {"aim": result.aim.value}, ensure_ascii=False)


def from_line(line: str) -> Result:
    """Return the row that ``to_line`` has written."""
    values: dict[str, Any] = json.loads(line)
    typed = {"aim": Aim(values["aim"]), "profile": tuple(values["profile"])}
    return Result(**values | typed)
