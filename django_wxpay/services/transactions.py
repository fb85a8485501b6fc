"""Transactions on the database that our tables are written to, and the caller's own there.

A router may keep our tables anywhere, so nothing in this package opens a transaction, waits for a
commit or exempts a view on Django's default database: they come through here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.db import OperationalError, connections, router, transaction

from django_wxpay.models import Order
from django_wxpay.protocol.errors import InsideTransaction

T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])

# Together about three seconds, inside the five that WeChat Pay waits for an answer.
_PATIENCE_S: Final = 3.0
_PAUSES_S: Final = (0.01, 0.02, 0.04, 0.08, *(0.15,) * 19)


def database() -> str:
    """Return the alias of the database that our tables are written to."""
    return router.db_for_write(Order)


def atomic() -> transaction.Atomic:
    """Return a transaction, or a savepoint in an open one, on our tables' database."""
    return transaction.atomic(using=database())


def without_atomic_requests(view: View) -> View:
    """Exempt a view from the ``ATOMIC_REQUESTS`` of every database."""
    # The view calls WeChat Pay, and while it waits no transaction may be open anywhere.
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def in_transaction() -> bool:
    """Return whether the caller holds a transaction open, a test case's wrapping one apart."""
    connection = transaction.get_connection(using=database())
    # The same question that atomic(durable=True) asks, and the same exception for tests.
    return any(not block._from_testcase for block in connection.atomic_blocks)  # noqa: SLF001


def require_no_transaction(verb: str) -> None:
    """Raise ``InsideTransaction`` if one is open."""
    # A row lock that waits for the network holds up everybody else who needs the row.
    if in_transaction():
        raise InsideTransaction(
            f"{verb} uses the network and must not run inside a transaction: commit first, "
            "or exempt the view from ATOMIC_REQUESTS",
        )


def after_commit(action: Callable[[], object]) -> None:
    """Run ``action`` at once, or when the caller's open transaction commits."""
    if in_transaction():
        transaction.on_commit(action, using=database())
    else:
        action()


def retry_on_lock(action: Callable[[], T]) -> T:
    """Run ``action``, and again when a lock or a deadlock undid it; return what it returns.

    Raises the database's ``OperationalError`` after a few seconds, and at once inside a
    transaction of the caller's.
    """
    # A deadlock undoes the whole transaction, and only its owner can do that work again.
    if not in_transaction():
        give_up_at = time.monotonic() + _PATIENCE_S
        for pause_s in _PAUSES_S:
            try:
                return action()
            except OperationalError:
                # The database may have waited for the lock itself, and for longer than this.
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(pause_s)
    return action()
