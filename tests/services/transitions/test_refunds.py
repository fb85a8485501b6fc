"""Transitions of refunds: proven by v3, made known by v2, and never contradicted in silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from django_wxpay import services
from django_wxpay.exceptions import NotRefundable, OutcomeUnknown
from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.services import clock
from django_wxpay.services.notifications.responses import Acknowledgement
from django_wxpay.services.transitions import orders, refunds
from django_wxpay.signals import refund_settled
from tests.protocol.v2.test_refund_notices import notice as v2_notice
from tests.selling import sold_order
from tests.services.conftest import new_order
from tests.tables import connection
from tests.wechatpay.v2 import API_KEY
from tests.wechatpay.v3 import (
    PUBLIC_KEY_MODE,
    V3_MERCHANT,
    paid_notice,
    refund_notice,
    signature,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def both(wxpay: dict[str, Any], settings: Any) -> None:
    keys = V3_MERCHANT | PUBLIC_KEY_MODE | {"API_KEY": API_KEY}
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": keys}}


@pytest.fixture
def paid() -> Order:
    return sold_order("T20260101000001")


@pytest.fixture
def dispatched() -> Iterator[list[tuple[str, str]]]:
    received: list[tuple[str, str]] = []

    def receiver(sender: Any, order: Order, event: OrderEvent, refund: Refund, **more: Any) -> None:
        received.append((order.out_trade_no, refund.refund_status))

    refund_settled.connect(receiver)
    yield received
    refund_settled.disconnect(receiver)


def notify(body: bytes) -> Acknowledgement:
    return services.receive_notification("default", "refund", signature(body), body)


def notify_v2(body: bytes) -> Acknowledgement:
    return services.receive_notification("default", "refund", {}, body)


def test_a_refund_that_v3_notifies_of_is_a_row_an_event_and_a_signal(
    paid: Order,
    dispatched: list[tuple[str, str]],
) -> None:
    assert notify(refund_notice(paid.out_trade_no)).accepted
    assert notify(refund_notice(paid.out_trade_no)).accepted

    refund = Refund.objects.get()
    assert (refund.order, refund.out_refund_no, refund.refund_fee) == (paid, "R20260101000001", 88)
    assert (refund.refund_status, refund.user_received_account) == ("SUCCESS", "零钱")
    assert refund.success_time is not None
    assert refund.amount == "0.88 CNY"
    moved, settled = OrderEvent.objects.order_by("id")
    assert (moved.kind, moved.from_state, moved.to_state) == ("MOVED", "SUCCESS", "REFUND")
    assert (settled.kind, settled.refund) == ("REFUND_SETTLED", refund)
    assert (settled.from_state, settled.to_state) == ("REFUND", "REFUND")
    paid.refresh_from_db()
    assert (paid.trade_state, paid.refunded_fee, paid.refundable) == ("REFUND", 88, 12)
    assert dispatched == [(paid.out_trade_no, "SUCCESS")]
    assert Notification.objects.get().attempts == 2


@pytest.mark.undisturbed
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("dispatched")
@pytest.mark.parametrize(("state", "most"), [("SUCCESS", 8), ("REFUND", 6)])
def test_a_refund_callback_costs_at_most_six_queries_and_two_to_move_its_order(
    paid: Order, state: str, most: int
) -> None:
    Order.objects.update(trade_state=state)
    with CaptureQueriesContext(connection) as counted:
        assert notify(refund_notice(paid.out_trade_no)).accepted
    sql = [row["sql"] for row in counted.captured_queries]
    begins = [number for number, each in enumerate(sql) if each.startswith("BEGIN")]

    assert len(begins) == 2
    assert begins[1] <= most


@pytest.mark.parametrize(
    ("first", "then", "stands", "signals"),
    [
        ("PROCESSING", "SUCCESS", "SUCCESS", ["SUCCESS"]),
        ("ABNORMAL", "SUCCESS", "SUCCESS", ["ABNORMAL", "SUCCESS"]),
        ("SUCCESS", "PROCESSING", "SUCCESS", ["SUCCESS"]),
        ("CLOSED", "CLOSED", "CLOSED", ["CLOSED"]),
    ],
)
def test_a_refund_moves_along_its_table(
    paid: Order,
    dispatched: list[tuple[str, str]],
    first: str,
    then: str,
    stands: str,
    signals: list[str],
) -> None:
    for status in (first, then):
        assert notify(refund_notice(paid.out_trade_no, refund_status=status)).accepted

    assert Refund.objects.get().refund_status == stands
    assert [status for _, status in dispatched] == signals


@pytest.mark.parametrize("then", ["SUCCESS", "CLOSED"])
def test_a_receiver_is_handed_the_whole_refund_when_its_status_moves(
    paid: Order,
    then: str,
) -> None:
    handed: list[tuple[Any, ...]] = []

    def receiver(sender: Any, order: Order, event: OrderEvent, refund: Refund, **more: Any) -> None:
        row = Refund.objects.get()
        names = [field.attname for field in Refund._meta.concrete_fields]
        handed.append(tuple(getattr(refund, name) for name in names))
        assert handed[-1] == tuple(getattr(row, name) for name in names)
        assert (refund.order, refund.amount) == (order, "0.88 CNY")

    assert notify(refund_notice(paid.out_trade_no, refund_status="ABNORMAL")).accepted
    Refund.objects.update(refund_desc="broken cup")
    refund_settled.connect(receiver)
    try:
        assert notify(refund_notice(paid.out_trade_no, refund_status=then)).accepted
    finally:
        refund_settled.disconnect(receiver)

    assert len(handed) == 1
    assert OrderEvent.objects.get(
        refund__refund_status=then, detail__refund_status=then
    ).dispatched_at
    assert "broken cup" in handed[0]
    assert then in handed[0]
    assert Refund.objects.get().created_at in handed[0]


@pytest.mark.undisturbed
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("dispatched")
def test_a_refund_that_moves_costs_at_most_six_queries_and_a_duplicate_two(paid: Order) -> None:
    assert notify(refund_notice(paid.out_trade_no, refund_status="ABNORMAL")).accepted
    body = refund_notice(paid.out_trade_no)
    with CaptureQueriesContext(connection) as counted:
        assert notify(body).accepted
    sent = [row["sql"] for row in counted.captured_queries]
    begins = [number for number, sql in enumerate(sent) if sql.startswith("BEGIN")]
    assert len(begins) == 2
    assert begins[1] <= 6
    with CaptureQueriesContext(connection) as counted:
        assert notify(body).accepted
    assert len(counted.captured_queries) <= 2


def test_a_final_refund_stated_otherwise_is_a_conflict(paid: Order) -> None:
    notify(refund_notice(paid.out_trade_no))
    assert notify(refund_notice(paid.out_trade_no, refund_status="CLOSED")).accepted

    assert Refund.objects.get().refund_status == "SUCCESS"
    kinds = [event.kind for event in OrderEvent.objects.order_by("id")]
    assert kinds == ["MOVED", "REFUND_SETTLED", "CONFLICTED"]
    assert Notification.objects.order_by("id").last().outcome == "CONFLICT"  # type: ignore[union-attr]


@pytest.mark.parametrize("known", ["SUCCESS", "CLOSED"])
def test_that_a_refund_was_stuck_may_be_notified_of_when_it_is_over_and_is_asked_for(
    paid: Order, dispatched: list[tuple[str, str]], known: str
) -> None:
    notify(refund_notice(paid.out_trade_no, refund_status=known))
    Order.objects.update(next_check_at=None)
    before = clock.now()
    assert notify(refund_notice(paid.out_trade_no, refund_status="ABNORMAL")).accepted

    assert Refund.objects.get().refund_status == known
    assert not OrderEvent.objects.filter(kind="CONFLICTED").exists()
    assert dispatched == [(paid.out_trade_no, known)]
    assert [each.outcome for each in Notification.objects.order_by("id")] == ["APPLIED"] * 2
    due = Order.objects.get().next_check_at
    assert due is not None
    assert due >= before


def test_other_money_is_a_conflict_and_no_row(paid: Order) -> None:
    amount = {"total": 100, "refund": 101, "payer_total": 100, "payer_refund": 101}
    assert notify(refund_notice(paid.out_trade_no, amount=amount)).accepted

    assert Refund.objects.count() == 0
    assert OrderEvent.objects.get().kind == "CONFLICTED"


def test_a_refund_of_no_order_is_kept_and_settled_when_the_order_appears() -> None:
    answer = notify(refund_notice("T20260101000001"))
    assert answer.status == 404

    order = new_order(out_trade_no="T20260101000001")
    assert Refund.objects.get().order == order


def test_v2_only_hints_so_the_refund_is_known_and_not_yet_settled(
    paid: Order,
    dispatched: list[tuple[str, str]],
) -> None:
    """The seal has no MAC: its outcome has to be queried before it counts."""
    assert notify_v2(v2_notice()).accepted

    refund = Refund.objects.get()
    assert (refund.refund_status, refund.success_time) == ("PROCESSING", None)
    assert dispatched == []
    assert notify(refund_notice(paid.out_trade_no)).accepted
    assert dispatched == [(paid.out_trade_no, "SUCCESS")]
    assert notify_v2(v2_notice(refund_status="CHANGE")).accepted
    refund.refresh_from_db()
    assert refund.refund_status == "SUCCESS"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml/>",
        v2_notice(key="WRONGKEYwrongkeyWRONGKEYwrongkey"),
        v2_notice(outer={"mch_id": "1900000999"}),
    ],
)
def test_a_forged_refund_notice_costs_no_row(paid: Order, body: bytes) -> None:
    assert not notify_v2(body).accepted
    assert Notification.objects.count() == 0
    assert Refund.objects.count() == 0


def test_a_refund_sent_to_the_url_of_payments_is_a_refund(paid: Order) -> None:
    body = refund_notice(paid.out_trade_no)
    answer = services.receive_notification("default", "payment", signature(body), body)

    assert answer.accepted
    assert Notification.objects.get().kind == "refund"
    assert Refund.objects.count() == 1


def test_a_refund_that_names_no_order_is_kept_and_said_to_be_unreadable() -> None:
    assert notify(refund_notice("")).status == 503
    row = Notification.objects.get()
    assert (row.outcome, row.kind) == ("FAILED", "refund")
    assert row.reason == "not readable: out_trade_no is missing"


def test_a_refund_that_lost_a_race_is_decided_again(
    paid: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notify(refund_notice(paid.out_trade_no, refund_status="PROCESSING"))
    decide = refunds.decide_refund

    def slow(*args: Any) -> Any:
        decision = decide(*args)
        monkeypatch.setattr(refunds, "decide_refund", decide)
        Refund.objects.update(refund_status=RefundStatus.SUCCESS)
        return decision

    monkeypatch.setattr(refunds, "decide_refund", slow)
    assert notify(refund_notice(paid.out_trade_no)).accepted

    assert Refund.objects.get().refund_status == "SUCCESS"
    assert [event.kind for event in OrderEvent.objects.all()] == ["MOVED"]


def test_a_refund_that_never_holds_still_is_left_for_later(
    paid: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def always_later(*args: Any) -> None:
        raise refunds._OvertakenError

    monkeypatch.setattr(refunds, "_move", always_later)

    assert notify(refund_notice(paid.out_trade_no)).status == 503
    assert "OutcomeUnknown" in Notification.objects.get().reason
    assert issubclass(OutcomeUnknown, Exception)


def test_a_refund_is_named_by_its_number(paid: Order) -> None:
    notify(refund_notice(paid.out_trade_no))

    assert str(Refund.objects.get()) == "R20260101000001"


@pytest.fixture
def asked_for(paid: Order) -> Refund:
    """All of an order, asked for here, of which WeChat Pay has said nothing yet."""
    return Refund.objects.create(
        order=paid,
        merchant=paid.merchant,
        out_refund_no="ALL",
        refund_fee=paid.total_fee,
        position=1,
        refund_status="PROCESSING",
        created_at=paid.created_at,
        updated_at=paid.created_at,
    )


def test_a_refund_that_was_made_before_ours_arrived_counts_and_is_no_conflict(
    paid: Order, asked_for: Refund, dispatched: list[tuple[str, str]]
) -> None:
    assert notify(refund_notice(paid.out_trade_no)).accepted

    paid.refresh_from_db()
    assert (paid.trade_state, paid.refunded_fee, paid.refundable) == ("REFUND", 88, 0)
    assert dispatched == [(paid.out_trade_no, "SUCCESS")]
    assert not OrderEvent.objects.filter(kind="CONFLICTED").exists()
    assert sorted(Refund.objects.values_list("position", flat=True)) == [1, 2]
    with pytest.raises(NotRefundable) as caught:
        services.create_refund(paid, refund_fee=1)
    assert caught.value.refundable == 0


def test_a_hint_at_a_refund_that_was_made_before_ours_arrived_is_asked_for(
    paid: Order, asked_for: Refund
) -> None:
    assert notify_v2(v2_notice()).accepted

    hint = Refund.objects.exclude(pk=asked_for.pk).get()
    assert (hint.is_hint, hint.next_check_at is not None) == (True, True)


def test_a_refund_that_was_made_after_another_had_been_closed_there_counts(
    paid: Order, asked_for: Refund, dispatched: list[tuple[str, str]]
) -> None:
    """The notice that the first one is closed may be late or lost."""
    Refund.objects.filter(pk=asked_for.pk).update(refund_id="50300000000000000000000000009")
    assert notify(refund_notice(paid.out_trade_no)).accepted
    assert dispatched == [(paid.out_trade_no, "SUCCESS")]


def pays(order: Order) -> None:
    body = paid_notice(order.out_trade_no)
    assert services.receive_notification("default", "payment", signature(body), body).accepted
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"


def test_an_order_whose_refund_was_stated_before_its_payment_is_asked_for() -> None:
    order = new_order(out_trade_no="T20260101000001")
    assert notify(refund_notice(order.out_trade_no)).accepted
    pays(order)
    assert order.next_check_at is not None
    assert order.next_check_at <= clock.now()


def test_an_order_whose_refund_is_written_while_it_is_paid_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = new_order(out_trade_no="T20260101000001")
    decide = orders.decide

    def refunded_meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(orders, "decide", decide)
        assert notify(refund_notice(order.out_trade_no)).accepted
        return decide(*args)

    monkeypatch.setattr(orders, "decide", refunded_meanwhile)
    pays(order)
    assert order.next_check_at is not None


@pytest.mark.parametrize("next_check_at", [None, datetime(2026, 1, 1, tzinfo=UTC)])
def test_a_paid_order_without_a_refund_is_not_asked_for(next_check_at: datetime | None) -> None:
    order = new_order(out_trade_no="T20260101000001")
    assert notify(refund_notice(order.out_trade_no, refund_status="CLOSED")).accepted
    Order.objects.update(next_check_at=next_check_at)
    pays(order)
    assert order.next_check_at is None
