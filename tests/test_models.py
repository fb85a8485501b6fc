"""Text columns: exact ones keep what they are given, descriptive ones take whatever is said."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DataError

from django_wxpay.models import Notification, Order, OrderEvent, Promotion, Refund
from django_wxpay.models.base import DescriptiveCharField, ExactCharField, ExactTextField, storable
from tests.factories import (
    NotificationFactory,
    OrderEventFactory,
    OrderFactory,
    PromotionFactory,
    RefundFactory,
)
from tests.tables import connection

pytestmark = pytest.mark.django_db

# Half of an emoji, and a character that PostgreSQL takes in no text.
HALF, NUL = "\ud83c", "\0"


@pytest.mark.parametrize(
    ("said", "width", "kept"),
    [
        ("满减 🍵", None, "满减 🍵"),
        ("🍵" * 3, 2, "🍵🍵"),
        (f"a{HALF}b{NUL}c", None, "a\ufffdb\ufffdc"),
        (HALF + "abc", 2, "\ufffda"),
        ("", 5, ""),
    ],
)
def test_what_is_storable_of_a_text(said: str, width: int | None, kept: str) -> None:
    assert storable(said, width) == kept


def test_a_row_in_memory_says_what_the_database_does() -> None:
    promotion: Promotion = PromotionFactory(name=f"{HALF}{NUL}" + "满" * 70)

    assert promotion.name == "\ufffd\ufffd" + "满" * 62
    assert Promotion.objects.get().name == promotion.name


def test_every_way_of_writing_makes_it_storable() -> None:
    order: Order = OrderFactory()
    rows = Order.objects.filter(pk=order.pk)

    rows.update(trade_state_desc=f"x{NUL}" * 200)
    assert rows.get().trade_state_desc == "x\ufffd" * 128
    order.bank_type = HALF * 40
    Order.objects.bulk_update([order], ["bank_type"])
    assert rows.get().bank_type == "\ufffd" * 32
    Promotion.objects.bulk_create([Promotion(order=order, promotion_id="7" * 70, name=NUL)])
    made = Promotion.objects.get()
    assert (made.promotion_id, made.name) == ("7" * 64, "\ufffd")


def test_a_text_within_json_is_made_storable_too() -> None:
    differences: list[Any] = [["attach", f"{HALF}x", 5], [NUL, None, True]]
    event: OrderEvent = OrderEventFactory(detail={f"d{NUL}": differences, "t": (1, "y")})

    stored = OrderEvent.objects.get(pk=event.pk).detail
    assert stored == {"d\ufffd": [["attach", "\ufffdx", 5], ["\ufffd", None, True]], "t": [1, "y"]}


def test_nothing_stays_nothing() -> None:
    notification: Notification = NotificationFactory(event_type="")
    assert Notification.objects.get(pk=notification.pk).event_type == ""
    assert DescriptiveCharField(max_length=5).get_prep_value(None) is None


@pytest.mark.parametrize(
    ("vendor", "is_mariadb", "expected"),
    [
        ("mysql", True, "utf8mb4_nopad_bin"),
        ("mysql", False, "utf8mb4_bin"),
        ("postgresql", False, None),
        ("sqlite", False, None),
        ("oracle", False, None),
    ],
)
@pytest.mark.parametrize("kind", [ExactCharField, DescriptiveCharField, ExactTextField])
def test_case_is_told_apart_where_the_database_would_not(
    kind: Any,
    vendor: str,
    is_mariadb: bool,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    field = kind(max_length=32)
    field.set_attributes_from_name("out_trade_no")
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setattr(connection, "mysql_is_mariadb", is_mariadb, raising=False)

    assert field.db_parameters(connection)["collation"] == expected


@pytest.mark.parametrize(
    "other", ["ABCDEF0001", "abcdef0001 ", "\u00e5bcdef0001", "abcdef00010", "\uff41bcdef0001"]
)
def test_a_number_is_another_one_by_any_of_its_letters(db: None, other: str) -> None:
    order = OrderFactory(out_trade_no="abcdef0001", transaction_id="t", mch_id="m")
    OrderFactory(out_trade_no=other, transaction_id=other[:9] + "t")
    RefundFactory(order=order, out_refund_no="abcdef0001")
    RefundFactory(order=order, out_refund_no=other)

    for model in (Order, Refund):
        name = "out_trade_no" if model is Order else "out_refund_no"
        assert model.objects.filter(**{name: other}).count() == 1
        assert model.objects.filter(**{name: "abcdef0001"}).count() == 1


def test_an_exact_column_changes_nothing() -> None:
    if connection.vendor == "sqlite":
        order = OrderFactory(attach="x" * 200)
        assert Order.objects.get(pk=order.pk).attach == "x" * 200
    else:
        with pytest.raises(DataError):
            OrderFactory(attach="x" * 200)
