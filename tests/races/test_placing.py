"""Many who want the same QR code at the same moment: one call, one prepay, for everybody."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import OutcomeUnknown, Refused
from django_wxpay.models import Order, Prepay
from django_wxpay.services.orders import placing
from tests.races.conftest import new_order
from tests.races.running import Meeting, at_once
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import granted, refused

pytestmark = pytest.mark.races


@pytest.fixture
def order(gateway: ScriptedTransport) -> Order:
    return new_order(out_trade_no="RACE000001")


def place(order: Order) -> Prepay:
    return services.unified_order(Order.objects.get(pk=order.pk))


def test_ten_who_found_no_prepay_get_the_same_one_from_one_call(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meeting = Meeting(10)
    monkeypatch.setattr(placing, "live_prepay", meeting.after(placing.live_prepay))
    outcomes = at_once(*[lambda: place(order)] * 10)

    assert meeting.met == 10
    prepay = Prepay.objects.get()
    assert outcomes == [prepay] * 10
    assert gateway.paths() == ["/pay/unifiedorder"]
    order.refresh_from_db()
    assert (order.trade_state, order.placing_until) == ("NOTPAY", None)
    assert [event.to_state for event in order.events.all()] == ["NOTPAY"]


def test_whoever_looked_just_before_another_was_done_gets_that_prepay(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lease = placing._lease

    def lease_too_late(*args: Any) -> Any:
        monkeypatch.setattr(placing, "_lease", lease)
        at_once(lambda: place(order))
        return lease(*args)

    monkeypatch.setattr(placing, "_lease", lease_too_late)

    assert place(order) == Prepay.objects.get()
    assert gateway.paths() == ["/pay/unifiedorder"]


def test_whoever_waited_for_a_call_that_failed_makes_one_of_its_own(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock, calls = threading.Lock(), []

    def reset_once(sent: dict[str, str]) -> Any:
        with lock:
            calls.append(sent)
            return ConnectionResetError() if len(calls) == 1 else granted(sent)

    gateway.answers["/pay/unifiedorder"] = reset_once
    meeting = Meeting(4)
    monkeypatch.setattr(placing, "live_prepay", meeting.after(placing.live_prepay))
    outcomes = at_once(*[lambda: place(order)] * 4)

    assert meeting.met == 4
    prepay = Prepay.objects.get()
    assert len([each for each in outcomes if isinstance(each, OutcomeUnknown)]) == 1
    assert [each for each in outcomes if not isinstance(each, OutcomeUnknown)] == [prepay] * 3
    assert len(calls) == 2


def test_a_refusal_is_each_callers_own(gateway: ScriptedTransport, order: Order) -> None:
    gateway.answers["/pay/unifiedorder"] = refused("NOTENOUGH")
    outcomes = at_once(*[lambda: place(order)] * 3)

    assert [type(each) for each in outcomes] == [Refused] * 3
    order.refresh_from_db()
    assert (order.trade_state, order.err_code) == ("CREATED", "NOTENOUGH")
    assert order.placing_until is None
    assert Prepay.objects.count() == 0


def test_two_orders_are_placed_at_the_same_moment_and_neither_waits(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    other = new_order(out_trade_no="RACE000002")
    both_are_on_the_wire = threading.Barrier(2)

    def together(sent: Mapping[str, str]) -> dict[str, str]:
        both_are_on_the_wire.wait(10)
        return granted(sent) | {"prepay_id": f"wx-{sent['out_trade_no']}"}

    gateway.answers["/pay/unifiedorder"] = together
    outcomes = at_once(lambda: place(order), lambda: place(other))

    assert [each.prepay_id for each in outcomes if isinstance(each, Prepay)] == [
        "wx-RACE000001",
        "wx-RACE000002",
    ]


def test_a_checkout_pressed_twice_is_one_order_and_one_prepay(gateway: ScriptedTransport) -> None:
    fields = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 100, "product_id": "P1"}
    outcomes: list[Any] = at_once(
        *[lambda: services.checkout(**fields, out_trade_no="RACE000009")] * 5
    )

    assert {each.prepay.pk for each in outcomes} == {Prepay.objects.get().pk}
    assert Order.objects.count() == 1
    assert gateway.paths() == ["/pay/unifiedorder"]
