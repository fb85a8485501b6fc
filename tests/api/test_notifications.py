"""Notifications over HTTP: shown without anything private, and judged again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent
from tests.api.conftest import API, NATIVE
from tests.factories import OPENID, NotificationFactory
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import payment_notice

pytestmark = pytest.mark.django_db

KEYS = [
    "id",
    "merchant",
    "kind",
    "api",
    "event_id",
    "event_type",
    "out_trade_no",
    "transaction_id",
    "order",
    "outcome",
    "reason",
    "reason_code",
    "attempts",
    "created_at",
    "updated_at",
]


def test_a_notification_is_listed_without_and_shown_with_its_redacted_body(
    as_holder: Callable[..., APIClient],
) -> None:
    clerk = as_holder("view_notification")
    made = NotificationFactory()
    listed = clerk.get(f"{API}/notifications/").json()["results"]
    shown = clerk.get(f"{API}/notifications/{made.pk}/").json()
    assert [list(row) for row in listed] == [KEYS]
    assert list(shown) == [*KEYS, "body"]
    assert shown["order"] == made.order_id
    assert shown["attempts"] == 1
    assert made.out_trade_no in shown["body"]
    assert OPENID not in shown["body"]
    assert "5EC2E7" not in shown["body"]


def test_a_v3_notice_is_shown_as_its_envelope_without_what_is_sealed(
    as_holder: Callable[..., APIClient],
) -> None:
    clerk = as_holder("view_notification")
    made = NotificationFactory(v3=True)
    shown = clerk.get(f"{API}/notifications/{made.pk}/").json()
    assert (shown["api"], shown["event_type"]) == ("v3", "TRANSACTION.SUCCESS")
    assert shown["event_id"] == made.event_id
    envelope = json.loads(shown["body"])
    assert envelope["id"] == made.event_id
    assert envelope["event_type"] == "TRANSACTION.SUCCESS"
    assert envelope["create_time"] == "2026-01-01T16:01:30+08:00"
    assert envelope["resource"]["algorithm"] == "AEAD_AES_256_GCM"
    assert envelope["resource"]["ciphertext"] == "…"
    assert "5EC2E7" not in shown["body"]


def test_notifications_are_filtered_exactly(as_holder: Callable[..., APIClient]) -> None:
    clerk = as_holder("view_notification")
    applied, failed = NotificationFactory(), NotificationFactory(unknown=True, merchant="other")
    other = NotificationFactory(other=True)
    for name, value, expected in [
        ("outcome", "FAILED", failed),
        ("merchant", "other", failed),
        ("out_trade_no", applied.out_trade_no, applied),
        ("transaction_id", applied.transaction_id, applied),
        ("event_type", "COMPLAINT.CREATE", other),
    ]:
        results = clerk.get(f"{API}/notifications/", {name: value}).json()["results"]
        assert [row["id"] for row in results] == [expected.pk]
    assert clerk.get(f"{API}/notifications/?outcome=LOST").status_code == 400


def test_a_replay_judges_the_stored_bytes_again(
    as_holder: Callable[..., APIClient],
    gateway: ScriptedTransport,
) -> None:
    clerk = as_holder("change_notification", "add_order")
    body = payment_notice("shop-000001")
    assert not services.receive_notification("default", "payment", {}, body).accepted
    stored = Notification.objects.get()
    missing = clerk.post(f"{API}/notifications/{stored.pk}/replay/")
    assert missing.status_code == 200
    assert (missing.json()["outcome"], missing.json()["reason"]) == ("FAILED", "no such order")
    Order.objects.bulk_create([_placed("shop-000001")])
    found = clerk.post(f"{API}/notifications/{stored.pk}/replay/")
    assert found.status_code == 200
    assert found.json()["outcome"] == "APPLIED"
    assert found.json()["order"] == Order.objects.get().pk
    assert Order.objects.get().trade_state == "SUCCESS"
    assert OrderEvent.objects.filter(kind="PAID").count() == 1
    assert gateway.calls == []


def _placed(out_trade_no: str) -> Order:
    """Return an order whose creation did not look for waiting notifications."""
    order = services.create_order(**NATIVE)
    Order.objects.all().delete()
    order.pk, order.out_trade_no = None, out_trade_no
    return order
