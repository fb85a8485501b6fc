"""A competitor in a process of its own: it reads what to run, and answers how long it took.

Two competitors in two environments can so take turns. What a batch needs is made before the clock
starts. Only the standard library is used: a peer's environment has nothing of ours.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

Action = Callable[[], object]
READY = "ready"


def obey(prepared: Callable[[str, int, bool], Iterable[Action]]) -> None:
    """Answer each line ``WAY COUNT KEPT`` with the seconds that so many actions have taken.

    ``prepared`` makes the actions; KEPT is 1 where the database connection outlives a request.
    """
    _answer(READY)
    for line in sys.stdin:
        way, count, kept = line.split()
        actions = list(prepared(way, int(count), kept == "1"))
        began = time.perf_counter()
        for action in actions:
            action()
        _answer(repr(time.perf_counter() - began))


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
