"""The page on which a customer waits: it may ask, now and then, and is never kept waiting."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import Order
from django_wxpay.services.sync import checking
from tests.services.conftest import new_order
from tests.services.sync.ageing import pass_time
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, refused, standing

pytestmark = pytest.mark.django_db(transaction=True)

QUERY = "/pay/orderquery"


@pytest.fixture
def placed(gateway: ScriptedTransport) -> Order:
    order = new_order()
    services.unified_order(order)
    gateway.answers[QUERY] = standing("NOTPAY")
    gateway.calls.clear()
    return order


def test_an_order_is_asked_for_once_in_ten_seconds_however_often_the_page_asks(
    gateway: ScriptedTransport, placed: Order
) -> None:
    services.check_order(placed)
    assert gateway.paths() == [], "not at once after the placing"
    pass_time(placed, seconds=10)
    for _ in range(5):
        assert services.check_order(placed).trade_state == "NOTPAY"
    assert gateway.paths() == [QUERY]

    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    pass_time(placed, seconds=10)
    assert services.check_order(placed).trade_state == "SUCCESS"
    pass_time(placed, seconds=10)
    assert services.check_order(placed).trade_state == "SUCCESS"
    assert gateway.paths() == [QUERY, QUERY]


def test_the_pause_is_the_callers(gateway: ScriptedTransport, placed: Order) -> None:
    pass_time(placed, seconds=30)
    services.check_order(placed, every_s=60)
    assert gateway.paths() == []
    services.check_order(placed, every_s=1)
    assert gateway.paths() == [QUERY]


@pytest.mark.parametrize("state", ["SUCCESS", "REFUND", "CLOSED", "REVOKED"])
def test_an_order_that_is_over_is_not_asked_for(
    gateway: ScriptedTransport, placed: Order, state: str
) -> None:
    Order.objects.update(trade_state=state)
    pass_time(placed, minutes=1)
    assert services.check_order(placed).trade_state == state
    assert gateway.paths() == []


def test_a_payment_by_code_is_left_to_the_call_that_charges_it(
    gateway: ScriptedTransport, placed: Order
) -> None:
    Order.objects.update(trade_type="MICROPAY", trade_state="USERPAYING")
    pass_time(placed, minutes=1)
    assert services.check_order(placed).trade_state == "USERPAYING"
    assert gateway.paths() == []


def test_an_order_that_was_never_placed_is_not_asked_for(gateway: ScriptedTransport) -> None:
    order = new_order()
    pass_time(order, minutes=1)
    assert services.check_order(order).trade_state == "CREATED"
    assert gateway.paths() == []


@pytest.mark.parametrize("answer", [requests.ReadTimeout("slow"), refused("SIGNERROR"), b"<"])
def test_a_call_that_fails_raises_nothing(
    gateway: ScriptedTransport, placed: Order, answer: Any
) -> None:
    gateway.answers[QUERY] = answer
    pass_time(placed, minutes=1)
    assert services.check_order(placed).trade_state == "NOTPAY"
    assert gateway.paths() == [QUERY]


def test_a_process_that_may_start_no_more_threads_shows_the_order_as_it_is(
    gateway: ScriptedTransport, placed: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    pass_time(placed, minutes=1)
    assert services.check_order(placed).trade_state == "NOTPAY"
    pass_time(placed, minutes=2)
    assert checking.check_order_within(placed, 1.0) is False
    assert gateway.paths() == []


def test_a_page_does_not_wait_for_a_gateway_that_hangs(
    gateway: ScriptedTransport, placed: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "_PAGE_WAITS_S", 0.05)
    let_go, ended = threading.Event(), threading.Event()

    def hang(_sent: Any) -> Any:
        let_go.wait(20)
        ended.set()
        return requests.ReadTimeout("hung")

    gateway.answers[QUERY] = hang
    pass_time(placed, minutes=1)
    assert services.check_order(placed).trade_state == "NOTPAY"
    assert not ended.is_set()
    let_go.set()
    assert ended.wait(20)


def test_it_does_not_change_when_the_sweep_asks(gateway: ScriptedTransport, placed: Order) -> None:
    pass_time(placed, seconds=10)
    before = placed.next_check_at
    services.check_order(placed)
    placed.refresh_from_db()
    assert placed.next_check_at == before


@pytest.mark.parametrize("every_s", [0, -1, 0.5, float("nan"), True])
def test_fewer_than_a_second_is_refused(placed: Order, every_s: Any) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        services.check_order(placed, every_s=every_s)


def test_a_very_long_pause_is_a_day(gateway: ScriptedTransport, placed: Order) -> None:
    pass_time(placed, days=1)
    services.check_order(placed, every_s=float("inf"))
    assert gateway.paths() == [QUERY]


def test_it_refuses_to_run_inside_a_transaction(placed: Order) -> None:
    with atomic(), pytest.raises(InsideTransaction):
        services.check_order(placed)
    assert placed.placed_at is not None
    assert placed.placed_at + timedelta(seconds=5) == Order.objects.get().next_check_at
