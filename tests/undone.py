"""Transactions that a database undoes at their commit, as a deadlock or SERIALIZABLE may.

What is undone is run again, and must come to the same: nothing that the first run has changed in
memory may decide the second. ``WXPAY_TEST_UNDO=once`` undoes the first transaction of every
action that is run again after a lock, in the whole suite but for the tests marked ``undisturbed``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final

import pytest
from django.db import transaction

from django_wxpay.services import transactions
from django_wxpay.services.database_errors import UndoneByAnother
from django_wxpay.services.transitions.delivery import Delivery

_RETRIED: Final = transactions.retry_on_lock.__code__
# The frame of a call of ``retry_on_lock``, and until when it tries: frames are used again.
_Run = tuple[int, float]


@contextmanager
def undone_once() -> Iterator[list[_Run]]:
    """Undo the first transaction of each retried action; yield a list with an entry for each.

    A delivery is left alone: the lists of receivers in tests, unlike a shop's tables, are not
    undone. So are transactions that the action did not begin itself.
    """
    undone_runs: list[_Run] = []
    leave = transaction.Atomic.__exit__

    def undone(
        self: Any,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run = _run() if exc_type is None and _is_outermost(self) else None
        if run is None or run in undone_runs:
            leave(self, exc_type, error, traceback)
            return
        undone_runs.append(run)
        deadlock = UndoneByAnother("undone by a test")
        leave(self, UndoneByAnother, deadlock, None)
        raise deadlock

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction.Atomic, "__exit__", undone)
        yield undone_runs


def _is_outermost(block: Any) -> bool:
    ours = transaction.get_connection(using=block.using)
    *outer, _ = ours.atomic_blocks
    if block._from_testcase or ours.needs_rollback:
        return False
    # In a test case's own transaction, only a savepoint can be undone by itself.
    return all(each._from_testcase for each in outer) and bool(block.savepoint or not outer)


def _run() -> _Run | None:
    """Return the innermost run of ``retry_on_lock`` that has begun to try."""
    frame = sys._getframe(2)
    while frame is not None:
        names = frame.f_locals if frame.f_code is _RETRIED else {}
        if "give_up_at" in names:
            is_delivery = isinstance(names["action"], Delivery)
            return None if is_delivery else (id(frame), names["give_up_at"])
        frame = frame.f_back  # type: ignore[assignment]
    return None
