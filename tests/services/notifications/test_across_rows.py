"""Rules across rows: one payment for one order, one refund of one order, no more than was paid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.services.transitions import refunds
from django_wxpay.signals import order_conflicted, order_paid, refund_settled
from tests.factories import OrderFactory
from tests.selling import notify, sold_order
from tests.services.conftest import new_order
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, payment_notice, standing
from tests.wechatpay.v3 import paid_notice, refund_notice

pytestmark = pytest.mark.django_db

NUMBER = "T20260101000001"


@pytest.fixture
def told() -> Iterator[list[str]]:
    received: list[str] = []

    def receiver(order: Order, event: OrderEvent, **_: Any) -> None:
        received.append(f"{event.kind} {order.out_trade_no}")

    signals = order_paid, order_conflicted, refund_settled
    for signal in signals:
        signal.connect(receiver)
    yield received
    for signal in signals:
        signal.disconnect(receiver)


def refund_of(fee: int, number: str, **changes: Any) -> bytes:
    amount = {"total": 100, "refund": fee}
    refund_id = f"503{number:0>26}"
    return refund_notice(
        NUMBER, out_refund_no=number, refund_id=refund_id, amount=amount, **changes
    )


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("write", [payment_notice, paid_notice])
def test_one_transaction_pays_one_order(told: list[str], write: Any) -> None:
    new_order(out_trade_no="FIRST001")
    new_order(out_trade_no="SECOND01")
    assert notify(write("FIRST001")).accepted
    assert notify(write("SECOND01")).accepted

    assert dict(Order.objects.values_list("out_trade_no", "trade_state")) == {
        "FIRST001": "SUCCESS",
        "SECOND01": "CREATED",
    }
    assert told == ["PAID FIRST001", "CONFLICTED SECOND01"]
    row = Notification.objects.get(out_trade_no="SECOND01")
    assert row.outcome == "CONFLICT", "and it leaves a trace"
    assert row.reason.startswith("transaction_id: expected of no other order, received 4200")


def test_a_query_holds_the_transaction_against_other_orders_too(
    gateway: ScriptedTransport, told: list[str]
) -> None:
    new_order(out_trade_no="FIRST001")
    order = new_order(out_trade_no="SECOND01")
    notify(payment_notice("FIRST001"))
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    services.query_order(order)

    assert (order.trade_state, order.transaction_id) == ("CREATED", "")
    assert told == ["PAID FIRST001", "CONFLICTED SECOND01"]


def test_the_database_holds_one_transaction_of_a_mch_id_once() -> None:
    first = OrderFactory(paid=True)
    OrderFactory(mch_id="1900000110", transaction_id=first.transaction_id)
    OrderFactory.create_batch(2, transaction_id="")
    assert Order.objects.filter(transaction_id="").count() == 2
    assert Order.objects.exclude(transaction_id="").count() == 2
    assert set(Order.objects.values_list("transaction_id", flat=True)) == {
        "",
        first.transaction_id,
    }
    with pytest.raises(IntegrityError):
        OrderFactory(transaction_id=first.transaction_id)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    "changes",
    [
        {"amount": {"total": 1, "currency": "CNY"}},
        {"mchid": "1900000999"},
        {"appid": "wx9999999999999999"},
        {"sub_mchid": "1900000999"},
    ],
)
def test_the_right_notice_is_applied_whatever_was_said_before_it(
    told: list[str], changes: dict[str, Any]
) -> None:
    new_order(out_trade_no=NUMBER)
    assert notify(paid_notice(NUMBER, **changes)).accepted
    assert told == [f"CONFLICTED {NUMBER}"]

    assert notify(paid_notice(NUMBER)).accepted
    assert Order.objects.get().trade_state == "SUCCESS"
    assert notify(paid_notice(NUMBER)).accepted
    assert told == [f"CONFLICTED {NUMBER}", f"PAID {NUMBER}"]


@pytest.fixture
def paid(both: dict[str, Any]) -> Order:
    return sold_order(NUMBER)


def test_refunds_of_more_than_was_paid_are_a_conflict(paid: Order, told: list[str]) -> None:
    for number in "123":
        assert notify(refund_of(60, number)).accepted
    assert told == [f"REFUND_SETTLED {NUMBER}", *[f"CONFLICTED {NUMBER}"] * 2]
    assert list(Refund.objects.values_list("out_refund_no", "position")) == [("1", 1)]
    reasons = {each.reason for each in Notification.objects.exclude(reason_code="")}
    assert reasons == {"refund_fee: expected at most 40, received 60"}

    assert notify(refund_of(40, "4")).accepted
    assert list(Refund.objects.order_by("id").values_list("out_refund_no", "position")) == [
        ("1", 1),
        ("4", 2),
    ]
    assert notify(refund_of(1, "5")).accepted
    assert Refund.objects.count() == 2


def test_a_closed_refund_leaves_its_money_to_others(paid: Order) -> None:
    assert notify(refund_of(60, "1", refund_status="PROCESSING")).accepted
    assert notify(refund_of(60, "1", refund_status="CLOSED")).accepted
    assert notify(refund_of(100, "2", refund_status="CLOSED")).accepted
    assert notify(refund_of(100, "3")).accepted

    statuses = list(Refund.objects.order_by("id").values_list("refund_status", "position"))
    assert statuses == [("CLOSED", 1), ("CLOSED", 2), ("SUCCESS", 3)]


def test_two_refunds_decided_on_the_same_sum_are_not_both_written(
    paid: Order, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = refunds.decide_refund

    def slow(*args: Any) -> Any:
        decision = decide(*args)
        monkeypatch.setattr(refunds, "decide_refund", decide)
        assert notify(refund_of(60, "1")).accepted
        return decision

    monkeypatch.setattr(refunds, "decide_refund", slow)
    assert notify(refund_of(60, "2")).accepted

    assert Refund.objects.get().out_refund_no == "1"
    assert told == [f"REFUND_SETTLED {NUMBER}", f"CONFLICTED {NUMBER}"]


def test_a_refund_number_of_another_order_moves_nothing(paid: Order, told: list[str]) -> None:
    other = new_order(out_trade_no="OTHER001")
    Order.objects.filter(pk=other.pk).update(trade_state="SUCCESS", transaction_id="43")
    assert notify(refund_of(60, "1", refund_status="PROCESSING")).accepted
    body = refund_notice(
        "OTHER001", transaction_id="43", out_refund_no="1", amount={"total": 100, "refund": 60}
    )

    assert notify(body).accepted
    assert (Refund.objects.get().refund_status, Refund.objects.get().order) == ("PROCESSING", paid)
    assert told == ["CONFLICTED OTHER001"]


def test_a_refund_id_is_one_refunds(paid: Order, told: list[str]) -> None:
    amount = {"total": 100, "refund": 30}
    assert notify(refund_notice(NUMBER, out_refund_no="1", amount=amount)).accepted
    assert notify(refund_notice(NUMBER, out_refund_no="2", amount=amount)).accepted
    other = refund_notice(NUMBER, out_refund_no="1", amount=amount, refund_id="503")
    assert notify(other).accepted

    assert Refund.objects.get().out_refund_no == "1"
    assert told == [f"REFUND_SETTLED {NUMBER}", *[f"CONFLICTED {NUMBER}"] * 2]


def test_a_conflict_of_a_refund_has_its_order_asked_for(paid: Order) -> None:
    assert notify(refund_of(101, "1")).accepted
    paid.refresh_from_db()
    assert paid.next_check_at is not None
