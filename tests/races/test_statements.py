"""Statements that are compiled once do what the ORM does, on every database that is here."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connections
from django.db.models import F, Subquery
from django.forms.models import model_to_dict

from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.services.statements import Insert, Select, Slot, Update
from tests.factories import NotificationFactory, OrderEventFactory, OrderFactory
from tests.tables import ALIAS, atomic, connection, counted

pytestmark = pytest.mark.races

AT = datetime(2026, 1, 1, 0, 1, 30, 123456, tzinfo=UTC)
# What only describes is made storable and cut; octets are no text, and texts are any.
ODD: dict[str, Any] = {
    "event_type": "nul \0, half \ud83c, " + "long " * 40,
    "reason_code": "",
    "reason_params": {"nul \0": "half \ud83c"},
    "headers": {"a": ["\0", "茶 🍵", 1, None]},
    "body": b"\xff\xfe\0'\"\\%s%%",
    "out_trade_no": "it's 100%s",
    "transaction_id": "",
    "next_retry_at": None,
    "attempts": 7,
    "created_at": AT,
}


def columns(row: Any) -> dict[str, Any]:
    stored = type(row).objects.get(pk=row.pk)
    values = {each.attname: getattr(stored, each.attname) for each in row._meta.concrete_fields}
    return {name: bytes(v) if isinstance(v, memoryview) else v for name, v in values.items()}


def test_a_row_is_inserted_as_save_does() -> None:
    order = OrderFactory()
    by_save, by_statement = (
        NotificationFactory.build(fingerprint=f"{at}" * 64, order=order, **ODD) for at in (1, 2)
    )
    by_save.save(force_insert=True)
    Insert(Notification).run(by_statement)

    one, other = columns(by_save), columns(by_statement)
    for name in ("id", "fingerprint"):
        assert one.pop(name) != other.pop(name)
    assert one == other
    assert other["event_type"].startswith("nul \N{REPLACEMENT CHARACTER}")
    assert other["body"] == ODD["body"]
    # The row in memory is like one that was saved.
    assert by_statement._state.adding is False
    assert by_statement._state.db == ALIAS
    assert by_statement.event_type == other["event_type"]
    by_statement.reason_code = "UNKNOWN_ORDER"
    by_statement.save()
    assert Notification.objects.count() == 2


def test_a_server_that_returns_no_columns_is_asked_for_the_last_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As MySQL is. PostgreSQL has no other way, so it has its own here."""
    if connection.vendor != "postgresql":
        monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)
    event = OrderEventFactory.build(order=OrderFactory())
    with counted() as queries:
        Insert(OrderEvent).run(event)
    assert ("RETURNING" in queries[0]["sql"]) is (connection.vendor == "postgresql")
    assert event == OrderEvent.objects.get()


def test_an_insert_that_breaks_a_constraint_is_an_integrity_error() -> None:
    event = OrderEventFactory(conflict_key="k" * 64)
    twin = OrderEventFactory.build(order=event.order, conflict_key="k" * 64)
    with pytest.raises(IntegrityError), atomic():
        Insert(OrderEvent).run(twin)
    assert OrderEvent.objects.get() == event


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trade_state_desc", "paid \0" + "x" * 400),
        ("transaction_id", ""),
        ("success_time", AT),
        ("success_time", None),
        ("payer_total", 2**40),
        ("payer_total", None),
        ("coupons", [{"coupon_id": "茶\0", "coupon_fee": 1}]),
        ("coupons", []),
        ("exchange_rate", Decimal("6.50000001")),
        ("body", "100%s % %% 茶 🍵"),
    ],
)
def test_a_column_is_written_as_update_does(name: str, value: Any) -> None:
    rows = OrderFactory(), OrderFactory()
    assert Order.objects.filter(pk=rows[0].pk).update(**{name: value}) == 1
    update = Update(Order.objects.filter(pk=Slot(Order, "id")), **{name: Slot(Order, name)})
    assert update.run(id=rows[1].pk, **{name: value}) == 1

    one, other = (columns(row)[name] for row in rows)
    assert one == other


def test_an_update_writes_what_its_conditions_hold_for_and_counts_it() -> None:
    order = OrderFactory(trade_state="NOTPAY", payer_total=1)
    update = Update(
        Order.objects.filter(pk=Slot(Order, "id"), trade_state=Slot(Order, "trade_state", "seen")),
        trade_state=Slot(Order, "trade_state"),
        payer_total=F("payer_total") + 1,
        err_code="",
        next_check_at=None,
    )
    assert update.run(id=order.pk, seen="CREATED", trade_state="SUCCESS") == 0
    assert update.run(id=order.pk, seen="NOTPAY", trade_state="SUCCESS") == 1
    assert update.run(id=order.pk, seen="NOTPAY", trade_state="CLOSED") == 0
    order.refresh_from_db()
    assert (order.trade_state, order.payer_total) == ("SUCCESS", 2)


def test_a_row_is_read_as_the_query_does() -> None:
    order = OrderFactory(
        out_trade_no="it's 100%s",
        success_time=AT,
        exchange_rate=Decimal("6.5"),
        coupons=[{"coupon_id": "1"}],
        transaction_id="",
        attach="茶 🍵",
    )
    NotificationFactory(fingerprint="f" * 64, outcome="APPLIED")
    same = Notification.objects.filter(fingerprint=Slot(Notification, "fingerprint"))
    select = Select(
        Order.objects.filter(out_trade_no=Slot(Order, "out_trade_no")).annotate(
            outcome=Subquery(same.values("outcome")[:1])
        )
    )
    assert select.run(out_trade_no="another", fingerprint="f" * 64) is None
    with pytest.raises(Order.DoesNotExist):
        select.get(out_trade_no="another", fingerprint="f" * 64)
    found = select.run(out_trade_no=order.out_trade_no, fingerprint="f" * 64)
    assert found is not None
    assert found.annotation("outcome") == "APPLIED"
    row: Any = found.row()
    assert (row, row.outcome, row._state.db) == (order, "APPLIED", ALIAS)
    assert model_to_dict(row) == model_to_dict(Order.objects.get(pk=order.pk))
    assert not row.get_deferred_fields()
    assert select.get(out_trade_no=order.out_trade_no, fingerprint="none").outcome is None


def test_it_is_compiled_once_for_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    order, compiled = OrderFactory(), []
    update = Update(Order.objects.filter(pk=Slot(Order, "id")), attach=Slot(Order, "attach"))
    compile_ = Update.compiled

    def counting(self: Update, there: Any) -> Any:
        compiled.append(there)
        return compile_(self, there)

    monkeypatch.setattr(Update, "compiled", counting)

    def work() -> None:
        for attach in ("a", "b"):
            assert update.run(id=order.pk, attach=attach) == 1
        connections.close_all()

    work()
    # A connection that was closed and opened again is the same one.
    work()
    assert len(compiled) == 1
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(compiled) == 2
    order.refresh_from_db()
    assert order.attach == "b"


def test_it_is_one_query_that_others_see() -> None:
    order = OrderFactory()
    update = Update(Order.objects.filter(pk=Slot(Order, "id")), attach=Slot(Order, "attach"))
    with counted() as queries:
        update.run(id=order.pk, attach="seen")
    assert [each["sql"].split()[0] for each in queries] == ["UPDATE"]
