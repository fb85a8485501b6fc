"""Transactions on the database that our tables are written to, and the caller's own there.

A router may keep our tables anywhere, so nothing in this package opens a transaction, waits for a
commit or exempts a view on Django's default database: they come through here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeVar

from django.db import Error, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.asyncio import async_unsafe

from django_wxpay.models import Order
from django_wxpay.protocol.errors import InsideTransaction
from django_wxpay.services.database_errors import Remedy, remedy

T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])

# Together about three seconds, inside the five that WeChat Pay waits for an answer.
_PATIENCE_S: Final = 3.0
_PAUSES_S: Final = (0.01, 0.02, 0.04, 0.08, *(0.15,) * 19)
# A server that does not take a new connection by then is not back within that time either.
_RECONNECTS: Final = 4


def database() -> str:
    """Return the alias of the database that our tables are written to."""
    return router.db_for_write(Order)


def connection() -> BaseDatabaseWrapper:
    """Return this thread's connection to our tables' database."""
    ours: BaseDatabaseWrapper = transaction.get_connection(using=database())
    return ours


def atomic() -> transaction.Atomic:
    """Return a transaction, or a savepoint in an open one, on our tables' database."""
    return transaction.atomic(using=database())


def savepoint() -> AbstractContextManager[object]:
    """Return a savepoint in an open transaction; else nothing, for one statement commits itself."""
    ours = connection()
    is_open = ours.in_atomic_block or not ours.get_autocommit()
    return atomic() if is_open else nullcontext()


def without_atomic_requests(view: View) -> View:
    """Exempt a view from the ``ATOMIC_REQUESTS`` of every database."""
    # The view calls WeChat Pay, and while it waits no transaction may be open anywhere.
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def in_transaction() -> bool:
    """Return whether the caller holds a transaction open, a test case's wrapping one apart."""
    blocks: list[Any] = connection().atomic_blocks
    # The same question that atomic(durable=True) asks, and the same exception for tests.
    return any(not block._from_testcase for block in blocks)  # noqa: SLF001


# In a coroutine Django refuses every query: what a call did could not be written down, and its
# caller would not learn it. So there the call itself is refused, before it is sent.
@async_unsafe
def require_no_transaction(verb: str) -> None:
    """Raise ``InsideTransaction`` if one is open, ``SynchronousOnlyOperation`` in a coroutine."""
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
    """Run ``action`` and return what it returns; again when a lock or a deadlock undid it.

    After a lost connection it is run again on a new one, so it must bear to be run twice: the
    COMMIT may have arrived before the connection was lost. Raises the database's error after a
    few seconds, any other error at once, and every error inside a transaction of the caller's.
    """
    # A deadlock undoes the whole transaction, and only its owner can do that work again.
    if in_transaction():
        return action()
    give_up_at = time.monotonic() + _PATIENCE_S
    reconnects = 0
    for pause_s in _PAUSES_S:
        try:
            return action()
        except Exception as error:
            cure = remedy(error)
            reconnects += cure is Remedy.RECONNECT
            # The database may have waited for the lock itself, and for longer than this.
            is_over = time.monotonic() > give_up_at or reconnects > _RECONNECTS
            if cure is Remedy.NONE or is_over:
                raise
            if cure is Remedy.RECONNECT:
                _close_lost_connections()
        time.sleep(pause_s)
    return action()


def replace_dead_connections() -> None:
    """Close each connection of this thread that is free and dead; the next query opens another."""
    for each in connections.all(initialized_only=True):
        # In a transaction, the caller's own or one begun by set_autocommit, it is never touched.
        is_free = each.autocommit and not each.in_atomic_block
        if each.connection is not None and is_free and not each.is_usable():
            each.close()


def _close_lost_connections() -> None:
    # Of every database, for the error may be that of a receiver's own.
    for each in connections.all(initialized_only=True):
        if each.connection is None or each.in_atomic_block:
            continue
        # Where it broke in a transaction, Django could not switch autocommit on again: what is
        # written next would never be committed, even if the driver has connected anew by itself.
        is_whole = each.autocommit == each.settings_dict["AUTOCOMMIT"]
        if is_whole and each.is_usable():
            continue
        try:
            each.close()
        except Error:
            # A driver may refuse to close what is closed already; it is let go all the same.
            each.connection = None
