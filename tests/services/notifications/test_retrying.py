"""Notifications that failed are retried after growing pauses, and not for ever."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from django_wxpay import services
from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import Notification, Order
from django_wxpay.protocol.notices import Notice
from django_wxpay.services import clock
from django_wxpay.services.claims import Batch
from django_wxpay.services.notifications import processing, receiving, retrying
from django_wxpay.services.notifications.deliveries import Delivery
from tests.factories import OrderFactory
from tests.services.conftest import new_order
from tests.tables import atomic, connection
from tests.wechatpay.v2 import payment_notice

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(clock, "now", made)
    return made


@pytest.fixture
def retried(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The order numbers of the notifications that were retried."""
    seen: list[str] = []
    replay = retrying.replay_notification

    def look(notification: Notification) -> Any:
        seen.append(notification.out_trade_no)
        return replay(notification)

    monkeypatch.setattr(retrying, "replay_notification", look)
    return seen


def unsettled(number: str = "TEST000001") -> Notification:
    """A notification of an order that nobody knows."""
    body = payment_notice(number)
    assert not services.receive_notification("default", "payment", {}, body).accepted
    return Notification.objects.get(out_trade_no=number)


def restored(number: str = "TEST000001") -> Order:
    """An order that came back by another way than ``create_order``, such as from a backup."""
    return OrderFactory(created=True, total_fee=100, out_trade_no=number)


def test_what_failed_is_settled_once_its_cause_is_gone(now: Clock, retried: list[str]) -> None:
    unsettled()
    order = restored()
    assert services.retry_notifications() == 1

    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    row = Notification.objects.get()
    assert (row.outcome, row.retries, row.attempts) == ("APPLIED", 1, 1)
    assert (row.next_retry_at, row.order) == (None, order)
    now.time += timedelta(days=1)
    assert services.retry_notifications() == 0
    assert retried == ["TEST000001"]


@pytest.mark.parametrize("who", ["worker", "wechat pay"])
def test_what_is_settled_has_no_next_try_whoever_settled_it(
    now: Clock,
    retried: list[str],
    who: str,
) -> None:
    unsettled()
    services.retry_notifications()
    assert Notification.objects.get().next_retry_at == now.time + 2 * MINUTE
    restored()
    now.time += 2 * MINUTE
    if who == "worker":
        assert services.retry_notifications() == 1
    else:
        body = payment_notice("TEST000001", nonce_str="another")
        assert services.receive_notification("default", "payment", {}, body).accepted

    row = Notification.objects.get()
    assert (row.outcome, row.next_retry_at) == ("APPLIED", None)
    assert len(retried) == row.retries == (2 if who == "worker" else 1)


def test_pauses_double_up_to_six_hours(now: Clock, retried: list[str]) -> None:
    unsettled()
    pauses = []
    for tries in range(1, 13):
        assert retrying.retry_failed(limit=10) == Batch(found=1, done=0)
        row = Notification.objects.get()
        assert (row.outcome, row.retries, row.attempts) == ("FAILED", tries, 1)
        assert row.next_retry_at is not None
        pauses.append((row.next_retry_at - now.time) // MINUTE)
        now.time = row.next_retry_at - timedelta(seconds=1)
        assert retrying.retry_failed(limit=10) == Batch(found=0, done=0), "not before it is due"
        now.time = row.next_retry_at

    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360, 360]
    assert len(retried) == 12


def test_after_thirty_days_it_is_given_up_and_a_person_may_still_replay_it(
    now: Clock,
    retried: list[str],
) -> None:
    row = unsettled()
    now.time += timedelta(days=30) - MINUTE
    services.retry_notifications()
    row.refresh_from_db()
    assert row.next_retry_at == now.time + 2 * MINUTE

    now.time += 2 * MINUTE
    services.retry_notifications()
    row.refresh_from_db()
    assert (row.outcome, row.retries, row.next_retry_at) == ("FAILED", 2, None)
    now.time += timedelta(days=30)
    assert services.retry_notifications() == 0
    assert len(retried) == 2

    restored()
    assert services.replay_notification(row).accepted
    assert Order.objects.get().trade_state == "SUCCESS"


def test_one_that_is_old_when_a_worker_first_sees_it_is_tried_once(
    now: Clock,
    retried: list[str],
) -> None:
    unsettled()
    restored()
    now.time += timedelta(days=300)
    assert services.retry_notifications() == 1
    assert Order.objects.get().trade_state == "SUCCESS"


def test_those_due_longest_come_first_and_no_more_than_asked(
    now: Clock,
    retried: list[str],
) -> None:
    for number, minutes in (("TEST000001", 1), ("TEST000002", 3), ("TEST000003", 2)):
        row = unsettled(number)
        row.next_retry_at, row.retries = NOW - minutes * MINUTE, 1
        row.save()
    unsettled("TEST000004")
    later = unsettled("TEST000005")
    later.next_retry_at = NOW + MINUTE
    later.save()

    assert retrying.retry_failed(limit=3) == Batch(found=3, done=0)
    assert retried == ["TEST000004", "TEST000002", "TEST000003"]
    assert retrying.retry_failed(limit=3) == Batch(found=1, done=0)


def test_stopped_it_ends_between_two(now: Clock, retried: list[str]) -> None:
    for number in range(3):
        unsettled(f"TEST00000{number}")
    assert services.retry_notifications(stop=lambda: bool(retried)) == 0
    assert retried == ["TEST000000"]
    assert Notification.objects.filter(retries=0).count() == 2


def test_what_is_decided_is_never_retried(order: Order, retried: list[str]) -> None:
    assert services.receive_notification(
        "default", "payment", {}, payment_notice(order.out_trade_no)
    ).accepted
    Notification.objects.update(next_retry_at=NOW)
    assert services.retry_notifications() == 0
    assert retried == []


def test_one_that_another_worker_claims_at_the_same_moment_is_left_to_it(
    now: Clock,
    retried: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unsettled()
    claim = retrying._claim

    def too_late(notification: Notification, **how: bool) -> bool:
        assert claim(notification, **how)
        return claim(notification, **how)

    monkeypatch.setattr(retrying, "_claim", too_late)
    assert retrying.retry_failed(limit=10) == Batch(found=1, done=0)
    assert retried == []
    assert Notification.objects.get().retries == 1


@pytest.mark.undisturbed
def test_one_that_is_settled_by_wechat_pays_own_repetition_is_left_alone(
    now: Clock,
    retried: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unsettled()
    claim = retrying._claim

    def overtaken(notification: Notification, **how: bool) -> bool:
        restored()
        body = payment_notice("TEST000001", nonce_str="another")
        assert services.receive_notification("default", "payment", {}, body).accepted
        return claim(notification, **how)

    monkeypatch.setattr(retrying, "_claim", overtaken)
    assert services.retry_notifications() == 0
    assert retried == []
    row = Notification.objects.get()
    assert (row.outcome, row.attempts, row.retries) == ("APPLIED", 2, 0)


def test_our_own_trouble_with_one_does_not_stop_the_next(
    now: Clock,
    retried: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in ("TEST000001", "TEST000002"):
        unsettled(number)
        restored(number)
    settle = processing.apply_trade_fact

    def broken_for_one(order: Order, *args: Any, **kwargs: Any) -> Any:
        if order.out_trade_no == "TEST000001":
            raise RuntimeError("a bug")
        return settle(order, *args, **kwargs)

    monkeypatch.setattr(processing, "apply_trade_fact", broken_for_one)
    assert services.retry_notifications() == 1
    outcomes = dict(Notification.objects.values_list("out_trade_no", "outcome"))
    assert outcomes == {"TEST000001": "FAILED", "TEST000002": "APPLIED"}
    broken = Notification.objects.get(outcome="FAILED")
    assert "RuntimeError" in broken.reason
    assert broken.next_retry_at == NOW + 2 * MINUTE


def test_one_in_whose_reading_there_is_a_bug_says_so_and_the_next_has_its_turn(
    now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = unsettled("TEST000001")
    unsettled("TEST000002")
    restored("TEST000002")
    _unreadable_for(first, monkeypatch)
    assert services.retry_notifications() == 1
    first.refresh_from_db()
    assert (first.outcome, first.retries) == ("FAILED", 1)
    assert "RuntimeError" in first.reason


def test_a_bug_in_reading_what_waits_for_an_order_stops_no_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = unsettled("TEST000001")
    _unreadable_for(waiting, monkeypatch)
    order = new_order(out_trade_no="TEST000001")
    assert order.trade_state == "CREATED"
    waiting.refresh_from_db()
    assert "RuntimeError" in waiting.reason


def _unreadable_for(row: Notification, monkeypatch: pytest.MonkeyPatch) -> None:
    read = receiving.read

    def broken_for_one(delivery: Delivery) -> Notice:
        if delivery.is_replayed and delivery.body == bytes(row.body):
            raise RuntimeError("a bug")
        return read(delivery)

    monkeypatch.setattr(receiving, "read", broken_for_one)


@pytest.mark.parametrize("trouble", ["merchant gone", "database", "driver"])
def test_one_that_cannot_even_be_read_waits_and_the_next_has_its_turn(
    now: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    first = unsettled("TEST000001")
    unsettled("TEST000002")
    restored("TEST000002")
    if trouble == "merchant gone":
        Notification.objects.filter(pk=first.pk).update(merchant="gone")
    else:
        replay = retrying.replay_notification

        def down_for_one(notification: Notification) -> Any:
            if notification.pk == first.pk:
                raise DatabaseError("down") if trouble == "database" else OSError("down")
            return replay(notification)

        monkeypatch.setattr(retrying, "replay_notification", down_for_one)
    with caplog.at_level(logging.WARNING, logger="django_wxpay.notifications"):
        assert services.retry_notifications() == 1
    assert f"notification {first.pk} was not retried" in caplog.text
    first.refresh_from_db()
    assert (first.outcome, first.retries) == ("FAILED", 1)
    assert first.next_retry_at == NOW + 2 * MINUTE


def test_a_person_who_asks_waits_for_no_pause_and_gets_the_given_up_ones_too(
    now: Clock,
    retried: list[str],
) -> None:
    pausing, given_up = unsettled("TEST000001"), unsettled("TEST000002")
    Notification.objects.filter(pk=pausing.pk).update(
        retries=3, next_retry_at=NOW + timedelta(hours=1)
    )
    Notification.objects.filter(pk=given_up.pk).update(retries=9)
    restored("TEST000001")
    restored("TEST000002")

    assert services.retry_notifications() == 0
    assert retrying.retry_failed(limit=1, is_due_only=False) == Batch(found=1, done=1)
    assert retrying.retry_failed(limit=5, is_due_only=False) == Batch(found=1, done=1)
    assert retried == ["TEST000001", "TEST000002"]


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_run_inside_a_transaction() -> None:
    with atomic(), pytest.raises(InsideTransaction):
        services.retry_notifications()


@pytest.mark.parametrize("name", ["_never_tried", "_tried_and_due"])
def test_what_is_due_is_a_range_of_an_index_however_many_were_given_up(name: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("this plan is SQLite's")
    plan = getattr(retrying, name)()[:100].explain()
    assert "USING INDEX wxpay_notification_retry (outcome=? AND next_retry_at" in plan
