"""Questions to a source of merchants: each has a thread, and is waited for in time.

A source is the project's own code, which may hang, and a thread cannot be stopped. So a question
takes one of few places before its thread starts, and holds it for as long as the thread lives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.db import connections

from django_wxpay.conf.sources import MerchantSource

T = TypeVar("T")

# A notification has to be answered within five seconds (protocol-v2 section 7.1).
PATIENCE_S: Final = 2.0
# The question that always finds a place: without its answer no other one is good for long.
VERSION: Final = "version"
# Threads for all other questions, and so the most of them that a source may hang.
_PLACES: Final = 3


class SourceSilent(Exception):
    """The source did not answer in time, or still hangs on the same question."""


class SourceBusy(Exception):
    """The source was not asked: it hangs on as many other questions as it may."""


@dataclass(slots=True, eq=False)
class _Pending:
    give_up_at: float
    future: Future[Any] = field(default_factory=Future)
    is_late: bool = False


class Asker:
    """The questions to one source; one that ``is_prompt`` is asked in the thread of the caller."""

    def __init__(self, source: MerchantSource) -> None:
        self._is_prompt = getattr(source, "is_prompt", False)
        self._may_keep: Callable[[], bool] | None = getattr(source, "may_keep", None)
        self._lock = threading.Lock()
        self._pending: dict[Hashable, _Pending] = {}
        self._places = threading.Semaphore(_PLACES)

    def may_keep(self) -> bool:
        """Return whether what the source answers now holds for more than the present caller."""
        # On a thread of its own it sees no transaction of the caller's.
        if not self._is_prompt or self._may_keep is None:
            return True
        try:
            return self._may_keep()
        except Exception:  # noqa: BLE001 - what it would answer next is not to be relied on either
            return False

    def ask(self, name: Hashable, question: Callable[[], T]) -> T:
        """Return the answer of the source, or raise what it raised.

        Whoever asks for the same ``name`` meanwhile gets the same answer. Raises ``SourceSilent``
        after two seconds, or at once while that question hangs, and ``SourceBusy``.
        """
        if self._is_prompt:
            return question()
        pending, is_mine = self._join(name)
        if is_mine:
            self._start(name, question, pending)
        patience_s = max(0.0, pending.give_up_at - time.monotonic())
        done, _ = wait([pending.future], patience_s)
        if not done:
            pending.is_late = True
            raise SourceSilent
        answer: T = pending.future.result()
        return answer

    def _join(self, name: Hashable) -> tuple[_Pending, bool]:
        """Return the question that is being asked, or a new one and True."""
        with self._lock:
            if (pending := self._pending.get(name)) is not None:
                if pending.is_late:
                    raise SourceSilent
                return pending, False
            late = [key for key, each in self._pending.items() if each.is_late and key != VERSION]
            if name != VERSION and len(late) >= _PLACES:
                raise SourceBusy
            pending = self._pending[name] = _Pending(time.monotonic() + PATIENCE_S)
            return pending, True

    def _start(self, name: Hashable, question: Callable[[], Any], pending: _Pending) -> None:
        if name != VERSION and not self._places.acquire(timeout=PATIENCE_S):
            self._forget(name)
            pending.future.set_exception(SourceBusy())
            return
        run = threading.Thread(
            target=self._run, args=(name, question, pending), name="wxpay-merchants", daemon=True
        )
        try:
            run.start()
        except RuntimeError as error:
            # The process may start no more threads.
            self._leave(name)
            pending.future.set_exception(error)

    def _run(self, name: Hashable, question: Callable[[], Any], pending: _Pending) -> None:
        try:
            try:
                answer = question()
            finally:
                connections.close_all()
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            self._leave(name)
            pending.future.set_exception(error)
        else:
            self._leave(name)
            pending.future.set_result(answer)

    def _leave(self, name: Hashable) -> None:
        self._forget(name)
        if name != VERSION:
            self._places.release()

    def _forget(self, name: Hashable) -> None:
        with self._lock:
            del self._pending[name]
