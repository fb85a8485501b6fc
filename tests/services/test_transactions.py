"""Locks and deadlocks: what is undone is done again, for as long as it makes sense to wait."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.db import Error as DjangoError
from django.db import OperationalError
from django.test.utils import CaptureQueriesContext

from django_wxpay import services
from django_wxpay.models import Order, OrderEvent, Prepay
from django_wxpay.services import transactions
from django_wxpay.services.orders import closing, placing, querying
from tests.services.conftest import new_order
from tests.tables import atomic, connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, standing

pytestmark = pytest.mark.django_db


def undone_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` as it is when a deadlock undoes it the first time."""
    calls: list[int] = []

    def again(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError(1213, "Deadlock found when trying to get lock")
        return function(*args, **kwargs)

    return again


def test_an_answer_that_a_deadlock_undid_is_settled_again_without_a_second_call(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    monkeypatch.setattr(querying, "apply_trade_fact", undone_once(querying.apply_trade_fact))

    assert services.query_order(order).trade_state == "SUCCESS"
    assert gateway.paths() == ["/pay/orderquery"]
    assert OrderEvent.objects.get().kind == "PAID"


def test_a_close_that_a_deadlock_undid_is_settled_again_without_a_second_call(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway.answers["/pay/closeorder"] = {}
    monkeypatch.setattr(closing, "apply_trade_fact", undone_once(closing.apply_trade_fact))

    assert services.close_order(order).trade_state == "CLOSED"
    assert gateway.paths() == ["/pay/closeorder"]


def test_a_prepay_that_a_deadlock_undid_is_kept_all_the_same(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(placing, "accept", undone_once(placing.accept))

    assert services.unified_order(order) == Prepay.objects.get()
    assert gateway.paths() == ["/pay/unifiedorder"]


def test_an_order_that_a_deadlock_undid_is_made_again(
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Order, "save", undone_once(Order.save))

    assert new_order() == Order.objects.get()


def test_inside_the_callers_transaction_a_deadlock_is_the_callers(
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database has undone the caller's work as well; doing only ours again would hide it."""
    monkeypatch.setattr(Order, "save", undone_once(Order.save))
    with pytest.raises(OperationalError), atomic():
        new_order()

    assert Order.objects.count() == 0


def test_an_order_is_locked_before_its_prepay_refers_to_it(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    """A reference takes a shared lock on MariaDB, and two who hold it wait for each other."""
    with CaptureQueriesContext(connection) as counted:
        services.unified_order(order)
    sql = [row["sql"] for row in counted.captured_queries]
    prepay = next(at for at, line in enumerate(sql) if "INTO" in line and "_prepay" in line)
    states = [at for at, line in enumerate(sql) if line.startswith("UPDATE") and "NOTPAY" in line]

    assert states[0] < prepay


def test_waiting_ends_after_a_few_seconds_however_long_each_try_takes(
    db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQLite and MariaDB wait for a lock themselves, for up to a minute a try."""
    now, tries = [0.0], []
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: None)
    monkeypatch.setattr(transactions, "time", clock)

    def locked() -> None:
        tries.append(now[0])
        now[0] += 20
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError, match="locked"):
        transactions.retry_on_lock(locked)
    assert tries == [0.0]


def test_a_lock_that_passes_in_time_is_waited_for(
    db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, tries = [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(
        transactions, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    )

    def locked_for_two_seconds() -> str:
        tries.append(now[0])
        if now[0] < 2:
            raise OperationalError("database is locked")
        return "done"

    assert transactions.retry_on_lock(locked_for_two_seconds) == "done"
    assert len(tries) > 5


@pytest.mark.parametrize(
    "error", [OperationalError("no such table: tea"), ValueError("tea"), KeyError(0)]
)
def test_what_no_waiting_helps_against_is_raised_at_once(db: None, error: Exception) -> None:
    tries: list[int] = []

    def fails() -> None:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        transactions.retry_on_lock(fails)
    assert tries == [1]


def test_a_server_that_is_gone_is_asked_a_few_times_only(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda seconds: None)
    monkeypatch.setattr(transactions, "time", clock)
    tries: list[int] = []

    def lost() -> None:
        tries.append(1)
        raise OperationalError(2006, "Server has gone away")

    with pytest.raises(OperationalError, match="2006"):
        transactions.retry_on_lock(lost)
    assert len(tries) == 5


class Session:
    """A connection as Django's wrapper shows it, and whether it was closed."""

    settings_dict: ClassVar = {"AUTOCOMMIT": True}

    def __init__(self, **facts: Any) -> None:
        self.connection: object | None = object()
        self.in_atomic_block = False
        self.autocommit = True
        self.usable = True
        self.error: Exception | None = None
        self.closed = 0
        self.__dict__ |= facts

    def is_usable(self) -> bool:
        return self.usable

    def close(self) -> None:
        self.closed += 1
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("session", "closed"),
    [
        (Session(), 0),
        (Session(usable=False), 1),
        (Session(usable=False, in_atomic_block=True), 0),
        (Session(connection=None, usable=False), 0),
        # The driver has connected anew by itself, in the middle of a transaction.
        (Session(autocommit=False), 1),
    ],
)
def test_a_lost_connection_is_closed_before_the_next_try(
    session: Session, closed: int, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def lost_once() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError(2013, "Lost connection")
        return "done"

    monkeypatch.setattr(transactions.connections, "all", lambda **_: [session])
    assert transactions.retry_on_lock(lost_once) == "done"
    assert session.closed == closed


def test_one_that_its_driver_does_not_close_is_let_go_all_the_same(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(usable=False, error=DjangoError("Already closed"))
    monkeypatch.setattr(transactions.connections, "all", lambda **_: [session])
    transactions._close_lost_connections()
    assert (session.closed, session.connection) == (1, None)
