"""One try: what the transaction looks like decides whether it is marked. And who waits for whom."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import InternalError, OperationalError
from psycopg.errors import InFailedSqlTransaction

from django_wxpay.models import OrderEvent
from django_wxpay.services.transitions import crew, dispatch
from django_wxpay.services.transitions import delivery as delivery_module
from django_wxpay.services.transitions.crew import Crew, ReceiversHang
from django_wxpay.services.transitions.delivery import (
    DeliveredAlready,
    Delivery,
    WorkUndone,
    _Watch,
)
from django_wxpay.signals import order_paid
from tests.factories import OrderEventFactory
from tests.tables import connection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def event() -> OrderEvent:
    return OrderEventFactory(dispatched_at=None)


class Asked:
    """A connection of MySQL's that answers one question."""

    vendor = "mysql"
    needs_rollback = False

    def __init__(self, *, rolls_back: int) -> None:
        self.asked: list[str] = []
        self.rolls_back = rolls_back

    def cursor(self) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *raised: object) -> None: ...

    def execute(self, sql: str) -> None:
        self.asked.append(sql)

    def fetchone(self) -> tuple[int]:
        return (self.rolls_back,)


def seen(code: int | None) -> _Watch:
    """Return a watch that has seen an error of this code, or none."""
    watch = _Watch()

    def execute(*statement: object) -> str:
        if code is not None:
            raise OperationalError(code, "in its words")
        return "done"

    try:
        assert watch(execute, "SELECT 1", (), False, {}) == "done"
    except OperationalError:
        assert code is not None, "what the receiver is raised, it is raised"
    return watch


@pytest.mark.parametrize(
    ("code", "rolls_back", "is_undone", "questions"),
    [
        (None, 0, False, 0),
        (1064, 0, False, 0),
        (1213, 0, True, 0),
        (1205, 0, False, 1),
        (1205, 1, True, 1),
    ],
)
def test_a_transaction_that_mysql_has_rolled_back_is_known_by_what_it_raised(
    code: int | None, rolls_back: int, is_undone: bool, questions: int
) -> None:
    here: Any = Asked(rolls_back=rolls_back)
    assert seen(code).is_undone(here) is is_undone
    assert len(here.asked) == questions, "nothing is asked where nothing is in doubt"


def test_a_mark_in_a_transaction_that_postgresql_has_ended_is_work_undone(
    event: OrderEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(**marks: object) -> int:
        raise InternalError("ignored until the end") from InFailedSqlTransaction()

    delivery = Delivery(event, event.order, order_paid)
    monkeypatch.setattr(delivery_module._MARK, "run", run)
    with pytest.raises(WorkUndone, match=r"transaction\.atomic"):
        delivery()


def test_a_mark_that_fails_for_another_reason_says_so(
    event: OrderEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(**marks: object) -> int:
        raise OperationalError("disk full")

    delivery = Delivery(event, event.order, order_paid)
    monkeypatch.setattr(delivery_module._MARK, "run", run)
    with pytest.raises(OperationalError, match="disk full"):
        delivery()


def test_a_try_that_has_not_begun_has_no_connection_to_be_cut(event: OrderEvent) -> None:
    connection.ensure_connection()
    Delivery(event, event.order, order_paid).cut()
    assert connection.is_usable()


def test_a_try_whose_end_was_not_seen_began_when_it_was_leased(event: OrderEvent) -> None:
    event.dispatch_attempts, event.dispatch_error = 1, ""
    for next_at in (None, event.created_at + dispatch.FIRST_LEASE):
        event.next_dispatch_at = next_at
        assert dispatch.began_at(event) == event.created_at
    event.next_dispatch_at = event.created_at + 3 * dispatch.LEASE
    assert dispatch.began_at(event) == event.created_at + 2 * dispatch.LEASE


def test_where_all_hands_are_full_one_is_waited_for_and_at_the_end_all_are(
    event: OrderEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a database with more than one writer."""
    monkeypatch.setattr(crew, "MOST_IN_HAND", 2)
    monkeypatch.setattr(crew, "_A_MOMENT_S", 0.0)
    monkeypatch.setattr(crew, "_has_one_writer", lambda: False)
    may_end, overdue = threading.Event(), list[OrderEvent]()

    def send(_: Delivery) -> bool:
        return may_end.wait(10)

    with Crew(on_overdue=lambda event, _: overdue.append(event)) as hands:
        for _ in range(3):
            if len(crew._in_hand) == 2:
                may_end.set()
            hands.make_room()
            hands.deliver(Delivery(event, event.order, order_paid), send)
    assert (hands.delivered, overdue) == (3, [])


def test_the_thread_of_one_that_has_ended_meanwhile_is_the_next_ones(
    event: OrderEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a database with more than one writer, where a slow one is left to itself."""
    monkeypatch.setattr(crew, "_A_MOMENT_S", 0.0)
    monkeypatch.setattr(crew, "_has_one_writer", lambda: False)
    may_end, threads = threading.Event(), list[threading.Thread]()

    def send(_: Delivery) -> bool:
        threads.append(threading.current_thread())
        return may_end.wait(10)

    with Crew(on_overdue=lambda *_: None) as hands:
        hands.deliver(Delivery(event, event.order, order_paid), send)
        may_end.set()
        (slow,) = hands._waited_for
        assert slow.has_ended(10)
        hands.make_room()
        assert hands.delivered == 1
        hands.deliver(Delivery(event, event.order, order_paid), send)
    assert hands.delivered == 2
    assert threads[0] is threads[1]
    assert not any(
        thread is not threading.main_thread() and thread.is_alive() for thread in threads
    )


def test_where_all_have_been_given_up_no_other_is_called(
    event: OrderEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "MOST_IN_HAND", 0)
    with Crew(on_overdue=lambda *_: None) as hands, pytest.raises(ReceiversHang, match="restart"):
        hands.make_room()
    assert hands.delivered == 0


def test_a_try_that_is_repeated_looks_whether_its_commit_arrived(event: OrderEvent) -> None:
    received: list[int] = []

    def receiver(sender: Any, event: OrderEvent, **kwargs: Any) -> None:
        received.append(event.pk)

    order_paid.connect(receiver)
    try:
        delivery = Delivery(event, event.order, order_paid)
        delivery()
        with pytest.raises(DeliveredAlready):
            delivery()
    finally:
        order_paid.disconnect(receiver)
    assert received == [event.pk]
