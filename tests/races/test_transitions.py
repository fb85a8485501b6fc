"""Many facts about one order at the same moment: one move, one event, one signal."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from django_wxpay import services
from django_wxpay.exceptions import Refused
from django_wxpay.models import Notification, Order
from django_wxpay.services.notifications import processing
from django_wxpay.services.transitions import orders
from tests.races.conftest import Shop, new_order
from tests.races.running import Meeting, at_once
from tests.tables import connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, payment_notice, refused, standing

pytestmark = pytest.mark.races

VENDORS = {"sqlite": "sqlite", "postgresql": "postgresql", "mariadb": "mysql"}


def deliver(body: bytes) -> bool:
    return services.receive_notification("default", "payment", {}, body).accepted


def query(order: Order) -> str:
    return services.query_order(Order.objects.get(pk=order.pk)).trade_state


def close(order: Order) -> str:
    try:
        return services.close_order(Order.objects.get(pk=order.pk)).trade_state
    except Refused as refusal:
        return refusal.err_code


def kinds(order: Order) -> list[str]:
    return [event.kind for event in order.events.order_by("id")]


def meet_after_deciding(monkeypatch: pytest.MonkeyPatch, parties: int) -> Meeting:
    """Have everybody decide on the same state before anybody writes."""
    meeting = Meeting(parties)
    monkeypatch.setattr(orders, "decide", meeting.after(orders.decide))
    return meeting


def test_the_database_is_the_one_that_was_asked_for() -> None:
    assert connection.vendor == VENDORS[settings.WXPAY_TEST_DATABASE]
    if connection.vendor == "sqlite":
        assert not connection.is_in_memory_db()


def test_fifty_copies_of_a_notification_are_one_payment_and_fifty_successes(
    order: Order,
    shop: Shop,
) -> None:
    """Half of them are the very same bytes, the others have a nonce of their own."""
    nonces = ["the-same"] * 25 + [f"its-own-{at}" for at in range(25)]
    bodies = [payment_notice(order.out_trade_no, nonce_str=nonce) for nonce in nonces]
    outcomes = at_once(*[lambda body=body: deliver(body) for body in bodies])

    assert outcomes == [True] * 50
    assert kinds(order) == ["MOVED", "PAID"]
    assert shop.lines == ["paid RACE000001"]
    notification = Notification.objects.get()
    assert (notification.outcome, notification.attempts) == ("APPLIED", 50)
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"


def test_copies_that_were_all_decided_before_one_was_written_are_one_payment(
    order: Order,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meeting = meet_after_deciding(monkeypatch, 8)
    body = payment_notice(order.out_trade_no)
    outcomes = at_once(*[lambda: deliver(body)] * 8)

    assert (meeting.met, outcomes) == (8, [True] * 8)
    assert kinds(order) == ["MOVED", "PAID"]
    assert shop.lines == ["paid RACE000001"]
    assert Notification.objects.get().attempts == 8


def test_a_notification_and_a_query_that_both_found_it_unpaid_are_one_payment(
    gateway: ScriptedTransport,
    order: Order,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    meeting = meet_after_deciding(monkeypatch, 2)
    outcomes = at_once(
        lambda: deliver(payment_notice(order.out_trade_no)),
        lambda: query(order),
    )

    assert (meeting.met, outcomes) == (2, [True, "SUCCESS"])
    assert kinds(order) == ["MOVED", "PAID"]
    assert shop.lines == ["paid RACE000001"]
    assert Notification.objects.get().outcome == "APPLIED"


def test_a_notification_a_query_and_a_close_of_a_paid_order_are_one_payment(
    gateway: ScriptedTransport,
    order: Order,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    gateway.answers["/pay/closeorder"] = refused("ORDERPAID")
    meeting = meet_after_deciding(monkeypatch, 3)
    outcomes = at_once(
        lambda: deliver(payment_notice(order.out_trade_no)),
        lambda: query(order),
        lambda: close(order),
    )

    assert (meeting.met, outcomes) == (3, [True, "SUCCESS", "ORDERPAID"])
    assert kinds(order) == ["MOVED", "PAID"]
    assert shop.lines == ["paid RACE000001"]


def test_a_fact_that_was_true_when_it_was_asked_for_does_not_undo_a_payment(
    gateway: ScriptedTransport,
    order: Order,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway.answers["/pay/orderquery"] = standing("USERPAYING")
    meeting = meet_after_deciding(monkeypatch, 2)
    outcomes = at_once(
        lambda: deliver(payment_notice(order.out_trade_no)),
        lambda: query(order),
    )

    assert (meeting.met, outcomes[0]) == (2, True)
    assert isinstance(outcomes[1], str), outcomes[1]
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    assert kinds(order).count("PAID") == 1
    assert "CONFLICTED" not in kinds(order)
    assert shop.lines == ["paid RACE000001"]


def test_a_payment_that_slipped_in_behind_a_close_is_a_payment_and_no_contradiction(
    gateway: ScriptedTransport,
    order: Order,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gateway took the close, and then the customer's password: both arrive at once."""
    gateway.answers["/pay/closeorder"] = {}
    meeting = meet_after_deciding(monkeypatch, 2)
    outcomes = at_once(
        lambda: deliver(payment_notice(order.out_trade_no)),
        lambda: close(order),
    )

    assert (meeting.met, outcomes[0]) == (2, True)
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    assert kinds(order).count("PAID") == 1
    assert "CONFLICTED" not in kinds(order)
    assert shop.lines.count("paid RACE000001") == 1


def test_two_contradictions_of_one_kind_are_one_event(
    order: Order,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meeting = meet_after_deciding(monkeypatch, 4)
    bodies = [
        payment_notice(order.out_trade_no, total_fee=1, transaction_id=f"420000000{at}")
        for at in range(4)
    ]
    outcomes = at_once(*[lambda body=body: deliver(body) for body in bodies])

    assert (meeting.met, outcomes) == (4, [True] * 4)
    assert kinds(order) == ["MOVED", "CONFLICTED"]
    assert shop.lines == ["conflicted RACE000001"]
    assert Notification.objects.filter(outcome="CONFLICT").count() == 4


def test_the_notifications_of_many_orders_do_not_touch_each_other(
    gateway: ScriptedTransport,
    shop: Shop,
) -> None:
    orders = [new_order(out_trade_no=f"RACE10000{at}") for at in range(8)]
    transactions = {order.pk: f"42000000000000000000000000{order.pk:02d}" for order in orders}
    bodies = [
        payment_notice(order.out_trade_no, transaction_id=transactions[order.pk])
        for order in orders
    ]
    outcomes = at_once(*[lambda body=body: deliver(body) for body in bodies * 2])

    assert outcomes == [True] * 16
    for order in orders:
        order.refresh_from_db()
        assert (order.trade_state, order.transaction_id) == ("SUCCESS", transactions[order.pk])
        assert kinds(order) == ["PAID"]
    assert sorted(shop.lines) == [f"paid {order.out_trade_no}" for order in orders]


@pytest.mark.parametrize("delivery", ["first", "second"])
def test_an_order_that_appears_while_its_notification_is_processed_is_paid(
    gateway: ScriptedTransport,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    delivery: str,
) -> None:
    """The notification found no order, and the order found no notification to settle."""
    body = payment_notice("RACE000001")
    if delivery == "second":
        assert not deliver(body)
    keep = processing.keep

    def keep_too_late(*args: Any) -> Any:
        monkeypatch.setattr(processing, "keep", keep)
        at_once(lambda: new_order(out_trade_no="RACE000001"))
        return keep(*args)

    monkeypatch.setattr(processing, "keep", keep_too_late)
    assert deliver(body)

    order = Order.objects.get()
    notification = Notification.objects.get()
    assert (order.trade_state, kinds(order)) == ("SUCCESS", ["PAID"])
    assert (notification.outcome, notification.order) == ("APPLIED", order)
    assert shop.lines == ["paid RACE000001"]


@pytest.mark.parametrize(
    ("changes", "accepted", "outcome"),
    [({}, False, "FAILED"), ({"result_code": "FAIL"}, True, "IGNORED")],
    ids=["unknown order", "no success"],
)
def test_copies_of_a_notice_that_fits_no_order_are_one_row_and_no_trouble(
    gateway: ScriptedTransport,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, str],
    accepted: bool,
    outcome: str,
) -> None:
    meeting = Meeting(6)
    monkeypatch.setattr(processing, "_apply", _behind(meeting, processing._apply))
    body = payment_notice("RACE000001", **changes)
    outcomes = at_once(*[lambda: deliver(body)] * 6)

    assert (meeting.met, outcomes) == (6, [accepted] * 6)
    notification = Notification.objects.get()
    assert (notification.outcome, notification.attempts) == (outcome, 6)
    assert "Error" not in notification.reason
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert shop.lines == []


def _behind(meeting: Meeting, function: Any) -> Any:
    gate = meeting.after(lambda: None)

    def enter(*args: Any) -> Any:
        gate()
        return function(*args)

    return enter
