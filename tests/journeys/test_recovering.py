"""When news is early, late, doubled, lost or wrong: nobody pays twice, nobody pays in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.gateway.v2 import calls as gateway_v2
from django_wxpay.models import Notification, Order, OrderEvent, Prepay
from django_wxpay.protocol.error_codes import refusal
from django_wxpay.signals import order_paid
from tests.journeys.stage import PACE, Keeper, Stage, new_number, payment_notice


def events(order: Any) -> list[str]:
    return [row.kind for row in OrderEvent.objects.filter(order=order["id"]).order_by("id")]


def test_a_lost_notification_is_found_by_asking(stage: Stage, told: list[Any]) -> None:
    order = stage.clerk.placed()
    stage.wechat.inject("lost")
    stage.wechat.pay(order)
    stage.wechat.advance(86_400)
    assert stage.clerk.show(order)["trade_state"] == "NOTPAY"
    assert (stage.wechat.deliveries(), told) == ([], [])

    asked = stage.clerk.query(order).json()
    assert (asked["trade_state"], asked["payment"]["cash_fee"]) == ("SUCCESS", 1250)
    assert told == [("paid", order["out_trade_no"])]
    assert OrderEvent.objects.get(kind="PAID").source == "v2.orderquery"


def test_fifty_copies_at_once_are_one_payment_and_fifty_successes(
    stage: Stage,
    told: list[Any],
) -> None:
    order = stage.clerk.placed()
    stage.wechat.inject("concurrent", count=50)
    stage.wechat.pay(order)

    deliveries = stage.wechat.deliveries()
    assert [(row["status"], row["accepted"]) for row in deliveries] == [(200, True)] * 50
    assert len({row["body"] for row in deliveries}) == 1
    assert events(order) == ["MOVED", "PAID"]
    assert told == [("paid", order["out_trade_no"])]
    (notification,) = stage.clerk.notifications(order)
    assert (notification["outcome"], notification["attempts"]) == ("APPLIED", 50)


def test_a_notification_that_comes_after_the_query_adds_nothing(
    stage: Stage,
    told: list[Any],
) -> None:
    order = stage.clerk.placed()
    stage.wechat.inject("late", seconds=60)
    stage.wechat.pay(order)
    assert stage.clerk.query(order).json()["trade_state"] == "SUCCESS"
    stage.wechat.advance(60)

    assert [row["accepted"] for row in stage.wechat.deliveries()] == [True]
    assert events(order) == ["MOVED", "PAID"]
    assert told == [("paid", order["out_trade_no"])]


def test_a_wrong_amount_pays_nothing_is_acknowledged_and_stands_where_people_look(
    stage: Stage,
    keeper: Keeper,
    told: list[Any],
) -> None:
    order = stage.clerk.placed()
    stage.wechat.inject("wrong_amount")
    stage.wechat.pay(order)

    assert [row["accepted"] for row in stage.wechat.deliveries()] == [True]
    shown = stage.clerk.show(order)
    assert (shown["trade_state"], shown["payment"], shown["transaction_id"]) == ("NOTPAY", None, "")
    assert told == [("conflicted", order["out_trade_no"])]
    (notification,) = stage.clerk.notifications(order)
    assert notification["outcome"] == "CONFLICT"
    assert notification["reason"] == "total_fee: expected 1250, received 1251"
    event = OrderEvent.objects.get(kind="CONFLICTED")
    for path in (
        f"order/{order['id']}/change/",
        f"orderevent/{event.pk}/change/",
        f"notification/{notification['id']}/change/",
    ):
        page = keeper.reads(f"django_wxpay/{path}")
        assert "expected 12.50 CNY, received 12.51 CNY" in page

    # What WeChat Pay says when asked is the truth, and is right.
    assert stage.clerk.query(order).json()["trade_state"] == "SUCCESS"
    assert told[1:] == [("paid", order["out_trade_no"])]


def test_news_of_an_order_we_do_not_know_waits_for_it(stage: Stage, told: list[Any]) -> None:
    number = new_number()
    early = stage.notify(payment_notice(number))
    assert early.status_code == 200
    assert b"FAIL" in early.content
    again = stage.notify(payment_notice(number))
    assert b"FAIL" in again.content
    notification = Notification.objects.get()
    assert (notification.outcome, notification.order, notification.attempts) == ("FAILED", None, 2)

    order = services.create_order(
        trade_type="NATIVE", body="Tea", total_fee=1250, product_id="TEA-1", out_trade_no=number
    )
    assert order.trade_state == "SUCCESS"
    assert told == [("paid", number)]
    assert b"SUCCESS" in stage.notify(payment_notice(number)).content
    assert Notification.objects.get().outcome == "APPLIED"
    refused = stage.clerk.place(out_trade_no=number)
    assert (refused.status_code, refused.json()["err_code"]) == (422, "ORDERPAID")
    assert stage.wechat.calls("unifiedorder") == []


def test_an_order_placed_unheard_is_the_same_order_when_asked_for_again(stage: Stage) -> None:
    number = new_number()
    stage.wechat.inject("answered_after_timeout", operation="unifiedorder", seconds=20 * PACE)
    with stage.in_a_hurry():
        lost = stage.clerk.place(out_trade_no=number)
    assert (lost.status_code, lost.json()["code"]) == (504, "outcome_unknown")
    assert lost.json()["out_trade_no"] == number
    assert stage.wechat.trade(number)["trade_state"] == "NOTPAY"
    kept = stage.clerk.show(lost.json())
    assert (kept["trade_state"], kept["prepay"]) == ("CREATED", None)

    again = stage.clerk.place(out_trade_no=number)
    assert (again.status_code, again.json()["id"]) == (200, lost.json()["id"])
    assert len(stage.wechat.trades(number)) == 1
    assert Prepay.objects.count() == 1
    stage.wechat.phone(again.json()["prepay"]["code_url"]).press_pay()
    stage.wechat.let_arrive()
    assert stage.clerk.show(lost.json())["trade_state"] == "SUCCESS"


def test_a_customer_who_paid_what_we_never_heard_of_is_found_by_asking_again(
    stage: Stage,
) -> None:
    number = new_number()
    stage.wechat.inject("reset_after", operation="unifiedorder")
    stage.wechat.inject("lost")
    assert stage.clerk.place(out_trade_no=number).status_code == 504
    stage.wechat.pay({"mch_id": "1900000109", "out_trade_no": number})

    again = stage.clerk.place(out_trade_no=number)
    assert (again.status_code, again.json()["err_code"]) == (422, "ORDERPAID")
    shown = stage.clerk.find(number)
    assert (shown["trade_state"], shown["payment"]["cash_fee"]) == ("SUCCESS", 1250)


def test_a_refused_order_stays_with_its_refusal_and_can_be_asked_for_again(
    stage: Stage,
    keeper: Keeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = new_number()
    with monkeypatch.context() as patch:
        patch.setattr(gateway_v2, "read_envelope", _no_right)
        refused = stage.clerk.place(out_trade_no=number)
    assert (refused.status_code, refused.json()["err_code"]) == (422, "NOAUTH")
    assert refused.json()["kind"] == "NOAUTH"
    assert refused.json()["advice"]
    assert len(stage.wechat.calls("unifiedorder")) == 1
    assert stage.clerk.find(number)["trade_state"] == "CREATED"
    address = f"django_wxpay/order/{refused.json()['id']}/change/"
    page = keeper.reads(address)
    assert "The last refusal" in page
    assert "NOAUTH" in page

    assert stage.clerk.place(out_trade_no=number).status_code == 200
    assert "The last refusal" not in keeper.reads(address)


def _no_right(*_: object, **__: object) -> None:
    raise refusal("NOAUTH", "no right to do this")


def test_a_busy_gateway_is_asked_once_more_and_the_customer_notices_nothing(stage: Stage) -> None:
    stage.wechat.inject("systemerror", operation="unifiedorder")
    number = new_number()
    placed = stage.clerk.place(out_trade_no=number)
    assert (placed.status_code, placed.json()["trade_state"]) == (201, "NOTPAY")
    assert len(stage.wechat.calls("unifiedorder")) == 2
    assert len(stage.wechat.trades(number)) == 1


def test_a_gateway_that_stays_busy_leaves_the_order_to_be_asked_for_again(stage: Stage) -> None:
    stage.wechat.inject("systemerror", operation="unifiedorder", times=2)
    number = new_number()
    busy = stage.clerk.place(out_trade_no=number)
    assert (busy.status_code, busy.json()["code"]) == (504, "outcome_unknown")
    assert len(stage.wechat.calls("unifiedorder")) == 2
    assert stage.clerk.find(number)["trade_state"] == "CREATED"

    again = stage.clerk.place(out_trade_no=number)
    assert (again.status_code, again.json()["id"]) == (200, busy.json()["id"])
    assert len(stage.wechat.trades(number)) == 1


def test_two_orders_paid_at_the_same_moment_do_not_touch_each_other(
    stage: Stage,
    told: list[Any],
) -> None:
    def buy(number: str) -> dict[str, Any]:
        order = stage.clerk.placed(out_trade_no=number)
        stage.wechat.phone(order["prepay"]["code_url"]).press_pay()
        return order

    numbers = [new_number() for _ in range(6)]
    with ThreadPoolExecutor(6) as customers:
        orders = list(customers.map(buy, numbers))
    stage.wechat.let_arrive()

    for order in orders:
        shown = stage.clerk.show(order)
        trade = stage.wechat.trade(order["out_trade_no"])
        assert shown["trade_state"] == "SUCCESS"
        assert shown["transaction_id"] == trade["transaction_id"]
        assert events(order) == ["MOVED", "PAID"]
    assert sorted(told) == sorted(("paid", number) for number in numbers)


def test_a_receiver_that_raises_costs_no_payment_is_seen_and_is_told_again(
    stage: Stage,
    keeper: Keeper,
    told: list[Any],
    connected: Callable[[Any], None],
) -> None:
    stock = iter([ValueError("the stock is gone"), None])

    def pack(sender: Any, order: Order, **kwargs: Any) -> None:
        if trouble := next(stock):
            raise trouble

    connected(pack)
    order = stage.clerk.placed()
    stage.wechat.pay(order)

    assert [row["accepted"] for row in stage.wechat.deliveries()] == [True]
    assert stage.clerk.show(order)["trade_state"] == "SUCCESS"
    event = OrderEvent.objects.get(kind="PAID")
    assert (event.dispatched_at, event.dispatch_error) == (None, "ValueError: the stock is gone")
    assert "the stock is gone" in keeper.reads(f"django_wxpay/orderevent/{event.pk}/change/")
    assert services.dispatch_events() == 0, "not before its pause is over"

    OrderEvent.objects.update(next_dispatch_at=None)
    assert services.dispatch_events() == 1
    event.refresh_from_db()
    assert event.dispatched_at is not None
    assert (event.dispatch_attempts, event.dispatch_error) == (2, "")


def test_a_notification_can_be_replayed_by_a_clerk_and_moves_nothing_twice(
    stage: Stage,
    told: list[Any],
) -> None:
    order = stage.clerk.placed()
    stage.wechat.pay(order)
    (notification,) = stage.clerk.notifications(order)
    replayed = stage.clerk.post(f"notifications/{notification['id']}/replay/")

    assert (replayed.status_code, replayed.json()["outcome"]) == (200, "APPLIED")
    assert "<total_fee>1250</total_fee>" in replayed.json()["body"]
    assert "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" not in replayed.json()["body"]
    assert events(order) == ["MOVED", "PAID"]
    assert told == [("paid", order["out_trade_no"])]


@pytest.fixture
def connected() -> Iterator[Callable[[Any], None]]:
    """Connect receivers of order_paid for one story."""
    receivers: list[Any] = []

    def connect(receiver: Any) -> None:
        receivers.append(receiver)
        order_paid.connect(receiver)

    yield connect
    for receiver in receivers:
        order_paid.disconnect(receiver)
