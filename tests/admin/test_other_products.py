"""Events of other products in the admin: listed, filtered, delivered again, replayed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from django_wxpay import services
from django_wxpay.models import Notification, OrderEvent
from django_wxpay.signals import notification_received
from tests.admin.conftest import ADMIN
from tests.factories import OPENID, NotificationFactory, OrderEventFactory
from tests.services.notifications.test_other_products import contract

pytestmark = pytest.mark.django_db


@pytest.fixture
def received() -> Iterator[list[Any]]:
    """What a receiver has been given; it raises while the list begins with an exception."""
    got: list[Any] = []

    def receiver(notification: Notification, resource: Any, **more: Any) -> None:
        if got and isinstance(got[0], Exception):
            raise got.pop(0)
        got.append(resource)

    notification_received.connect(receiver)
    yield got
    notification_received.disconnect(receiver)


def shown(client: Client, path: str, **asked: str) -> str:
    answer = client.get(f"{ADMIN}/{path}", asked)
    assert answer.status_code == 200
    text: str = answer.content.decode()
    return text


def press(client: Client, model: str, pk: int, verb: str) -> list[tuple[str, str]]:
    answer = client.post(f"{ADMIN}/{model}/{pk}/{verb}/", follow=True)
    return [(message.level_tag, str(message)) for message in answer.context["messages"]]


def test_the_list_of_notifications_is_filtered_by_the_type_of_event(boss: Client) -> None:
    NotificationFactory(other=True)
    NotificationFactory(v3=True)
    NotificationFactory(other=True, event_type="NEVER.HEARD.OF")
    for event_type in ("COMPLAINT.CREATE", "NEVER.HEARD.OF"):
        answer = boss.get(f"{ADMIN}/notification/", {"event_type": event_type})
        rows = answer.context["cl"].queryset
        assert [row.event_type for row in rows] == [event_type]
        assert event_type in answer.content.decode()
    assert boss.get(f"{ADMIN}/notification/", {"kind": "other"}).context["cl"].result_count == 2
    page = shown(boss, "notification/")
    assert "COUPON.USE" in page, "among the usual ones"


def test_an_event_without_an_order_has_a_page_that_shows_nothing_private(boss: Client) -> None:
    event = OrderEventFactory(received=True)
    listed = shown(boss, "orderevent/")
    assert '<td class="field-order_link">-</td>' in listed
    assert "COMPLAINT.CREATE" in listed
    page = shown(boss, f"orderevent/{event.pk}/change/")
    assert "Notification received" in page
    assert "payer_openid" in page
    assert OPENID not in page
    of_notification = shown(boss, f"notification/{event.notification.pk}/change/")
    assert f"{ADMIN}/orderevent/{event.pk}/change/" in of_notification
    with translation.override("zh-hans"):
        assert "收到通知" in str(event.get_kind_display())


def test_one_that_waits_for_a_receiver_says_so_and_is_delivered_with_the_button(
    boss: Client, received: list[Any]
) -> None:
    received.append(RuntimeError("no paper"))
    assert services.receive_notification("default", "payment", {}, contract()).accepted
    event = OrderEvent.objects.get()
    assert "not delivered to your code: RuntimeError: no paper" in shown(
        boss, f"orderevent/{event.pk}/change/"
    )
    failing = boss.get(f"{ADMIN}/orderevent/", {"told": "failing"})
    assert failing.context["cl"].result_count == 1
    (said,) = press(boss, "orderevent", event.pk, "tell")
    assert said == ("success", "CONTRACT.ADD Notification received: delivered to your code")
    assert len(received) == 1
    (said,) = press(boss, "orderevent", event.pk, "tell")
    assert said[1].endswith("already delivered, and not delivered twice")
    assert len(received) == 1


def test_without_a_receiver_it_waits_and_alarms_nobody(boss: Client) -> None:
    assert services.receive_notification("default", "payment", {}, contract()).accepted
    event = OrderEvent.objects.get()
    page = shown(boss, f"orderevent/{event.pk}/change/")
    assert "waits until your code has a receiver for it" in page
    waiting = boss.get(f"{ADMIN}/orderevent/", {"told": "receiver"})
    assert waiting.context["cl"].result_count == 1
    ((level, _),) = press(boss, "orderevent", event.pk, "tell")
    assert level in {"warning", "error"}


def test_a_replay_hands_over_what_could_not_be_read(boss: Client, received: list[Any]) -> None:
    assert services.receive_notification("default", "payment", {}, contract()).accepted
    OrderEvent.objects.all().delete()
    received.clear()
    Notification.objects.update(outcome="FAILED", reason_code="UNREADABLE")
    row = Notification.objects.get()
    page = shown(boss, f"notification/{row.pk}/change/")
    assert "update django-wxpay. Then replay it." in page
    assert "may have paid" not in page
    ((level, words),) = press(boss, "notification", row.pk, "replay")
    assert (level, len(received)) == ("success", 1), words
