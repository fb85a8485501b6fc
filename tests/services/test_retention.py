"""Retention: by age and by table, and nothing by which something is decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

import pytest
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase

from django_wxpay import models, services
from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import (
    ApiReport,
    HourlyLatency,
    Notification,
    Order,
    OrderEvent,
    Prepay,
    Refund,
    ReportBacklog,
)
from django_wxpay.protocol import v2
from django_wxpay.services import clock, retention
from django_wxpay.services.latency.rollup import roll_up
from django_wxpay.services.retention import RETENTIONS, prune
from django_wxpay.signals import notification_received, order_conflicted, order_paid
from tests.factories import (
    ApiReportFactory,
    NotificationFactory,
    OrderEventFactory,
    OrderFactory,
    PlatformCertificateFactory,
    PrepayFactory,
    RefundFactory,
    RefusalCountFactory,
)
from tests.services.conftest import new_order
from tests.tables import atomic, connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, MCH_ID, payment_notice

pytestmark = pytest.mark.django_db

EVERY = {"Notification": 7, "OrderEvent": 7, "Prepay": 7, "HourlyLatency": 7, "RefusalCount": 7}
# Kept for 90 days where the settings do not name them.
REFUSALS = {"hours of refusals": 0}
ROWS = [
    "calls",
    "notifications",
    "order events",
    "prepays",
    "hours of latency",
    "hours of backlog",
    "hours of refusals",
]


@pytest.fixture(autouse=True)
def a_week(settings: Any) -> None:
    settings.WXPAY = {
        **settings.WXPAY,
        "API_REPORT_RETENTION_DAYS": 7,
        "RETENTION_DAYS": EVERY,
    }


def ago(days: float) -> Any:
    return clock.now() - timedelta(days=days)


def call(days: float, **fields: Any) -> ApiReport:
    made: ApiReport = ApiReportFactory(created_at=ago(days), **fields)
    return made


def left(model: Any = ApiReport) -> set[int]:
    return set(model.objects.values_list("pk", flat=True))


def pruned(**counts: int) -> dict[str, int]:
    return dict.fromkeys(ROWS, 0) | {name.replace("_", " "): n for name, n in counts.items()}


def test_calls_that_are_too_old_and_counted_go_and_their_hours_stay(settings: Any) -> None:
    settings.WXPAY = {**settings.WXPAY, "RETENTION_DAYS": {}}
    call(7.01)
    call(30, report_status="SENT")
    young = call(6.99)
    roll_up()
    counted = HourlyLatency.objects.count()
    assert prune() == {"calls": 2} | REFUSALS
    assert left() == {young.pk}
    assert HourlyLatency.objects.count() == counted
    assert prune() == {"calls": 0} | REFUSALS


def test_a_call_that_no_hour_counts_stays_however_old() -> None:
    row = call(400)
    assert prune() == pruned()
    assert left() == {row.pk}


def test_the_oldest_go_first_and_no_more_of_a_table_than_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    rows = [call(days, is_rolled_up=True) for days in (10, 12, 11, 13)]
    prepays = [PrepayFactory(created_at=ago(d), expires_at=ago(d)) for d in (12, 10, 11, 13)]
    assert prune(limit=3) == pruned(calls=3, prepays=3)
    assert left() == {rows[0].pk}
    assert left(Prepay) == {prepays[1].pk}


def test_it_stops_between_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    for days in range(10, 15):
        call(days, is_rolled_up=True)
    PrepayFactory(created_at=ago(30), expires_at=ago(30))
    answers = iter([False, *[True] * len(ROWS)])
    assert prune(stop=lambda: next(answers)) == pruned(calls=2)
    assert len(left()) == 3
    assert len(left(Prepay)) == 1


def test_it_does_not_run_inside_a_transaction() -> None:
    with atomic(), pytest.raises(InsideTransaction, match="prune"):
        prune()


def everything(days: float) -> dict[str, Any]:
    """Make one row of each kind that may go, of that age."""
    at = ago(days)
    order = OrderFactory(paid=True, created_at=at)
    notification = NotificationFactory(order=order, created_at=at, updated_at=at)
    return {
        "order": order,
        "call": call(days, is_rolled_up=True),
        "notification": notification,
        "event": OrderEventFactory(order=order, created_at=at, notification=notification),
        "moved": OrderEventFactory(order=order, created_at=at, kind="MOVED"),
        "refunded": OrderEventFactory(refunded=True, order=order, created_at=at),
        "prepay": PrepayFactory(order=order, created_at=at, expires_at=at + timedelta(hours=2)),
        "hour": HourlyLatency.objects.create(merchant="default", hour=at),
        "backlog": ReportBacklog.objects.create(hour=at),
        "refusals": RefusalCountFactory(hour=at),
    }


def test_of_every_table_what_is_old_goes_and_what_is_young_stays() -> None:
    everything(7.2)
    young = everything(6.9)
    assert prune() == pruned(
        calls=1,
        notifications=1,
        order_events=3,
        prepays=1,
        hours_of_latency=1,
        hours_of_backlog=1,
        hours_of_refusals=1,
    )
    for row in young.values():
        row.refresh_from_db()
    assert (Order.objects.count(), Refund.objects.count()) == (2, 2)
    assert prune() == pruned()


def test_rows_are_kept_for_good_unless_the_settings_say_otherwise(settings: Any) -> None:
    settings.WXPAY = {
        **{k: v for k, v in settings.WXPAY.items() if "RETENTION" not in k},
        "RETENTION_DAYS": {"Notification": None, "RefusalCount": None},
    }
    old = everything(36_000)
    assert prune() == {"calls": 1}
    for name, row in old.items():
        if name != "call":
            row.refresh_from_db()


def test_what_is_not_decided_delivered_or_settled_stays_however_old() -> None:
    old = ago(400)
    failed = NotificationFactory(unknown=True, created_at=old, updated_at=old)
    repeated = NotificationFactory(created_at=old, updated_at=ago(1))
    kept = [
        failed,
        repeated,
        OrderEventFactory(created_at=old, dispatched_at=None, dispatch_attempts=0),
        OrderEventFactory(created_at=old, untold=True),
        OrderEventFactory(created_at=old, kind="CLOSED", dispatched_at=None),
        OrderEventFactory(created_at=old, dispatched_at=ago(1)),
        OrderEventFactory(created_at=old, conflict=True),
        waits := OrderEventFactory(
            created_at=old,
            received=True,
            dispatched_at=None,
            notification__created_at=old,
            notification__updated_at=old,
        ),
        waits.notification,
        PrepayFactory(created_at=old, expires_at=clock.now() + timedelta(hours=1)),
        OrderFactory(created_at=old),
        RefundFactory(created_at=old, paid_back=True),
        PlatformCertificateFactory(created_at=old, expire_time=ago(100)),
    ]
    assert prune() == pruned()
    for row in kept:
        row.refresh_from_db()


def test_counts_of_refusals_go_after_ninety_days_unless_the_settings_say_otherwise(
    settings: Any,
) -> None:
    settings.WXPAY = {**settings.WXPAY, "RETENTION_DAYS": {}}
    RefusalCountFactory(hour=ago(90.1))
    young = RefusalCountFactory(hour=ago(89.9))
    assert prune()["hours of refusals"] == 1
    assert left(models.RefusalCount) == {young.pk}


def test_an_event_keeps_its_place_without_the_notification_that_it_came_with(
    settings: Any,
) -> None:
    settings.WXPAY = {**settings.WXPAY, "RETENTION_DAYS": {"Notification": 7}}
    rows = everything(8)
    assert prune() == {"calls": 1, "notifications": 1} | REFUSALS
    rows["event"].refresh_from_db()
    assert rows["event"].notification is None
    assert rows["event"].order == rows["order"]
    assert left(Notification) == set()


def test_the_event_of_another_products_notification_goes_with_it(settings: Any) -> None:
    settings.WXPAY = {**settings.WXPAY, "RETENTION_DAYS": {"Notification": 7}}
    event = OrderEventFactory(
        received=True, notification__created_at=ago(8), notification__updated_at=ago(8)
    )
    young = OrderEventFactory(received=True, notification__created_at=ago(1))
    assert event.dispatched_at is not None
    assert prune() == {"calls": 0, "notifications": 1} | REFUSALS
    assert left(OrderEvent) == {young.pk}
    assert left(Notification) == {young.notification.pk}


def test_an_event_of_v2_is_handed_over_once_however_late_its_message_comes_again(
    gateway: ScriptedTransport,
) -> None:
    received: list[str] = []

    def receiver(event_type: str, **_: Any) -> None:
        received.append(event_type)

    fields = {"mch_id": MCH_ID, "contract_code": "C1", "contract_id": "20", "change_type": "ADD"}
    body = v2.encode_xml(fields | {"sign": v2.sign(fields, API_KEY)})
    notification_received.connect(receiver)
    try:
        for _ in range(3):
            assert services.receive_notification("default", "payment", {}, body).accepted
            age(31)
            prune()
    finally:
        notification_received.disconnect(receiver)
    assert received == ["CONTRACT.ADD"]
    assert Notification.objects.get().attempts == 3
    assert left(OrderEvent) == set(), "its event goes by its own retention"


def test_what_stays_is_passed_over_once_in_a_run_and_not_for_each_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 1)
    stays = OrderEventFactory(
        received=True,
        dispatched_at=None,
        notification__created_at=ago(30),
        notification__updated_at=ago(30),
    ).notification
    for days in (20, 19, 18):
        NotificationFactory(created_at=ago(days), updated_at=ago(days))
    with CaptureQueriesContext(connection) as queries:
        assert prune()["notifications"] == 3
    table = Notification._meta.db_table
    looks = [q["sql"] for q in queries if "LIMIT 1" in q["sql"] and f'FROM "{table}"' in q["sql"]]
    first, *later = [sql for sql in looks if "ORDER BY" in sql]
    assert '"created_at" >=' not in first
    assert len(later) == 3
    assert all('"created_at" >=' in sql for sql in later)
    assert left(Notification) == {stays.pk}


def test_every_table_is_one_of_the_settings_and_no_money_is_in_it() -> None:
    assert [each.rows for each in RETENTIONS] == ROWS
    assert {each.setting for each in RETENTIONS} == {*EVERY, "ApiReport"}
    tables = {each.older(clock.now()).model for each in RETENTIONS}
    assert tables & {models.Order, models.Refund, models.Promotion} == set()


class Shop:
    """A context manager that notes every signal that is sent meanwhile."""

    def __init__(self) -> None:
        self.paid: list[str] = []
        self.conflicted: list[str] = []

    def __enter__(self) -> Self:
        order_paid.connect(self.pay)
        order_conflicted.connect(self.conflict)
        return self

    def __exit__(self, *_: object) -> None:
        order_paid.disconnect(self.pay)
        order_conflicted.disconnect(self.conflict)

    def pay(self, order: Order, **_: Any) -> None:
        self.paid.append(order.out_trade_no)

    def conflict(self, order: Order, **_: Any) -> None:
        self.conflicted.append(order.out_trade_no)


def age(days: int) -> None:
    """Let time pass for every row."""
    by = timedelta(days=days)
    for row in Notification.objects.all():
        Notification.objects.filter(pk=row.pk).update(
            created_at=row.created_at - by, updated_at=row.updated_at - by
        )
    for event in OrderEvent.objects.exclude(dispatched_at=None):
        OrderEvent.objects.filter(pk=event.pk).update(dispatched_at=event.dispatched_at - by)


@pytest.mark.parametrize("total_fee", [None, 1], ids=["a payment", "a contradiction"])
def test_a_notification_that_comes_again_after_its_row_is_gone_applies_nothing_twice(
    gateway: ScriptedTransport, settings: Any, total_fee: int | None
) -> None:
    settings.WXPAY = {**settings.WXPAY, "RETENTION_DAYS": EVERY}
    order = new_order()
    changed = {} if total_fee is None else {"total_fee": total_fee}
    body = payment_notice(order.out_trade_no, **changed)
    with Shop() as shop:
        for _ in range(3):
            assert services.receive_notification("default", "payment", {}, body).accepted
            assert Notification.objects.count() == 1
            age(8)
            assert prune()["notifications"] == 1

    order.refresh_from_db()
    number = [order.out_trade_no]
    assert (shop.paid, shop.conflicted) == ((number, []) if total_fee is None else ([], number))
    assert OrderEvent.objects.filter(kind="CONFLICTED").count() == len(shop.conflicted)
    assert order.trade_state == ("SUCCESS" if total_fee is None else "CREATED")


class AnySequence(TransactionTestCase):
    """A history of any length, with pruning at any moment of it."""

    databases = "__all__"

    @given(steps=st.lists(st.sampled_from(["paid", "wrong", "prune"]), max_size=12))
    def test_pruning_changes_nothing_of_what_a_shop_is_told(self, steps: list[str]) -> None:
        for model in (OrderEvent, Notification, models.Promotion, Order):
            model.objects.all().delete()
        order = new_order()
        with Shop() as shop:
            for step in steps:
                self._take(step, order)
        assert len(shop.paid) == ("paid" in steps)
        assert len(shop.conflicted) == ("wrong" in steps)

    def _take(self, step: str, order: Order) -> None:
        if step == "prune":
            age(400)
            with self.settings(WXPAY=_with(RETENTION_DAYS=EVERY)):
                prune()
            return
        changed = {"total_fee": 1} if step == "wrong" else {}
        body = payment_notice(order.out_trade_no, **changed)
        services.receive_notification("default", "payment", {}, body)


def _with(**changes: Any) -> dict[str, Any]:
    from django.conf import settings

    return {**settings.WXPAY, **changes}
