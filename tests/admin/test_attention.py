"""What needs a person, where a clerk looks: in the list, by a filter, on top of the order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_wxpay.models import Order, OrderEvent
from tests.admin.conftest import ENGLISH
from tests.factories import OrderEventFactory, OrderFactory, RefundFactory, UserFactory

pytestmark = pytest.mark.django_db
LIST = "admin:django_wxpay_order_changelist"


def page(client: Client, order: Order) -> str:
    return client.get(reverse("admin:django_wxpay_order_change", args=[order.pk])).content.decode()


def shown(client: Client, **asked: str) -> set[str]:
    answer = client.get(reverse(LIST), asked)
    return {order.out_trade_no for order in answer.context["cl"].result_list}


def test_the_list_shows_it_and_a_filter_finds_it(boss: Client) -> None:
    conflict = OrderEventFactory(conflict=True).order
    stuck = RefundFactory(refund_status="ABNORMAL").order
    OrderFactory(paid=True)
    html = boss.get(reverse(LIST)).content.decode()
    assert html.count('wxpay-badge wxpay-bad">Conflict') == 1
    assert html.count('wxpay-badge wxpay-bad">Refund stuck') == 1
    assert shown(boss, attention="any") == {conflict.out_trade_no, stuck.out_trade_no}
    assert shown(boss, attention="CONFLICT") == {conflict.out_trade_no}
    assert shown(boss, attention="OVERDUE") == set()
    assert shown(boss, attention="nonsense") == set()


def test_the_list_asks_as_often_for_fifty_orders_as_for_one(
    boss: Client, django_assert_num_queries: Any
) -> None:
    OrderEventFactory(conflict=True)
    with django_assert_num_queries(5) as one:
        boss.get(reverse(LIST))
    for _ in range(10):
        OrderEventFactory(conflict=True)
    with django_assert_num_queries(len(one)):
        boss.get(reverse(LIST))


def test_a_conflict_stands_on_top_of_the_order_until_it_is_resolved(boss: Client) -> None:
    event = OrderEventFactory(conflict=True)
    html = page(boss, event.order)
    assert "Hand over no goods yet." in html
    resolve = reverse("admin:django_wxpay_orderevent_resolve", args=[event.pk])
    on_event = reverse("admin:django_wxpay_orderevent_change", args=[event.pk])
    assert on_event in html
    assert resolve in boss.get(on_event).content.decode()
    question = boss.get(resolve).content.decode()
    assert "expected 12.50 CNY, received 0.01 CNY" in question
    assert "errornote" in boss.post(resolve, {"note": " "}).content.decode()
    assert boss.post(resolve, {"note": "A test of the terminal."}).status_code == 302
    event.refresh_from_db()
    assert event.note == "A test of the terminal."
    html = page(boss, event.order)
    assert "Hand over no goods yet." not in html
    assert f"resolved by {event.resolved_by}: A test of the terminal." in html
    again = boss.post(resolve, {"note": "again"}, follow=True)
    assert "resolved already" in [str(one) for one in again.context["messages"]][-1]
    assert resolve not in boss.get(on_event).content.decode()


def test_what_the_shop_has_not_taken_can_be_delivered_again_from_the_order(boss: Client) -> None:
    event = OrderEventFactory(untold=True, order__paid=True)
    html = page(boss, event.order)
    assert "wxpay-banner" in html
    assert reverse("admin:django_wxpay_orderevent_tell", args=[event.pk]) in html


@pytest.mark.parametrize(("may", "is_shown"), [("view", False), ("change", True)])
def test_delivering_again_is_offered_to_those_who_may(may: str, is_shown: bool) -> None:
    event = OrderEventFactory(untold=True, order__paid=True)
    client = Client(headers=ENGLISH)
    permissions = ("change_order", f"{may}_orderevent")
    client.force_login(UserFactory(is_staff=True, permissions=permissions))
    address = reverse("admin:django_wxpay_orderevent_tell", args=[event.pk])
    assert (address in page(client, event.order)) is is_shown
    assert (client.post(address).status_code == 403) is not is_shown


def test_two_payments_of_one_reference_name_each_other(boss: Client) -> None:
    first, second = (OrderFactory(paid=True, reference="basket-7") for _ in range(2))
    OrderEventFactory(order=second, created_at=datetime.now(UTC))
    from django_wxpay.services.attention.paid_twice import watch_references

    watch_references()
    html = page(boss, second)
    assert f"Paid twice: {first.out_trade_no}" in html
    event = OrderEvent.objects.get(kind="PAID_TWICE")
    resolve = reverse("admin:django_wxpay_orderevent_resolve", args=[event.pk])
    assert "of the same reference basket-7 is paid too" in boss.get(resolve).content.decode()


def test_who_may_only_look_resolves_nothing() -> None:
    client = Client(headers=ENGLISH)
    client.force_login(UserFactory(is_staff=True, permissions=("view_order", "view_orderevent")))
    event = OrderEventFactory(conflict=True)
    assert "Hand over no goods yet." in page(client, event.order)
    resolve = reverse("admin:django_wxpay_orderevent_resolve", args=[event.pk])
    assert client.post(resolve, {"note": "mine"}).status_code == 403
    event.refresh_from_db()
    assert event.resolved_at is None


def test_who_may_not_see_events_is_told_and_gets_no_link() -> None:
    client = Client(headers=ENGLISH)
    client.force_login(UserFactory(is_staff=True, permissions=("view_order",)))
    event = OrderEventFactory(conflict=True)
    html = page(client, event.order)
    assert "Hand over no goods yet." in html
    assert reverse("admin:django_wxpay_orderevent_change", args=[event.pk]) not in html
