"""One try to deliver an event: the receivers' work and the mark, in one transaction.

That nothing was raised is no proof that anything will be committed. A receiver may have caught an
error that undid its transaction, so the transaction is looked at before its event is marked.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.dispatch import Signal

from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.models.choices import EventKinds
from django_wxpay.services import clock
from django_wxpay.services.database_errors import (
    ended_transaction,
    is_in_aborted_transaction,
    may_have_ended_transaction,
)
from django_wxpay.services.statements import Slot, Update
from django_wxpay.services.transactions import atomic, connection

_ADVICE: Final = (
    "a receiver caught a database error that undid its whole transaction: what may fail belongs "
    "into a transaction.atomic() of its own"
)

_CUT: Final = (
    "a receiver took longer than RECEIVER_TIMEOUT_S, and SQLite has one writer: its work is undone"
)


_MARK: Final = Update(
    OrderEvent.objects.filter(pk=Slot(OrderEvent, "id"), dispatched_at__isnull=True),
    dispatched_at=Slot(OrderEvent, "dispatched_at"),
    dispatch_error="",
    next_dispatch_at=None,
)


class WorkUndone(Exception):
    """What a receiver wrote is lost, although it raised nothing."""


class DeliveredAlready(Exception):
    """Another try was first; what this one wrote is rolled back."""


class Delivery:
    """A callable that sends the signal of one event, and marks it in the same transaction.

    Raises what a receiver raised, ``WorkUndone`` and ``DeliveredAlready``; the event then stays
    as it is. May be called again after a lock or a lost connection.
    """

    def __init__(self, event: OrderEvent, order: Order | None, signal: Signal) -> None:
        self.event = event
        self._order = order
        self._signal = signal
        self._calls = 0
        self._connection: BaseDatabaseWrapper | None = None
        self._is_cut = False
        self._marked_at = event.created_at

    def __call__(self) -> None:
        self._calls += 1
        # The COMMIT may have arrived before its connection was lost.
        if self._calls > 1 and not self._pending().exists():
            raise DeliveredAlready
        with atomic():
            here = self._connection = connection()
            watch = _Watch()
            with here.execute_wrapper(watch):
                self._send()
            if self._is_cut or watch.is_undone(here):
                raise WorkUndone(_CUT if self._is_cut else _ADVICE)
            self._mark()
        self.event.dispatched_at = self._marked_at

    def cut(self) -> None:
        """Close the connection of a try that nobody waits for, if it keeps others from writing."""
        there = self._connection
        # SQLite has one writer. Other databases have rows to lock, which are the receiver's own.
        if there is not None and there.vendor == "sqlite" and there.connection is not None:
            self._is_cut = True
            there.connection.close()

    def _send(self) -> None:
        if self.event.kind == EventKinds.RECEIVED:
            self._send_received()
            return
        more = {} if self.event.refund_id is None else {"refund": self.event.refund}
        self._signal.send(sender=Order, order=self._order, event=self.event, **more)

    def _send_received(self) -> None:
        self._signal.send(
            sender=Notification,
            notification=self.event.notification,
            event_type=self.event.event_type,
            # A copy: what a receiver makes of it is not what the next try sends.
            resource=deepcopy(self.event.detail["resource"]),
        )

    def _pending(self) -> Any:
        return OrderEvent.objects.filter(pk=self.event.pk, dispatched_at__isnull=True)

    def _mark(self) -> None:
        # Last: no row of ours is locked while a receiver works. Whoever marked it meanwhile has
        # delivered it.
        self._marked_at = clock.now()
        try:
            is_mine = _MARK.run(id=self.event.pk, dispatched_at=self._marked_at)
        except Error as error:
            if is_in_aborted_transaction(error):
                raise WorkUndone(_ADVICE) from error
            raise
        if not is_mine:
            raise DeliveredAlready


class _Watch:
    """A wrapper of statements that notes errors with which the server ends a transaction.

    MySQL and MariaDB begin a new one with the next statement, so nothing else shows it.
    """

    def __init__(self) -> None:
        self._has_ended = self._may_have_ended = False

    def __call__(self, execute: Callable[..., Any], *statement: Any) -> Any:
        try:
            return execute(*statement)
        except Error as error:
            self._has_ended |= ended_transaction(error)
            self._may_have_ended |= may_have_ended_transaction(error)
            raise

    def is_undone(self, here: BaseDatabaseWrapper) -> bool:
        """Return whether what was written since the beginning will not be committed."""
        # Set by Django, for a connection that was closed as well.
        if here.needs_rollback or self._has_ended:
            return True
        if here.vendor == "sqlite":
            # A full disk and ON CONFLICT ROLLBACK undo it all.
            return not here.connection.in_transaction
        return self._may_have_ended and _is_rolled_back_on_timeout(here)


def _is_rolled_back_on_timeout(here: BaseDatabaseWrapper) -> bool:
    with here.cursor() as cursor:
        cursor.execute("SELECT @@innodb_rollback_on_timeout")
        (is_on,) = cursor.fetchone()
    return bool(is_on)
