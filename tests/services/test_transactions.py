"""Locks and deadlocks: what is undone is done again, for as long as it makes sense to wait."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
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
