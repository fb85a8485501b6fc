"""Events of a kind that has no receiver: undelivered, visible everywhere, and delivered later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse
from django.utils import translation

from django_wxpay import services
from django_wxpay.admin.orders.events import delivery
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services.doctor import diagnosis
from django_wxpay.services.doctor.findings import Finding, Level, Subject
from django_wxpay.services.transitions.dispatch import SIGNALS
from django_wxpay.signals import order_conflicted, order_paid
from django_wxpay.testing import SimulatedWXPay
from example_project.shop.receivers import pack_the_tea
from tests.factories import OrderEventFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away every receiver that the project has, and put them back in the end."""
    for sent in SIGNALS.values():
        monkeypatch.setattr(sent, "receivers", [])
        sent.sender_receivers_cache.clear()
    yield
    monkeypatch.undo()
    for sent in SIGNALS.values():
        sent.sender_receivers_cache.clear()


@pytest.fixture
def paid(wxpay_simulator: SimulatedWXPay) -> Order:
    """An order that is paid, of which WeChat Pay has sent the notification."""
    order: Order = services.checkout(
        trade_type="NATIVE", body="Tea", total_fee=100, product_id="T"
    ).order
    wxpay_simulator.pay(order)
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    return order


def in_english(event: OrderEvent) -> str:
    with translation.override("en"):
        return delivery(event)


def codes() -> list[str | None]:
    found = run_checks(databases=[])
    return [each.id for each in found if str(each.id).startswith("django_wxpay.W009")]


def found_of_events(*levels: Level) -> list[Finding]:
    found = diagnosis.diagnose(ask=False, merchants=["default"])
    return [each for each in found if each.subject is Subject.EVENTS and each.level in levels]


def page() -> str:
    return reverse("admin:django_wxpay_orderevent_changelist")


def listed(client: Client, state: str) -> int:
    answer = client.get(page(), {"told": state})
    assert answer.status_code == 200
    count: int = answer.context["cl"].queryset.exclude(kind="MOVED").count()
    return count


def states(client: Client) -> dict[str, int]:
    return {
        state: listed(client, state)
        for state in ("yes", "no", "waiting", "failing", "receiver", "nonsense")
    }


def test_a_payment_waits_for_its_receiver_and_reaches_it_once(
    paid: Order, admin_client: Client
) -> None:
    event = OrderEvent.objects.get(kind="PAID")
    for _ in range(3):
        assert str(services.run_jobs("events")[0]) == "events: nothing to do"
    event.refresh_from_db()
    assert (event.dispatched_at, event.dispatch_attempts, event.dispatch_error) == (None, 0, "")

    assert codes() == ["django_wxpay.W009"]
    connect, waiting = found_of_events(Level.ERROR, Level.WARNING)[::-1]
    assert waiting.level is Level.ERROR
    assert waiting.message.startswith("1 event of order_paid waits for a receiver, the oldest of ")
    assert "ready() of an app" in waiting.advice
    assert connect.message.endswith("(W009).")
    assert states(admin_client) == {
        "yes": 0,
        "no": 1,
        "waiting": 0,
        "failing": 0,
        "receiver": 1,
        "nonsense": 1,
    }
    assert in_english(event) == "waits until your code has a receiver for it"
    shown = admin_client.get(page(), headers={"accept-language": "en"}).content.decode()
    assert "Waiting for a receiver" in shown

    shipped: list[str] = []

    def ship(order: Order, **_: Any) -> None:
        shipped.append(order.out_trade_no)

    order_paid.connect(ship)
    try:
        before = states(admin_client)
        assert (before["no"], before["waiting"], before["receiver"]) == (1, 1, 0)
        for _ in range(2):
            services.run_jobs("events")
        assert shipped == [paid.out_trade_no]
        assert codes() == []
        assert found_of_events(Level.ERROR, Level.WARNING) == []
        assert states(admin_client)["yes"] == 1
    finally:
        order_paid.disconnect(ship)


def test_an_event_that_failed_before_its_receiver_went_waits_for_one(
    admin_client: Client,
) -> None:
    event = OrderEventFactory(untold=True)
    assert (listed(admin_client, "receiver"), listed(admin_client, "failing")) == (1, 0)
    assert in_english(event) == "waits until your code has a receiver for it"
    assert [each.level for each in found_of_events(Level.ERROR)] == [Level.ERROR]

    order_paid.connect(pack_the_tea)
    assert (listed(admin_client, "receiver"), listed(admin_client, "failing")) == (0, 1)
    assert "the stock is gone" in in_english(event)


def test_the_level_says_what_a_missing_receiver_costs(settings: Any) -> None:
    for kind in ("CLOSED", "REFUND_SETTLED"):
        OrderEventFactory(kind=kind, dispatched_at=None, dispatch_attempts=0)
    OrderEventFactory(conflict=True, dispatched_at=None, dispatch_attempts=0)
    OrderEventFactory(dispatched_at=None, dispatch_attempts=0)
    settings.SILENCED_SYSTEM_CHECKS = ["django_wxpay.W009"]
    (conflict,) = found_of_events(Level.ERROR, Level.WARNING)
    assert conflict.level is Level.WARNING
    assert conflict.message.startswith("1 event of order_conflicted waits for a receiver")
    shown = " ".join(each.message for each in found_of_events(Level.OK))
    for name in ("order_paid", "order_closed", "refund_settled"):
        assert f"1 event of {name} waits for a receiver" in shown


def test_kinds_are_waited_for_one_by_one(admin_client: Client) -> None:
    order_paid.connect(pack_the_tea)
    OrderEventFactory(conflict=True, dispatched_at=None, dispatch_attempts=0)
    paid = OrderEventFactory(dispatched_at=None, dispatch_attempts=0)
    assert (listed(admin_client, "receiver"), listed(admin_client, "waiting")) == (1, 1)
    services.run_jobs("events")
    paid.refresh_from_db()
    assert paid.dispatched_at is not None
    assert OrderEvent.objects.filter(dispatched_at=None).count() == 1

    seen: list[str] = []

    def look(order: Order, **_: Any) -> None:
        seen.append(order.out_trade_no)

    order_conflicted.connect(look)
    try:
        services.run_jobs("events")
    finally:
        order_conflicted.disconnect(look)
    assert len(seen) == 1
    assert not OrderEvent.objects.filter(dispatched_at=None).exists()
