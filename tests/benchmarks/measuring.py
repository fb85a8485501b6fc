"""How the benchmarks measure: in turns, in one run, and only ratios count.

Absolute times belong to the machine. The competitors take turns in short rounds, so that
whatever else the machine does meanwhile troubles them alike; the median round counts.
Importing this also lets a benchmark that is run by its path find the checkout it is in.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

ROUNDS = 15


def say(line: str = "") -> None:
    """Write one line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def in_turns(
    competitors: Mapping[str, Callable[[], object]],
    *,
    round_s: float = 0.1,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the microseconds that one call of each takes, by ``clock``."""
    calls = {name: _calls_in(action, round_s) for name, action in competitors.items()}
    samples: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(rounds):
        for name, action in competitors.items():
            began = clock()
            for _ in range(calls[name]):
                action()
            samples[name].append((clock() - began) / calls[name] * 1e6)
    return {name: statistics.median(taken) for name, taken in samples.items()}


def table(title: str, times: Mapping[str, float], *, base: str, unit: str = "us") -> None:
    """Print the times, and each as a multiple of ``base``."""
    say(title)
    for name, taken in times.items():
        say(f"  {name:<52} {taken:10.1f} {unit}  x {taken / times[base]:.2f}")
    say()


def _calls_in(action: Callable[[], object], round_s: float) -> int:
    action()
    began = time.perf_counter()
    action()
    return max(1, int(round_s / max(time.perf_counter() - began, 1e-7)))
