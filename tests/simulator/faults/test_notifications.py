"""Every fault of a notification, seen from the shop."""

from __future__ import annotations

import threading

import pytest

from django_wxpay.protocol import v2
from django_wxpay.simulator import Options, Reply, Simulator, create_app
from tests.simulator.calling import (
    ACKNOWLEDGED,
    KEY,
    MCH_ID,
    NOT_ACKNOWLEDGED,
    NUMBER,
    Merchant,
    Shop,
)

OTHER = "T20260101000002"


@pytest.fixture(autouse=True)
def orders(merchant: Merchant) -> None:
    merchant.place()
    merchant.place(out_trade_no=OTHER)


def numbers(shop: Shop) -> list[str]:
    return [message["out_trade_no"] for message in shop.received]


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [
        ("wrong_amount", "total_fee", "101"),
        ("wrong_currency", "fee_type", "USD"),
        ("wrong_mch_id", "mch_id", "1900009999"),
        ("wrong_appid", "appid", "wx9999999999999999"),
        ("extra_field", "new_field_from_wechat", "x"),
    ],
)
def test_a_signed_notification_that_is_not_as_expected(
    app: Simulator, shop: Shop, fault: str, name: str, value: str
) -> None:
    app.inject(fault, operation="notify")
    shop.answers = [Reply(200, NOT_ACKNOWLEDGED)]
    app.pay(MCH_ID, NUMBER)
    app.advance(15)
    first, second = shop.received
    assert first[name] == value
    assert second.get(name) != value
    assert v2.verify(first, KEY)
    assert v2.verify(second, KEY)
    assert [row["fault"] for row in app.ledger()["notifications"]] == [fault, ""]


def test_a_wrong_currency_is_wrong_for_dollars_too(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    merchant.place(out_trade_no="T20260101000003", fee_type="USD")
    app.inject("wrong_currency")
    app.pay(MCH_ID, "T20260101000003")
    assert shop.received[0]["fee_type"] == "EUR"


@pytest.mark.parametrize("fault", ["bad_signature", "unsigned", "hmac_answer"])
def test_a_notification_without_a_valid_signature(app: Simulator, shop: Shop, fault: str) -> None:
    app.inject(fault, operation="notify")
    app.pay(MCH_ID, NUMBER)
    assert not v2.verify(shop.received[0], KEY, "MD5")


def test_a_notification_with_a_doctype(app: Simulator, shop: Shop) -> None:
    app.inject("doctype", operation="notify")
    app.pay(MCH_ID, NUMBER)
    assert shop.bodies[0].startswith(b"<!DOCTYPE xml [<!ENTITY")


def test_duplicates_come_one_after_the_other(app: Simulator, shop: Shop) -> None:
    app.inject("duplicate", count=3)
    app.pay(MCH_ID, NUMBER)
    assert numbers(shop) == [NUMBER] * 3
    assert len({message["nonce_str"] for message in shop.received}) == 3
    assert len({message["transaction_id"] for message in shop.received}) == 1
    assert app.ledger()["trades"][0]["notification"] == "accepted"


def test_one_acknowledged_duplicate_is_enough(app: Simulator, shop: Shop) -> None:
    app.inject("duplicate")
    shop.answers = [Reply(200, ACKNOWLEDGED), Reply(500, b"")]
    app.pay(MCH_ID, NUMBER)
    assert app.advance(86_400) == 0
    assert len(shop.received) == 2


def test_only_the_first_try_is_duplicated(app: Simulator, shop: Shop) -> None:
    app.inject("duplicate")
    shop.answers = [Reply(200, NOT_ACKNOWLEDGED)] * 2
    app.pay(MCH_ID, NUMBER)
    app.advance(86_400)
    assert len(shop.received) == 3


def test_concurrent_notifications_are_the_same_bytes(app: Simulator, shop: Shop) -> None:
    app.inject("concurrent")
    app.pay(MCH_ID, NUMBER)
    assert len(shop.bodies) == 50
    assert len(set(shop.bodies)) == 1


def test_concurrent_notifications_are_under_way_at_once() -> None:
    together = threading.Barrier(8, timeout=10)

    def meet(*_: object) -> Reply:
        together.wait()
        return Reply(200, ACKNOWLEDGED)

    app = create_app(deliver=meet, options=Options(live=True))
    Merchant(app).place()
    app.inject("concurrent", count=8)
    app.pay(MCH_ID, NUMBER)
    app.advance(0.001)
    assert [row["accepted"] for row in app.ledger()["notifications"]] == [True] * 8


def test_a_late_notification(app: Simulator, shop: Shop) -> None:
    app.inject("late", seconds=40)
    app.pay(MCH_ID, NUMBER)
    app.advance(39)
    assert shop.received == []
    app.advance(1)
    assert numbers(shop) == [NUMBER]


def test_a_lost_notification(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    app.inject("lost")
    assert app.pay(MCH_ID, NUMBER)["notification"] == "lost"
    app.advance(10 * 86_400)
    assert shop.received == []
    assert merchant.state() == "SUCCESS"


def test_a_reordered_notification_comes_after_the_next(app: Simulator, shop: Shop) -> None:
    app.inject("reordered")
    app.pay(MCH_ID, NUMBER)
    assert shop.received == []
    app.pay(MCH_ID, OTHER)
    assert numbers(shop) == [OTHER, NUMBER]


def test_a_reordered_notification_does_not_wait_for_ever(app: Simulator, shop: Shop) -> None:
    app.inject("reordered")
    app.pay(MCH_ID, NUMBER)
    app.advance(60)
    assert numbers(shop) == [NUMBER]


def test_faults_of_timing_and_of_content_add_up(app: Simulator, shop: Shop) -> None:
    app.inject("duplicate")
    app.inject("wrong_amount", times=1)
    app.pay(MCH_ID, NUMBER)
    assert [message["total_fee"] for message in shop.received] == ["101", "101"]


def test_a_fault_of_calls_leaves_notifications_alone(app: Simulator, shop: Shop) -> None:
    app.inject("bad_signature", operation="orderquery")
    app.inject("http_500")
    app.pay(MCH_ID, NUMBER)
    assert v2.verify(shop.received[0], KEY)
    assert [fault["fault"] for fault in app.inject("slow")["waiting"]] == [
        "bad_signature",
        "http_500",
        "slow",
    ]


def test_faults_can_be_called_off(app: Simulator, shop: Shop) -> None:
    app.inject("lost")
    app.clear_faults()
    app.pay(MCH_ID, NUMBER)
    assert numbers(shop) == [NUMBER]
