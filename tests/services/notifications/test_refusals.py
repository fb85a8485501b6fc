"""Counts of refusals: by merchant, reason and hour, bounded in rows and in writes."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from django_wxpay import services
from django_wxpay.exceptions import (
    ConfigurationError,
    MalformedMessage,
    NotAuthentic,
    OutcomeUnknown,
    UnknownMerchant,
)
from django_wxpay.models import Notification, RefusalCount
from django_wxpay.models.choices import RefusalReasons
from django_wxpay.protocol import v2
from django_wxpay.services import clock
from django_wxpay.services.notifications import receiving, refusals
from django_wxpay.services.notifications.refusals import RefusalCounter, reason_of
from tests.services.conftest import new_order
from tests.tables import atomic, counted
from tests.wechatpay.v2 import API_KEY, payment_notice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_stands_still")]

WRONG = RefusalReasons.WRONG


class Seconds:
    """A clock that counts seconds and goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def counter(seconds: Seconds) -> RefusalCounter:
    return RefusalCounter(seconds=seconds)


def stored() -> dict[tuple[str, str], int]:
    return {(row.merchant, row.reason): row.count for row in RefusalCount.objects.all()}


def notify(body: bytes, merchant: str = "default", **headers: str) -> bool:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return services.receive_notification(merchant, "payment", names, body).accepted


def forged(**fields: Any) -> bytes:
    signed = v2.decode_xml(payment_notice("TEST000001"))
    return v2.encode_xml({**signed, "sign": "A" * 64, **fields})


SIGNED = {
    "Wechatpay_Timestamp": "1",
    "Wechatpay_Nonce": "n",
    "Wechatpay_Serial": "S",
    "Wechatpay_Signature": "x",
}


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (forged(), {}, "WRONG"),
        (b"<xml><a>1</a></xml>", {}, "UNSIGNED"),
        (b"<xml>", {}, "MALFORMED"),
        (b"<xml><a>" + b"x" * 65536 + b"</a></xml>", {}, "TOO_LARGE"),
        (b"{}", {}, "UNSIGNED"),
        (b"{}", SIGNED, "NO_KEYS"),
        (b"", {}, "MALFORMED"),
        (b"<xml><req_info>eA==</req_info></xml>", {}, "NOT_OPENED"),
    ],
)
def test_a_refusal_is_counted_by_its_reason(
    body: bytes, headers: dict[str, str], reason: str
) -> None:
    before = clock.now()
    assert not notify(body, **headers)

    row = RefusalCount.objects.get()
    assert (row.merchant, row.reason, row.count) == ("default", reason, 1)
    assert (row.hour.minute, row.hour.second, row.hour.microsecond) == (0, 0, 0)
    assert row.hour <= before < row.hour + timedelta(hours=1, seconds=5)
    assert row.last_seen_at >= before
    assert Notification.objects.count() == 0


@pytest.mark.parametrize("fault", ["UNSIGNED", "STALE", "PROBE", "UNKNOWN_KEY", "WRONG"])
def test_each_fault_of_a_v3_signature_is_a_reason(fault: str) -> None:
    assert reason_of(NotAuthentic("x", cause=fault), b"{}") == RefusalReasons(fault)


@pytest.mark.parametrize("error", [ConfigurationError("x"), OutcomeUnknown("x")])
def test_what_is_our_own_fault_is_called_that(error: Exception) -> None:
    assert reason_of(error, b"{}") is RefusalReasons.OUR_TROUBLE
    assert reason_of(MalformedMessage("x"), b"{}") is RefusalReasons.MALFORMED


def test_aliases_that_strangers_think_of_share_one_row() -> None:
    for number in range(30):
        with pytest.raises(UnknownMerchant):
            notify(b"", merchant=f"stranger-{number}")
    refusals.refusals._next_at = 0.0
    refusals.refusals.write_if_due()
    assert stored() == {("", "UNKNOWN_MERCHANT"): 30}


def test_settings_that_cannot_be_read_are_counted_for_no_merchant(settings: Any) -> None:
    settings.WXPAY = {**settings.WXPAY, "TIMEOUT": 0}
    assert not notify(b"<xml/>", merchant="anything")
    assert stored() == {("", "OUR_TROUBLE"): 1}


@pytest.mark.parametrize("broken", ["conf", "read"])
def test_any_error_of_ours_is_counted_too(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the file is being replaced")

    if broken == "conf":
        monkeypatch.setattr(receiving.conf, "merchant", fail)
    else:
        monkeypatch.setattr(receiving, "read", fail)
    assert not notify(b"<xml/>")
    assert stored() == {("" if broken == "conf" else "default", "OUR_TROUBLE"): 1}


def test_the_reason_of_every_refusal_has_a_row(seconds: Seconds, counter: RefusalCounter) -> None:
    for reason in RefusalReasons:
        counter.add("default", reason)
    seconds.now += 1
    counter.write_if_due()
    assert stored() == {("default", reason.value): 1 for reason in RefusalReasons}


def test_a_replay_is_no_request_and_is_not_counted(settings: Any) -> None:
    order = new_order()
    assert notify(payment_notice(order.out_trade_no))
    account = {
        **settings.WXPAY["MERCHANTS"]["default"],
        "API_KEY": "Another1another2another3another4",
    }
    settings.WXPAY = {**settings.WXPAY, "MERCHANTS": {"default": account}}
    assert not services.replay_notification(Notification.objects.get()).accepted
    assert stored() == {}


def test_a_flood_is_written_once_a_second(seconds: Seconds, counter: RefusalCounter) -> None:
    with counted() as queries:
        for _ in range(1000):
            counter.add("default", WRONG)
    assert len([one for one in queries if "wxpay_refusalcount" in one["sql"]]) == 3
    assert (stored(), counter.waiting) == ({("default", "WRONG"): 1}, 999)

    seconds.now += 1
    with counted() as queries:
        counter.write_if_due()
    assert len([one for one in queries if "wxpay_refusalcount" in one["sql"]]) == 1
    assert (stored(), counter.waiting) == ({("default", "WRONG"): 1000}, 0)


def test_few_rows_are_written_at_once(seconds: Seconds, counter: RefusalCounter) -> None:
    seconds.now = -1.0
    for number in range(40):
        counter.add(f"shop-{number}", WRONG)
    for expected in (16, 32, 40, 40):
        seconds.now += 1
        counter.write_if_due()
        assert len(stored()) == expected


def test_the_next_notification_writes_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    order = new_order()
    for _ in range(3):
        notify(forged())
    assert stored() == {("default", "WRONG"): 1}
    refusals.refusals._next_at = 0.0
    assert notify(payment_notice(order.out_trade_no))
    assert stored() == {("default", "WRONG"): 3}


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_of_the_callers_nothing_is_written_or_locked(
    counter: RefusalCounter,
) -> None:
    with atomic():
        counter.add("default", WRONG)
    assert (stored(), counter.waiting) == ({}, 1)
    counter.write_if_due()
    assert stored() == {("default", "WRONG"): 1}


@pytest.mark.parametrize("error", [OperationalError("down"), RuntimeError("a driver's own")])
def test_a_database_in_trouble_fails_no_answer_and_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    seconds: Seconds,
    counter: RefusalCounter,
) -> None:
    tries: list[object] = []

    def fail(*args: object) -> None:
        tries.append(args)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(receiving, "refusals", counter)
        patch.setattr(refusals, "_write", fail)
        assert not notify(forged())
        seconds.now += 29
        assert not notify(forged())
        assert (len(tries), counter.waiting) == (1, 2)
    assert API_KEY not in caplog.text
    seconds.now += 1
    counter.write_if_due()
    assert (stored(), counter.waiting) == ({("default", "WRONG"): 2}, 0)


def test_what_was_written_before_the_trouble_is_not_written_again(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds, counter: RefusalCounter
) -> None:
    write = refusals._write
    seconds.now = -1.0
    for alias in ("one", "two", "three"):
        counter.add(alias, WRONG)
    done: list[str] = []

    def fail_second(key: Any, count: Any) -> None:
        if len(done) == 1:
            raise OperationalError("down")
        done.append(key.merchant)
        write(key, count)

    seconds.now = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(refusals, "_write", fail_second)
        counter.write_if_due()
    assert (len(stored()), counter.waiting) == (1, 2)
    seconds.now += 30
    counter.write_if_due()
    assert stored() == {(alias, "WRONG"): 1 for alias in ("one", "two", "three")}


def test_what_waits_is_bounded(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds, counter: RefusalCounter
) -> None:
    monkeypatch.setattr(refusals, "_MOST_KEPT", 3)
    seconds.now = -1.0
    for number in range(10):
        counter.add(f"shop-{number}", WRONG)
        counter.add("shop-0", WRONG)
    assert counter.waiting == 3 + 10


def test_each_hour_has_its_row(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds, counter: RefusalCounter
) -> None:
    for minute in (59, 60, 61):
        moment = datetime(2026, 1, 1, 8, 0, tzinfo=UTC) + timedelta(minutes=minute)
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        seconds.now += 1
        counter.add("default", WRONG)
    assert [(row.hour.hour, row.count) for row in RefusalCount.objects.order_by("hour")] == [
        (8, 1),
        (9, 2),
    ]


def test_another_process_that_begins_the_hour_at_the_same_moment_is_added_to(
    monkeypatch: pytest.MonkeyPatch, counter: RefusalCounter
) -> None:
    create = RefusalCount.objects.bulk_create

    def too_late(rows: list[RefusalCount], **options: Any) -> Any:
        RefusalCount.objects.create(
            hour=rows[0].hour,
            merchant="default",
            reason="WRONG",
            count=5,
            last_seen_at=clock.now(),
        )
        return create(rows, **options)

    monkeypatch.setattr(RefusalCount.objects, "bulk_create", too_late)
    counter.add("default", WRONG)
    assert stored() == {("default", "WRONG"): 6}


def test_any_number_of_threads_lose_no_count(counter: RefusalCounter, seconds: Seconds) -> None:
    # Before it is due, for these threads have no database.
    seconds.now = -1.0

    def add() -> None:
        for _ in range(200):
            counter.add("default", WRONG)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.waiting == 1600
    seconds.now = 1.0
    counter.write_if_due()
    assert stored() == {("default", "WRONG"): 1600}


def test_the_count_since_a_moment_takes_its_whole_hour() -> None:
    now = clock.now()
    for hours in (0, 2, 30):
        row = RefusalCount(
            hour=refusals.start_of_hour(now - timedelta(hours=hours)),
            merchant="default",
            reason="WRONG",
            count=10 + hours,
            last_seen_at=now,
        )
        row.save()
    assert refusals.refused_since(now - timedelta(hours=24)) == 22
    assert refusals.refused_since(now + timedelta(hours=1)) == 0
