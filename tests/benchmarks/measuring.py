"""The way the benchmarks measure: in turns, in one run, and only ratios count.

Absolute times belong to the machine. The competitors take turns in short rounds, so that whatever
else the machine does meanwhile troubles them alike. A ratio is taken within each round, and the
median of these ratios counts; their quartiles say how far to believe it.

A benchmark is a module ``bench_*`` with ``results(scale)``, which yields a ``Result`` for each row
of the table. ``python -m tests.benchmarks`` runs them all.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from tests.benchmarks.profiling import profile_of

ROUNDS: Final = 15
ROUND_S: Final = 0.1
# Rows that the page has a section for; see report.py.
CHOSEN_TO_BE_SLOW: Final = "chosen to be slow"
KEPT_CONNECTION: Final = "a v2 notification on SQLite with CONN_MAX_AGE = None"
Action = Callable[[], object]


class Aim(Enum):
    """The side of the reach on which a figure is to lie."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The size of a run: ``rounds`` of ``round_s`` for small work, ``rows`` for large tables."""

    rounds: int = ROUNDS
    round_s: float = ROUND_S
    rows: int = 1_000_000
    is_quick: bool = False


FULL: Final = Scale()
QUICK: Final = Scale(rounds=5, round_s=0.03, rows=100_000, is_quick=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of the table: what ``path`` costs beside its ``limit``.

    ``figure`` is a ratio, or has a ``unit``; ``low`` and ``high`` are its quartiles over the
    rounds. ``peers`` have the same measure. ``note`` says why a reach is missed, or what the
    figure does not say, and ``profile`` where the time goes if it is missed. A figure without a
    ``reach`` is for the reader's information.
    """

    path: str
    limit: str
    figure: float
    reach: float | None
    aim: Aim = Aim.AT_LEAST
    unit: str = ""
    low: float | None = None
    high: float | None = None
    peers: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    profile: tuple[str, ...] = ()

    @property
    def is_reached(self) -> bool:
        if self.reach is None:
            return True
        if self.aim is Aim.AT_LEAST:
            return self.figure >= self.reach
        return self.figure <= self.reach


def profiled(row: Result, ours: Action) -> Result:
    """Return the row, with a profile of ``ours`` if it misses its reach."""
    return row if row.is_reached else replace(row, profile=profile_of(ours))


def share(
    path: str,
    limit: str,
    *,
    ours: Action,
    bare: Action,
    reach: float,
    peers: Mapping[str, Action] | None = None,
    scale: Scale = FULL,
    note: str = "",
) -> Result:
    """Return our throughput as a share of that of ``bare``, the limit; 1 is as fast as it."""
    times = samples({"ours": ours, "limit": bare, **(peers or {})}, scale=scale)
    shares = {name: ratios(times["limit"], taken) for name, taken in times.items()}
    low, _, high = statistics.quantiles(shares["ours"], n=4)
    row = Result(
        path=path,
        limit=limit,
        figure=statistics.median(shares["ours"]),
        reach=reach,
        low=low,
        high=high,
        peers={name: statistics.median(shares[name]) for name in peers or {}},
        note=note,
    )
    return profiled(row, ours)


def cost(
    path: str,
    limit: str,
    *,
    ours: Action,
    bare: Action,
    reach: float,
    scale: Scale = FULL,
    note: str = "",
) -> Result:
    """Return our time as a multiple of that of ``bare``, the limit; 1 is as fast as it."""
    times = samples({"ours": ours, "limit": bare}, scale=scale)
    multiples = ratios(times["ours"], times["limit"])
    low, middle, high = statistics.quantiles(multiples, n=4)
    row = Result(
        path=path,
        limit=limit,
        figure=middle,
        reach=reach,
        aim=Aim.AT_MOST,
        low=low,
        high=high,
        note=note,
    )
    return profiled(row, ours)


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Return the ratio of each round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def samples(
    competitors: Mapping[str, Action],
    *,
    scale: Scale = FULL,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return the microseconds that one call of each takes, round by round, by ``clock``."""
    calls = {name: _calls_in(action, scale.round_s) for name, action in competitors.items()}
    times: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(scale.rounds):
        for name, action in competitors.items():
            began = clock()
            for _ in range(calls[name]):
                action()
            times[name].append((clock() - began) / calls[name] * 1e6)
    return times


def in_turns(
    competitors: Mapping[str, Action],
    *,
    round_s: float = ROUND_S,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the microseconds that one call of each takes, by ``clock``: the median round's."""
    scale = Scale(rounds=rounds, round_s=round_s)
    times = samples(competitors, scale=scale, clock=clock)
    return {name: statistics.median(taken) for name, taken in times.items()}


def say(line: str = "") -> None:
    """Write one line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def table(title: str, times: Mapping[str, float], *, base: str, unit: str = "us") -> None:
    """Print the times, and each as a multiple of ``base``."""
    say(title)
    for name, taken in times.items():
        say(f"  {name:<52} {taken:10.1f} {unit}  x {taken / times[base]:.2f}")
    say()


def show(results: Iterable[Result]) -> None:
    """Print rows of the table, for a benchmark that is run by itself."""
    for row in results:
        say(described(row))


def described(row: Result) -> str:
    """Return a row of the table in lines of text."""
    peers = "".join(f"; {name} {value(figure, row.unit)}" for name, figure in row.peers.items())
    lines = [f"{row.path}: {measured(row)}, {wanted(row)}", f"limit: {row.limit}{peers}"]
    if row.note:
        lines.append(row.note)
    if row.profile:
        lines.append(f"profile: {', '.join(row.profile)}")
    return "\n    ".join(lines)


def measured(row: Result) -> str:
    """Return the figure with its quartiles; one that just misses its reach is not rounded to it."""
    figure = value(row.figure, row.unit)
    if not row.is_reached and row.reach is not None and figure == value(row.reach, row.unit):
        figure = f"{row.figure:.4f}{_with_space(row.unit)}"
    if row.low is None or row.high is None:
        return figure
    return f"{figure} ({row.low:.2f} to {row.high:.2f})"


def wanted(row: Result) -> str:
    """Return the reach, and whether it is reached."""
    if row.reach is None:
        return "no reach set"
    met = "reached" if row.is_reached else "NOT REACHED"
    return f"{row.aim.value} {row.reach:g}{_with_space(row.unit)}, {met}"


def value(figure: float, unit: str) -> str:
    """Return a figure with its unit; a ratio has none."""
    return f"{figure:.2f}{_with_space(unit)}"


def _with_space(unit: str) -> str:
    return f" {unit.strip()}" if unit else ""


def _calls_in(action: Action, round_s: float) -> int:
    action()
    began = time.perf_counter()
    action()
    return max(1, int(round_s / max(time.perf_counter() - began, 1e-7)))
