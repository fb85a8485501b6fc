"""Doing several things at the same moment, and making sure that the moment is the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from tests.tables import connection

T = TypeVar("T")

# Generous, because a test waits this long only if it is about to fail.
_LONGEST_S: Final = 30.0


def at_once(*actions: Callable[[], T]) -> list[T | BaseException]:
    """Run every action on a thread of its own, all let go together.

    Returns what each returned or raised, in the order of ``actions``.
    """
    outcomes: list[Any] = [None] * len(actions)
    gate = threading.Barrier(len(actions))

    def run(at: int) -> None:
        try:
            gate.wait(_LONGEST_S)
            outcomes[at] = actions[at]()
        except BaseException as raised:  # noqa: BLE001 - it is handed to the test
            outcomes[at] = raised
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(at,), daemon=True) for at in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LONGEST_S)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return outcomes


class Meeting:
    """A place where ``parties`` threads wait for each other, once; latecomers walk through.

    Put it where a decision has been made and nothing is written yet: then every party has
    seen the same state, and a guard that is missing shows every time.
    """

    def __init__(self, parties: int) -> None:
        self._gate = threading.Barrier(parties)
        self._been_here = threading.local()
        self.met = 0

    def after(self, function: Callable[..., T]) -> Callable[..., T]:
        """Return ``function``, with the meeting behind its first call on each thread."""

        def meeting(*args: Any, **kwargs: Any) -> T:
            result = function(*args, **kwargs)
            if not getattr(self._been_here, "yes", False) and not self._gate.broken:
                self._been_here.yes = True
                try:
                    self._gate.wait(_LONGEST_S / 3)
                    self.met += 1
                except threading.BrokenBarrierError:
                    pass
            return result

        return meeting
