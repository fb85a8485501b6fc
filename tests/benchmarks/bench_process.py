"""The cost of the app to each process of a project: the time of its start, and its memory.

Two projects take turns, each in processes of its own: one with Django's admin and REST framework,
and the same with the app. The start is ``django.setup()`` in the processor's time, for it waits
for nothing: its files are in the system's memory. The memory is what a web process holds after
requests, and one of them is a notification, so that nothing is left to be loaded later.

Run: python -m tests.benchmarks.bench_process (Linux)
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tests.benchmarks.measuring import FULL, Aim, Result, Scale, show
from tests.laws.source import ROOT

MEASURES = {
    "start": ("import of the app: django.setup()", "ms", 150.0),
    "serve": ("memory of a web process after its first requests", "MiB", 25.0),
}
WHY = {
    "serve": "; some 5 MiB of it are Django's test client and what that loads, which"
    " drf-spectacular imports for the OpenAPI document",
}
# Each process takes a second.
ROUNDS = 15
QUICK_ROUNDS = 3


def results(scale: Scale = FULL) -> Iterator[Result]:
    """Yield what the app adds to the start and to the memory, in turns with the same without."""
    rounds = QUICK_ROUNDS if scale.is_quick else ROUNDS
    with tempfile.TemporaryDirectory() as compiled:
        for work, (path, unit, reach) in MEASURES.items():
            # An installed package is compiled: the first of each does that, and is not counted.
            both = [
                (_measured("with", work, compiled), _measured("without", work, compiled))
                for _ in range(1 + rounds)
            ][1:]
            added = [ours - bare for ours, bare in both]
            low, _, high = statistics.quantiles(added, n=4)
            bare = statistics.median(bare for _, bare in both)
            yield Result(
                path=path,
                limit="the same project without the app",
                figure=statistics.median(added),
                reach=reach,
                aim=Aim.AT_MOST,
                unit=f" {unit}",
                low=low,
                high=high,
                note=f"added to the {bare:.0f} {unit} of the project without it{WHY.get(work, '')}",
            )


def _measured(project: str, work: str, compiled: str) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.one_process", project, work],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if name not in _NOT_HERE},
            "PYTHONPYCACHEPREFIX": compiled,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


# Without compiled files nothing but the compiler would be measured.
_NOT_HERE = frozenset({"PYTHONDONTWRITEBYTECODE", "DJANGO_SETTINGS_MODULE"})


if __name__ == "__main__":
    show(list(results()))
