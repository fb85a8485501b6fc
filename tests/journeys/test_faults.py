"""Whatever the simulator can do wrong, at every operation: safe now, right in the end.

The list of faults is asked of the simulator itself, so a fault that is added there is
tried here without being named.
"""

from __future__ import annotations

from typing import Final

import pytest

from django_wxpay.models import ApiReport, Notification, OrderEvent
from tests.journeys.catalogue import Row, faults_at, strike
from tests.journeys.stage import Stage, new_number

OPERATIONS: Final = ("unifiedorder", "orderquery", "closeorder", "notify")
HONEST_ERRORS: Final = frozenset({422, 502, 504})
PAID_ELSEWHERE: Final = frozenset({"ORDERPAID"})


CATALOGUE: Final = {name: faults_at(name) for name in OPERATIONS}


def at(operation: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", CATALOGUE[operation], ids=lambda row: row["fault"])


def test_the_catalogue_is_the_one_the_issue_asks_for() -> None:
    named = {row["fault"] for rows in CATALOGUE.values() for row in rows}
    assert named >= {"slow", "reset", "answered_after_timeout", "http_502", "html", "bad_signature"}
    assert named >= {"systemerror", "duplicate", "late", "lost", "reordered", "wrong_amount"}
    assert min(len(rows) for rows in CATALOGUE.values()) >= 8


@at("unifiedorder")
def test_placing_survives(stage: Stage, fault: Row) -> None:
    strike(stage, fault["fault"], "unifiedorder")
    number = new_number()
    with stage.in_a_hurry():
        first = stage.clerk.place(out_trade_no=number)
    stage.wechat.let_arrive()

    assert first.status_code == 201 or first.status_code in HONEST_ERRORS, first.text
    order = first.json()
    assert order["out_trade_no"] == number
    assert stage.clerk.show(order)["id"] == order["id"]
    assert {trade["trade_state"] for trade in stage.wechat.trades(number)} <= {"NOTPAY", "SUCCESS"}

    again = stage.clerk.place(out_trade_no=number)
    if again.status_code == 422:
        assert again.json()["err_code"] in PAID_ELSEWHERE
    else:
        assert again.status_code == 200, again.text
        assert again.json()["id"] == order["id"]
        assert again.json()["trade_state"] == "NOTPAY"
        assert again.json()["payment"] is None
        stage.wechat.phone(again.json()["prepay"]["code_url"]).press_pay()
        stage.wechat.let_arrive()
    assert_paid_once(stage, order)


@pytest.mark.long
@at("orderquery")
def test_asking_survives_takes_nothing_unpaid_for_paid_and_finds_the_payment_in_the_end(
    stage: Stage,
    fault: Row,
) -> None:
    order = stage.clerk.placed()
    strike(stage, fault["fault"], "orderquery")
    with stage.in_a_hurry():
        unpaid = stage.clerk.query(order)

    assert unpaid.status_code == 200 or unpaid.status_code in HONEST_ERRORS, unpaid.text
    assert stage.clerk.show(order)["trade_state"] == "NOTPAY"
    assert [event.kind for event in OrderEvent.objects.all()] == ["MOVED"]

    stage.wechat.inject("lost")
    stage.wechat.pay(order)
    strike(stage, fault["fault"], "orderquery")
    with stage.in_a_hurry():
        paid = stage.clerk.query(order)
    believed = paid.status_code == 200
    assert believed or paid.status_code in HONEST_ERRORS, paid.text
    assert stage.clerk.show(order)["trade_state"] == ("SUCCESS" if believed else "NOTPAY")

    assert stage.clerk.query(order).status_code == 200
    assert_paid_once(stage, order)


@pytest.mark.long
@at("closeorder")
def test_closing_survives_and_closes_in_the_end(stage: Stage, fault: Row) -> None:
    order = stage.clerk.placed()
    strike(stage, fault["fault"], "closeorder")
    with stage.in_a_hurry():
        closed = stage.clerk.close(order)

    believed = closed.status_code == 200
    assert believed or closed.status_code in HONEST_ERRORS, closed.text
    assert stage.clerk.show(order)["trade_state"] == ("CLOSED" if believed else "NOTPAY")

    again = stage.clerk.close(order)
    assert (again.status_code, again.json()["trade_state"]) == (200, "CLOSED")
    assert stage.wechat.trade(order["out_trade_no"])["trade_state"] == "CLOSED"
    assert [event.kind for event in OrderEvent.objects.order_by("id")] == ["MOVED", "CLOSED"]
    assert "Order closed" in stage.wechat.phone(order["prepay"]["code_url"]).shows()


@at("notify")
def test_being_told_survives(stage: Stage, fault: Row) -> None:
    strike(stage, fault["fault"], "notify")
    order = stage.clerk.placed()
    stage.wechat.let_arrive()
    if stage.clerk.show(order)["trade_state"] == "NOTPAY":
        stage.wechat.pay(order)

    assert {row["status"] for row in stage.wechat.deliveries()} <= {200}
    believed = [row for row in stage.wechat.deliveries() if row["accepted"]]
    kinds = OrderEvent.objects.exclude(kind="MOVED").values_list("kind", flat=True)
    shown = stage.clerk.show(order)
    assert shown["trade_state"] == ("SUCCESS" if "PAID" in kinds else "NOTPAY")
    # Acknowledged means written down: as a payment, or as a contradiction to be seen.
    assert Notification.objects.exclude(outcome="FAILED").count() == (1 if believed else 0)
    assert len(kinds) == (1 if believed else 0)

    stage.wechat.advance(120)
    stage.clerk.query(order)
    assert_paid_once(stage, order)


def assert_paid_once(stage: Stage, order: Row) -> None:
    """One trade at WeChat Pay, one payment here, told once, and every call on record."""
    trade = stage.wechat.trade(order["out_trade_no"])
    shown = stage.clerk.show(order)
    assert (trade["trade_state"], shown["trade_state"]) == ("SUCCESS", "SUCCESS")
    assert shown["transaction_id"] == trade["transaction_id"]
    assert shown["payment"]["cash_fee"] == shown["total_fee"] == trade["total_fee"] == 1250
    event = OrderEvent.objects.get(kind="PAID")
    assert (event.dispatched_at is not None, event.dispatch_attempts) == (True, 1)
    assert ApiReport.objects.count() == len(stage.wechat.ledger()["requests"])
