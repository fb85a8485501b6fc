"""Receivers that misbehave: what they undid is seen, and they keep no other event waiting."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import Error, IntegrityError, connections, transaction

from django_wxpay import services
from django_wxpay.models import BackgroundJob, Order, OrderEvent
from django_wxpay.services import clock
from django_wxpay.services.transitions import crew, dispatch, orders
from django_wxpay.services.worker.jobs import chosen_jobs
from django_wxpay.services.worker.running import run_job, run_jobs
from django_wxpay.signals import order_paid
from example_project.shop.models import Purchase
from example_project.shop.receivers import pack_the_tea
from tests.races.conftest import new_order
from tests.selling import pay
from tests.tables import ALIAS, atomic, connection
from tests.waiting import until
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.races

LONG_S = 10.0
SQLITE = "sqlite"


@pytest.fixture
def connect(gateway: ScriptedTransport) -> Iterator[Callable[[Any], None]]:
    connected: list[Any] = []
    # The shop's own looks for a purchase, and in MySQL's REPEATABLE READ a look for what is not
    # there locks the gap, and so other receivers out for as long as its transaction is open.
    of_the_shop = {"dispatch_uid": "example_project.shop.pack_the_tea"}
    assert order_paid.disconnect(**of_the_shop)

    def connect(receiver: Any) -> None:
        order_paid.connect(receiver)
        connected.append(receiver)

    yield connect
    order_paid.connect(pack_the_tea, **of_the_shop)
    for receiver in connected:
        order_paid.disconnect(receiver)


def write(order: Order) -> None:
    Purchase.objects.create(tea="paid", title=order.out_trade_no, total_fee=1)


def lines() -> list[str]:
    return sorted(Purchase.objects.values_list("title", flat=True))


def left_over(*numbers: str) -> None:
    """Events of orders that were paid by a process which died at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "after_commit", lambda action: None)
        for number in numbers:
            pay(new_order(out_trade_no=number))
    OrderEvent.objects.update(next_dispatch_at=clock.now())


def event_of(number: str) -> OrderEvent:
    return OrderEvent.objects.get(kind="PAID", order__out_trade_no=number)


# What a receiver undid


def catches_an_integrity_error(order: Order) -> None:
    write(order)
    with contextlib.suppress(IntegrityError):
        Order(merchant="default", out_trade_no=order.out_trade_no, **_COLUMNS).save()


def marks_for_rollback(order: Order) -> None:
    write(order)
    transaction.set_rollback(True, using=ALIAS)


def closes_the_connection(order: Order) -> None:
    write(order)
    connection.close()


def catches_what_ends_a_transaction(order: Order) -> None:
    write(order)
    with contextlib.suppress(Error):
        ENDED_BY[connection.vendor]()
    # On MySQL this stands in a transaction of its own, and would be committed without the rest.
    if connection.vendor == "mysql":
        Purchase.objects.create(tea="paid", title="after", total_fee=1)


def _conflict_rollback() -> None:
    table = Purchase._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT OR ROLLBACK INTO {table} SELECT * FROM {table}")  # noqa: S608


def _aborted() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM there_is_no_such_table")


def _deadlock() -> None:
    """Lock two orders in one order, while another connection locks them in the other."""
    first, second = Order.objects.order_by("id").values_list("pk", flat=True)[:2]
    holds, gone = threading.Event(), threading.Event()

    def other() -> None:
        try:
            with atomic():
                # It has written much, so that the server chooses the receiver to be undone.
                Group.objects.bulk_create([Group(name=str(at)) for at in range(500)])
                Order.objects.select_for_update().get(pk=second)
                holds.set()
                Order.objects.select_for_update().get(pk=first)
                transaction.set_rollback(True, using=ALIAS)
        finally:
            gone.set()
            connection.close()

    Order.objects.select_for_update().get(pk=first)
    threading.Thread(target=other, daemon=True).start()
    assert holds.wait(LONG_S)
    try:
        Order.objects.select_for_update().get(pk=second)
    finally:
        assert gone.wait(LONG_S)


ENDED_BY: dict[str, Callable[[], None]] = {
    "sqlite": _conflict_rollback,
    "postgresql": _aborted,
    "mysql": _deadlock,
}
_COLUMNS: dict[str, Any] = {
    "trade_type": "NATIVE",
    "body": "Tea",
    "total_fee": 1,
    "created_at": clock.now(),
    "updated_at": clock.now(),
}


@pytest.mark.parametrize(
    "does",
    [
        catches_an_integrity_error,
        marks_for_rollback,
        closes_the_connection,
        catches_what_ends_a_transaction,
    ],
)
def test_a_receiver_whose_work_is_undone_is_not_marked_and_shows_its_error(
    does: Callable[[Order], None],
    order: Order,
    connect: Callable[[Any], None],
) -> None:
    new_order(out_trade_no="RACE000002")
    is_mended, calls = threading.Event(), list[str]()

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        calls.append(order.out_trade_no)
        write(order) if is_mended.is_set() else does(order)

    connect(receiver)
    pay(order)
    event = event_of(order.out_trade_no)
    assert (event.dispatched_at, event.dispatch_attempts) == (None, 1)
    assert event.dispatch_error.startswith("WorkUndone: a receiver caught a database error")
    assert "transaction.atomic()" in event.dispatch_error
    assert lines() == []
    assert services.dispatch_events() == 0, "not before its pause is over"

    OrderEvent.objects.update(next_dispatch_at=clock.now())
    assert services.dispatch_events() == 0
    event.refresh_from_db()
    assert event.dispatch_attempts == 2
    assert event.next_dispatch_at is not None
    assert event.next_dispatch_at > clock.now() + timedelta(minutes=3), "the pause grows"
    assert len(calls) == 2

    is_mended.set()
    OrderEvent.objects.update(next_dispatch_at=clock.now())
    assert services.dispatch_events() == 1
    assert lines() == [order.out_trade_no]


def test_a_receiver_that_catches_an_error_inside_a_savepoint_has_done_its_work(
    order: Order,
    connect: Callable[[Any], None],
) -> None:
    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        write(order)
        with contextlib.suppress(IntegrityError), atomic():
            Order(merchant="default", out_trade_no=order.out_trade_no, **_COLUMNS).save()

    connect(receiver)
    pay(order)
    assert event_of(order.out_trade_no).dispatched_at is not None
    assert lines() == [order.out_trade_no]


def test_a_lock_that_a_receiver_did_not_get_undoes_nothing_where_the_server_says_so(
    order: Order,
    connect: Callable[[Any], None],
) -> None:
    """MariaDB answers NOWAIT with the code of a lock time-out, which undoes the statement alone."""

    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        write(order)
        if connection.features.has_select_for_update_nowait:
            with contextlib.suppress(Error), atomic():
                Order.objects.select_for_update(nowait=True).get(pk=other.pk)
                pytest.fail("the lock is held")

    other, held, over = new_order(out_trade_no="RACE000002"), threading.Event(), threading.Event()

    def hold() -> None:
        with atomic():
            Order.objects.select_for_update().get(pk=other.pk)
            held.set()
            # SQLite has no such locks, and one writer.
            over.wait(0 if connection.vendor == SQLITE else LONG_S)
        connection.close()

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert held.wait(LONG_S)
    connect(receiver)
    pay(order)
    over.set()
    holder.join(LONG_S)
    assert event_of(order.out_trade_no).dispatch_error == ""
    assert lines() == [order.out_trade_no]


def test_what_waits_for_the_commit_and_raises_undoes_no_delivery(
    order: Order,
    connect: Callable[[Any], None],
) -> None:
    def receiver(sender: Any, order: Order, **kwargs: Any) -> None:
        write(order)
        transaction.on_commit(_raises, using=ALIAS)

    connect(receiver)
    pay(order)
    event = event_of(order.out_trade_no)
    assert event.dispatched_at is not None
    assert event.dispatch_error == ""
    assert lines() == [order.out_trade_no]


def _raises() -> None:
    raise RuntimeError("the mail was not sent")


# Receivers that hang


class Hanging:
    """A receiver that hangs for the orders named, until it is let go."""

    def __init__(self, *numbers: str) -> None:
        self.numbers = set(numbers)
        self.begun: list[str] = []
        self.is_over = threading.Event()

    def __call__(self, sender: Any, order: Order, **kwargs: Any) -> None:
        self.begun.append(order.out_trade_no)
        hangs = order.out_trade_no in self.numbers
        write(order)
        if hangs:
            self.is_over.wait(LONG_S)


@pytest.fixture
def hanging(connect: Callable[[Any], None]) -> Iterator[Hanging]:
    receiver = Hanging("HANGS00001")
    connect(receiver)
    yield receiver
    receiver.is_over.set()
    until(lambda: not crew._in_hand)


@pytest.fixture
def _soon(gateway: ScriptedTransport, settings: Any) -> None:
    settings.WXPAY = settings.WXPAY | {"RECEIVER_TIMEOUT_S": 0.5}


@pytest.mark.usefixtures("_soon")
def test_a_receiver_that_hangs_keeps_no_other_event_waiting_and_is_counted_and_shown(
    hanging: Hanging,
) -> None:
    left_over("HANGS00001", "RACE000002", "RACE000003")
    (run,) = run_jobs("events")
    done, failing = str(run).split("; failing: ")
    assert done == "events: 2 events delivered, 1 left for later"
    assert failing == "1 event that a receiver refuses"
    assert lines() == ["RACE000002", "RACE000003"]
    hung = event_of("HANGS00001")
    assert (hung.dispatched_at, hung.dispatch_attempts) == (None, 2)
    assert hung.dispatch_error == "NO_END 0.5"
    assert hung.next_dispatch_at is not None
    assert hung.next_dispatch_at > clock.now() + timedelta(minutes=4), "not called again soon"

    # Not a second time in this process, while the first still hangs.
    OrderEvent.objects.update(next_dispatch_at=clock.now())
    assert services.dispatch_events() == 0
    assert hanging.begun.count("HANGS00001") == 1


@pytest.mark.usefixtures("_soon")
def test_a_receiver_that_ends_late_is_delivered_by_its_own_mark(hanging: Hanging) -> None:
    """But on SQLite: there it kept everybody from writing, and what it wrote is undone."""
    left_over("HANGS00001")
    assert services.dispatch_events() == 0
    hanging.is_over.set()
    until(lambda: not crew._in_hand)
    late = event_of("HANGS00001")
    if connection.vendor == SQLITE:
        assert lines() == []
        assert late.dispatched_at is None
        assert "SQLite has one writer" in late.dispatch_error
        OrderEvent.objects.update(next_dispatch_at=clock.now())
        assert services.dispatch_events() == 1
    else:
        assert late.dispatched_at is not None
        assert late.dispatch_error == ""
    assert lines() == ["HANGS00001"]


def test_a_slow_receiver_has_others_beside_it_but_none_of_its_own_order(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_A_MOMENT_S", 0.05)
    left_over("HANGS00001", "RACE000002")
    event = event_of("HANGS00001")
    OrderEvent.objects.create(
        order=event.order,
        kind="PAID",
        from_state="NOTPAY",
        to_state="SUCCESS",
        source="v2.notice",
        created_at=clock.now(),
    )
    if connection.vendor == SQLITE:
        hanging.is_over.set()
    dispatched: list[int] = []
    run = threading.Thread(target=lambda: dispatched.append(_and_close(services.dispatch_events)))
    run.start()
    until(lambda: len(hanging.begun) >= 2)
    assert hanging.begun[:2] == ["HANGS00001", "RACE000002"]
    hanging.is_over.set()
    run.join(LONG_S)
    assert sum(dispatched) + services.dispatch_events() == 3


def _and_close(does: Callable[[], int]) -> int:
    try:
        return does()
    finally:
        connections.close_all()


@pytest.mark.usefixtures("_soon")
def test_too_many_that_hang_fail_the_job_which_says_so_and_recovers(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "MOST_IN_HAND", 2)
    numbers = [f"HANGS0000{at}" for at in range(1, 5)]
    hanging.numbers.update(numbers)
    left_over(*numbers)
    (job,) = chosen_jobs(["events"])
    run = run_job(job)
    assert run.error.startswith("ReceiversHang: 2 receivers have not returned in 0.5 s: ")
    assert len(hanging.begun) == 2
    assert BackgroundJob.objects.get().error == run.error

    hanging.is_over.set()
    until(lambda: not crew._in_hand)
    OrderEvent.objects.update(next_dispatch_at=clock.now())
    assert run_job(job).error == ""
    assert lines() == numbers


def test_what_was_leased_for_longer_than_it_can_be_is_delivered(hanging: Hanging) -> None:
    """A process whose clock was a year ahead had it in hand."""
    left_over("RACE000002")
    OrderEvent.objects.update(next_dispatch_at=clock.now() + timedelta(days=365))
    assert services.dispatch_events() == 1


def test_an_event_that_its_own_transaction_kept_for_longer_than_its_lease_is_leased_anew(
    order: Order, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now
    with atomic():
        pay(order)
        monkeypatch.setattr(clock, "now", lambda: now() + dispatch.FIRST_LEASE)
    event = event_of(order.out_trade_no)
    assert (event.dispatched_at is not None, event.dispatch_attempts) == (True, 2)


def test_two_who_ask_for_it_at_once_have_one_try_between_them(
    hanging: Hanging, gateway: ScriptedTransport
) -> None:
    left_over("RACE000002")
    first, second = event_of("RACE000002"), event_of("RACE000002")
    assert dispatch.dispatch_event(first, first.order) is True
    assert dispatch.dispatch_event(second, second.order) is False
    OrderEvent.objects.update(dispatched_at=None, next_dispatch_at=clock.now() + dispatch.LEASE)
    working = event_of("RACE000002")
    assert dispatch.began_at(working) is not None
    assert dispatch.dispatch_event(working, working.order) is False, "another try goes on"
    assert hanging.begun == ["RACE000002"]
