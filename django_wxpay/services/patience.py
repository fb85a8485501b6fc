"""Actions on threads of their own, which nobody waits for without end.

Python cannot stop a thread. So one that takes too long is left behind: whoever waited goes on, and
what the thread may still do has to be safe then. It is a daemon, and holds up no end of a process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from django.db import connections

from django_wxpay.services import telemetry

logger = logging.getLogger("django_wxpay.worker")

T = TypeVar("T")


def start(action: Callable[[], T], *, name: str) -> Future[T]:
    """Run ``action`` on a daemon thread with database connections of its own.

    In an open transaction it runs here and now, for another connection would not see what the
    caller has written, and might wait for its locks for good; so do tests in a transaction.
    """
    future: Future[T] = Future()
    action = telemetry.carried(action)
    if _is_in_transaction():
        _run(action, future)
    else:
        threading.Thread(target=_run_apart, args=(action, future), name=name, daemon=True).start()
    return future


class Hand:
    """A daemon thread for one action after the other, which keeps its database connections.

    To connect anew for each would take longer than most actions do. It belongs to one caller, who
    gives it the next action when the last has ended, and who calls ``end`` at last.
    """

    def __init__(self, *, name: str) -> None:
        self._actions: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def start(self, action: Callable[[], T]) -> Future[T]:
        """Run ``action`` on the thread; in an open transaction here and now, as ``start`` does."""
        future: Future[T] = Future()
        action = telemetry.carried(action)
        if _is_in_transaction():
            _run(action, future)
        else:
            self._actions.put(partial(_run_in_turn, action, future))
        return future

    def end(self) -> None:
        """Let the thread close its connections and end, once its action has."""
        self._actions.put(None)

    def wait_for_end(self) -> None:
        """Wait for the end of a thread that was told to, and whose action has ended."""
        self._thread.join()

    def _work(self) -> None:
        try:
            while (action := self._actions.get()) is not None:
                action()
        finally:
            connections.close_all()


def has_ended(future: Future[T], within_s: float) -> bool:
    """Wait for the action of ``future`` for so many seconds, and return whether it has ended."""
    return bool(wait([future], timeout=within_s).done)


def run_for(action: Callable[[], None], within_s: float) -> None:
    """Run ``action`` apart, and wait for its end; raise what it raises within that time."""
    future = start(action, name="wxpay-download")
    if has_ended(future, within_s):
        future.result()
    else:
        future.add_done_callback(_log_error)


def _log_error(future: Future[Any]) -> None:
    if error := future.exception():
        logger.error("nobody waited for this error any more", exc_info=error)


def _run(action: Callable[[], T], future: Future[T]) -> None:
    try:
        result = action()
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
    else:
        future.set_result(result)


def _run_apart(action: Callable[[], T], future: Future[T]) -> None:
    def run() -> T:
        try:
            return action()
        finally:
            # Before the result is seen: nothing of this thread is left when the caller goes on.
            connections.close_all()

    _run(run, future)


def _run_in_turn(action: Callable[[], T], future: Future[T]) -> None:
    def run() -> T:
        try:
            # A language or a time zone that one action activates is none of the next one's.
            return Context().run(action)
        finally:
            _drop_unclean_connections()

    _run(run, future)


def _drop_unclean_connections() -> None:
    for each in connections.all(initialized_only=True):
        is_as_opened = each.autocommit == each.settings_dict["AUTOCOMMIT"]
        if each.in_atomic_block or each.errors_occurred or not is_as_opened:
            each.close()
            # In a block that was never left it would not connect again.
            del connections[each.alias]


def _is_in_transaction() -> bool:
    return any(
        connection.connection is not None
        and (connection.in_atomic_block or not connection.autocommit)
        for connection in connections.all(initialized_only=True)
    )
