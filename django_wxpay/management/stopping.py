"""How a command is asked to stop: SIGTERM or SIGINT once means soon, twice means now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Whether somebody has asked. A plain flag: a handler must not wait for a lock."""

    def __init__(self) -> None:
        self._is_asked = False

    def is_asked(self) -> bool:
        """Say whether the first signal has come."""
        return self._is_asked

    def ask(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Take the first signal in; the next one ends the process as if nobody listened."""
        self._is_asked = True
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)


@contextmanager
def listening() -> Iterator[Stopping]:
    """Listen for signals; whoever listened before does so again afterwards.

    Only the main thread can; beside it nobody asks but by ``Stopping.ask``.
    """
    stopping = Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before = {number: signal.signal(number, stopping.ask) for number in _SIGNALS}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            # None: it was not Python that listened before, and cannot be asked to again.
            signal.signal(number, handler or signal.SIG_DFL)
