"""Merchants side by side: each with its own threads, so that one that hangs holds up no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import connections

from django_wxpay import services
from django_wxpay.models import Order
from django_wxpay.services import clock
from django_wxpay.services.sync import sweep
from tests.services.conftest import new_order
from tests.services.sync.ageing import pass_time
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import standing

pytestmark = pytest.mark.django_db(transaction=True)

QUERY = "/pay/orderquery"
# Waited for only by a test that is about to fail.
LONGEST_S = 20


def run_apart(runs: list[services.SyncRun]) -> None:
    """Run the sweep on a thread of the test's own, which has connections that nobody closes."""
    try:
        runs.append(services.sync_orders())
    finally:
        connections.close_all()


def due(count: int, merchant: str = "default") -> list[Order]:
    """Return so many placed orders of ``merchant`` whose check is due."""
    orders = [
        new_order(merchant=merchant, out_trade_no=f"{merchant[:9]}{at:010d}") for at in range(count)
    ]
    now = clock.now()
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(
        trade_state="NOTPAY",
        placed_at=now - timedelta(seconds=10),
        next_check_at=now - timedelta(seconds=5),
    )
    return orders


@pytest.fixture
def hung(gateway: ScriptedTransport) -> Iterator[threading.Event]:
    """Let every query of the default merchant hang until the event is set."""
    let_go = threading.Event()

    def hang(sent: dict[str, str]) -> Any:
        if sent["mch_id"] == "1900000109":
            let_go.wait(LONGEST_S)
            return requests.ReadTimeout("hung")
        return standing("NOTPAY")

    gateway.answers[QUERY] = hang
    yield let_go
    let_go.set()


def test_a_merchant_that_hangs_holds_up_no_other(
    gateway: ScriptedTransport, hung: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "_LOOK_EVERY_S", 0.01)
    due(5)
    others = due(20, "institution")
    runs: list[services.SyncRun] = []
    thread = threading.Thread(target=run_apart, args=(runs,), daemon=True)
    thread.start()
    late = None
    while Order.objects.filter(merchant="institution", next_check_at__lte=clock.now()).exists():
        assert thread.is_alive()
    assert not runs, "the run still waits for the one that hangs"
    # What becomes due meanwhile does not wait, either.
    late = others[0]
    Order.objects.filter(pk=late.pk).update(next_check_at=clock.now())
    while Order.objects.filter(pk=late.pk, next_check_at__lte=clock.now()).exists():
        assert thread.is_alive()
    hung.set()
    thread.join(LONGEST_S)
    assert runs == [services.SyncRun(found=26, settled=21, unanswered={"default": 2})]


def test_a_merchant_without_an_answer_is_left_alone_after_two_and_its_orders_stay_due(
    gateway: ScriptedTransport,
) -> None:
    due(30)
    gateway.answers[QUERY] = requests.ConnectTimeout("down")
    run = services.sync_orders()
    assert run == services.SyncRun(found=30, settled=0, unanswered={"default": 2})
    assert len(gateway.calls) == 2
    assert Order.objects.filter(next_check_at__lte=clock.now()).count() == 28


def test_one_silence_among_answers_is_chance(gateway: ScriptedTransport) -> None:
    due(12)
    silent = iter([True])
    gateway.answers[QUERY] = lambda _sent: (
        requests.ReadTimeout("slow") if next(silent, False) else standing("NOTPAY")
    )
    run = services.sync_orders()
    assert run == services.SyncRun(found=12, settled=11, unanswered={"default": 1})


def test_as_many_queries_of_a_merchant_are_on_the_wire_as_it_has_threads(
    gateway: ScriptedTransport,
) -> None:
    most = sweep.MOST_THREADS
    orders = due(30)
    lock, on_the_wire, peak = threading.Lock(), 0, 0
    full = threading.Event()

    def count(_sent: Any) -> Any:
        nonlocal on_the_wire, peak
        with lock:
            on_the_wire += 1
            peak = max(peak, on_the_wire)
            if on_the_wire >= most:
                full.set()
            is_early = len(gateway.calls) < most
        # The first ones are answered at once, by which the merchant earns its threads.
        assert is_early or full.wait(LONGEST_S)
        with lock:
            on_the_wire -= 1
        return standing("NOTPAY")

    gateway.answers[QUERY] = count
    assert services.sync_orders() == services.SyncRun(found=30, settled=30)
    assert peak == most
    asked = [sent["out_trade_no"] for _, sent in gateway.calls]
    assert sorted(asked) == sorted(order.out_trade_no for order in orders), "each once"


def test_one_merchant_is_swept_alone(gateway: ScriptedTransport) -> None:
    due(2)
    due(3, "institution")
    gateway.answers[QUERY] = standing("NOTPAY")
    run = services.sync_orders(merchant="institution")
    assert run == services.SyncRun(found=3, settled=3)
    assert {sent["mch_id"] for _, sent in gateway.calls} == {"1900000100"}
    assert services.sync_orders(merchant="") == services.SyncRun(found=0, settled=0)


def test_a_run_takes_no_more_than_its_limit_and_the_longest_due_first(
    gateway: ScriptedTransport,
) -> None:
    first, _, third = due(3)
    pass_time(third, minutes=2)
    pass_time(first, minutes=1)
    gateway.answers[QUERY] = standing("NOTPAY")
    assert services.sync_orders(limit=2) == services.SyncRun(found=2, settled=2)
    asked = [sent["out_trade_no"] for _, sent in gateway.calls]
    assert asked == [third.out_trade_no, first.out_trade_no]


def test_more_orders_than_are_looked_up_at_once_are_swept_in_one_run(
    gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "_BATCH", 4)
    due(11)
    gateway.answers[QUERY] = standing("NOTPAY")
    assert services.sync_orders() == services.SyncRun(found=11, settled=11)
    assert len(gateway.calls) == 11


def test_a_run_that_is_to_stop_makes_no_further_call(gateway: ScriptedTransport) -> None:
    due(10)
    asked = threading.Event()

    def answer(_sent: Any) -> Any:
        asked.set()
        return standing("NOTPAY")

    gateway.answers[QUERY] = answer
    run = services.sync_orders(stop=asked.is_set)
    assert run == services.SyncRun(found=10, settled=1)
    assert len(gateway.calls) == 1


def test_a_run_that_is_to_stop_does_not_wait_for_one_that_hangs(
    hung: threading.Event, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "_STOP_WITHIN_S", 0.05)
    monkeypatch.setattr(sweep, "_LOOK_EVERY_S", 0.01)
    due(3)
    run = services.sync_orders(stop=lambda: bool(gateway.calls))
    assert run == services.SyncRun(found=3, settled=0)
    assert not hung.is_set()


def test_two_sweeps_at_once_ask_for_each_order_once(gateway: ScriptedTransport) -> None:
    due(20)
    gateway.answers[QUERY] = standing("NOTPAY")
    runs: list[services.SyncRun] = []
    threads = [threading.Thread(target=run_apart, args=(runs,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONGEST_S)
    assert sum(run.settled for run in runs) == 20
    assert len(gateway.calls) == 20
    assert len({sent["out_trade_no"] for _, sent in gateway.calls}) == 20


@pytest.mark.django_db(transaction=False)
def test_in_a_test_that_is_rolled_back_the_sweep_runs_where_it_is_called(
    gateway: ScriptedTransport,
) -> None:
    due(5)
    gateway.answers[QUERY] = standing("NOTPAY")
    assert services.sync_orders() == services.SyncRun(found=5, settled=5)


# --- clocks


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_whose_clock_is_wrong_by_an_hour_keeps_to_the_schedule(
    gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    is_due, is_not = due(2)
    soon = clock.now() + timedelta(seconds=20)
    Order.objects.filter(pk=is_not.pk).update(next_check_at=soon)
    gateway.answers[QUERY] = standing("NOTPAY")
    now = clock.now
    with monkeypatch.context() as wrong:
        wrong.setattr(clock, "now", lambda: now() + timedelta(hours=hours))
        assert services.sync_orders() == services.SyncRun(found=1, settled=1)
    is_due.refresh_from_db()
    assert is_due.placed_at is not None
    assert is_due.next_check_at == is_due.placed_at + timedelta(seconds=30)


def test_what_a_dead_worker_has_claimed_is_due_again_after_five_minutes(
    gateway: ScriptedTransport,
) -> None:
    class Killed(BaseException):
        """Stands for a kill: nothing of ours catches it."""

    (order,) = due(1)
    gateway.answers[QUERY] = lambda _sent: (_ for _ in ()).throw(Killed())
    with pytest.raises(Killed):
        services.sync_orders()
    gateway.answers[QUERY] = standing("NOTPAY")
    assert services.sync_orders() == services.SyncRun(found=0, settled=0)
    pass_time(order, minutes=5)
    assert services.sync_orders() == services.SyncRun(found=1, settled=1)
