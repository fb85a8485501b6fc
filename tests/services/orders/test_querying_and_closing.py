"""Asking and closing: what WeChat Pay says is settled, what it does not say changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.exceptions import InvalidOrder, OutcomeUnknown, Refused
from django_wxpay.models import Notification, Order, OrderEvent, Promotion
from django_wxpay.signals import order_closed, order_conflicted, order_paid
from tests.services.conftest import new_order
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, payment_notice, refused, standing

pytestmark = pytest.mark.django_db


@pytest.fixture
def dispatched() -> Any:
    seen: list[tuple[str, str]] = []

    def receive(name: str) -> Any:
        def receiver(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
            seen.append((name, order.trade_state))

        return receiver

    receivers = [
        (order_paid, receive("paid")),
        (order_closed, receive("closed")),
        (order_conflicted, receive("conflicted")),
    ]
    for signal, receiver in receivers:
        signal.connect(receiver)
    yield seen
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def test_a_query_settles_the_payment_in_every_detail(
    gateway: ScriptedTransport,
    order: Order,
    dispatched: list[tuple[str, str]],
) -> None:
    promotion = (
        '{"promotion_detail":[{"promotion_id":"109519","name":"Tea-6","scope":"SINGLE",'
        '"type":"DISCOUNT","amount":5,"activity_id":"931386","wxpay_contribute":0,'
        '"merchant_contribute":5,"other_contribute":0,"goods_detail":[{"goods_id":"tea",'
        '"goods_remark":"green","quantity":1,"price":100,"discount_amount":5}]}]}'
    )
    gateway.answers["/pay/orderquery"] = standing(
        "SUCCESS",
        **PAID
        | {
            "cash_fee": 70,
            "coupon_fee": 30,
            "coupon_count": 2,
            "coupon_id_0": "10000",
            "coupon_type_0": "CASH",
            "coupon_fee_0": 20,
            "coupon_id_1": "10001",
            "coupon_type_1": "NO_CASH",
            "coupon_fee_1": 10,
            "settlement_total_fee": 90,
            "rate_value": 80000000,
            "promotion_detail": promotion,
        },
    )

    assert services.query_order(order) is order

    order.refresh_from_db()
    assert (order.trade_state, order.trade_state_desc) == ("SUCCESS", "in SUCCESS")
    assert order.transaction_id == PAID["transaction_id"]
    assert order.success_time == datetime(2025, 12, 31, 16, 1, 30, tzinfo=UTC)
    assert (order.bank_type, order.payer_openid) == ("OTHERS", PAID["openid"])
    assert (order.cash_fee, order.coupon_fee, order.settlement_total_fee) == (70, 30, 90)
    assert order.coupons == [
        {"coupon_id": "10000", "coupon_type": "CASH", "coupon_fee": 20},
        {"coupon_id": "10001", "coupon_type": "NO_CASH", "coupon_fee": 10},
    ]
    assert order.exchange_rate == Decimal("0.8")
    row = Promotion.objects.get()
    assert (row.order, row.promotion_id, row.merchant_contribute_amount) == (order, "109519", 5)
    assert row.goods_detail == [
        {
            "goods_id": "tea",
            "goods_remark": "green",
            "quantity": 1,
            "price": 100,
            "discount_amount": 5,
        },
    ]
    assert dispatched == [("paid", "SUCCESS")]


def test_asking_again_changes_nothing_and_tells_nobody(
    gateway: ScriptedTransport,
    order: Order,
    dispatched: list[tuple[str, str]],
) -> None:
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    services.query_order(order)
    updated_at = order.updated_at
    services.query_order(order)

    order.refresh_from_db()
    assert order.updated_at == updated_at
    assert OrderEvent.objects.count() == 1
    assert dispatched == [("paid", "SUCCESS")]


def test_a_later_answer_fills_blanks_and_rewrites_nothing(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    without_bank = {name: value for name, value in PAID.items() if name != "bank_type"}
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **without_bank)
    services.query_order(order)
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID | {"openid": "somebody-else"})
    services.query_order(order)

    order.refresh_from_db()
    assert order.bank_type == "OTHERS"
    assert order.payer_openid == PAID["openid"]


@pytest.mark.parametrize(
    ("state", "expected", "received"),
    [
        ("NOTPAY", "NOTPAY", []),
        ("USERPAYING", "USERPAYING", []),
        ("PAYERROR", "PAYERROR", []),
        ("CLOSED", "CLOSED", [("closed", "CLOSED")]),
        ("REVOKED", "REVOKED", [("closed", "REVOKED")]),
        ("REFUND", "REFUND", [("conflicted", "REFUND")]),
    ],
)
def test_every_trade_state_moves_a_new_order(
    gateway: ScriptedTransport,
    order: Order,
    dispatched: list[tuple[str, str]],
    state: str,
    expected: str,
    received: list[tuple[str, str]],
) -> None:
    gateway.answers["/pay/orderquery"] = standing(state)
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    services.query_order(order)

    assert order.trade_state == expected
    assert order.trade_state_desc == f"in {state}"
    assert dispatched == received
    assert OrderEvent.objects.count() == 1


def test_an_order_first_seen_as_refunded_is_not_told_as_paid_then_or_later(
    gateway: ScriptedTransport,
    order: Order,
    dispatched: list[tuple[str, str]],
) -> None:
    services.unified_order(order)
    gateway.answers["/pay/orderquery"] = standing("REFUND", **PAID)
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    services.query_order(order)
    services.receive_notification("default", "payment", {}, payment_notice(order.out_trade_no))

    order.refresh_from_db()
    assert (order.trade_state, order.transaction_id) == ("REFUND", PAID["transaction_id"])
    assert dispatched == [("conflicted", "REFUND")]
    event = OrderEvent.objects.get(kind="CONFLICTED")
    assert (event.from_state, event.to_state) == ("NOTPAY", "REFUND")
    assert event.detail == {"differences": [["trade_state", "NOTPAY", "REFUND"]]}


def test_two_promotions_of_one_id_are_two_and_stay_two(
    gateway: ScriptedTransport, order: Order
) -> None:
    def told(*ids_and_amounts: tuple[str, int]) -> str:
        rows = [{"promotion_id": name, "amount": amount} for name, amount in ids_and_amounts]
        return json.dumps({"promotion_detail": rows})

    long = "9" * 70
    first = told(("1", 5), ("1", 7), ("2", 1), (long + "a", 2), (long + "b", 3))
    again = told(("2", 1), ("1", 5), (long + "a", 2), ("1", 7), (long + "b", 3))
    for answer in (first, again):
        gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID, promotion_detail=answer)
        services.query_order(order)

    assert [row.amount for row in order.promotions.order_by("id")] == [5, 7, 1, 2, 3]


def test_a_late_notpay_never_undoes_success(gateway: ScriptedTransport, order: Order) -> None:
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    services.query_order(order)
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    services.query_order(order)

    order.refresh_from_db()
    assert (order.trade_state, order.trade_state_desc) == ("SUCCESS", "in SUCCESS")
    assert OrderEvent.objects.count() == 1


def test_a_move_without_words_drops_the_words_of_the_old_state(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    services.query_order(order)
    gateway.answers["/pay/closeorder"] = {}
    services.close_order(order)

    assert (order.trade_state, order.trade_state_desc) == ("CLOSED", "")


def test_other_money_is_a_conflict_that_leaves_the_order_and_is_told_once(
    gateway: ScriptedTransport,
    order: Order,
    dispatched: list[tuple[str, str]],
) -> None:
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID | {"total_fee": 1})
    services.query_order(order)
    services.query_order(order)

    order.refresh_from_db()
    assert (order.trade_state, order.transaction_id) == ("CREATED", "")
    event = OrderEvent.objects.get()
    assert event.kind == "CONFLICTED"
    assert event.detail == {"differences": [["total_fee", "100", "1"]]}
    assert dispatched == [("conflicted", "CREATED")]


def test_an_order_that_wechat_pay_does_not_know_is_a_refusal(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    gateway.answers["/pay/orderquery"] = refused("ORDERNOTEXIST")
    with pytest.raises(Refused, match="ORDERNOTEXIST"):
        services.query_order(order)

    order.refresh_from_db()
    assert order.trade_state == "CREATED"


def test_closing_closes_and_tells(
    gateway: ScriptedTransport,
    order: Order,
    dispatched: list[tuple[str, str]],
) -> None:
    services.unified_order(order)
    gateway.answers["/pay/closeorder"] = {}
    assert services.close_order(order).trade_state == "CLOSED"
    assert services.close_order(order).trade_state == "CLOSED"

    assert gateway.paths() == ["/pay/unifiedorder", "/pay/closeorder"]
    assert dispatched == [("closed", "CLOSED")]


def test_an_order_closed_already_is_closed(gateway: ScriptedTransport, order: Order) -> None:
    gateway.answers["/pay/closeorder"] = refused("ORDERCLOSED")

    assert services.close_order(order).trade_state == "CLOSED"


def test_closing_what_turns_out_to_be_paid_settles_the_payment(
    gateway: ScriptedTransport,
    order: Order,
    dispatched: list[tuple[str, str]],
) -> None:
    gateway.answers["/pay/closeorder"] = refused("ORDERPAID")
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    with pytest.raises(Refused, match="ORDERPAID"):
        services.close_order(order)
    with pytest.raises(Refused, match="ORDERPAID"):
        services.close_order(order)

    assert order.trade_state == "SUCCESS"
    assert gateway.paths() == ["/pay/closeorder", "/pay/orderquery"]
    assert dispatched == [("paid", "SUCCESS")]


def test_a_busy_gateway_leaves_a_close_unknown_and_the_order_open(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    gateway.answers["/pay/closeorder"] = refused("SYSTEMERROR")
    with pytest.raises(OutcomeUnknown, match="busy"):
        services.close_order(order)

    order.refresh_from_db()
    assert (order.trade_state, order.err_code) == ("CREATED", "")
    assert gateway.paths() == ["/pay/closeorder", "/pay/closeorder"]


@pytest.mark.parametrize("answer", [refused("TRADE_STATE_ERROR"), refused("ORDERNOTEXIST")])
def test_a_refused_close_leaves_the_order_open(
    gateway: ScriptedTransport,
    order: Order,
    answer: dict[str, str],
) -> None:
    gateway.answers["/pay/closeorder"] = answer
    with pytest.raises(Refused):
        services.close_order(order)

    order.refresh_from_db()
    assert order.trade_state == "CREATED"


def test_an_unanswered_close_leaves_the_order_open(
    gateway: ScriptedTransport, order: Order
) -> None:
    gateway.answers["/pay/closeorder"] = requests.ReadTimeout()
    with pytest.raises(OutcomeUnknown):
        services.close_order(order)

    order.refresh_from_db()
    assert order.trade_state == "CREATED"


def test_an_institutions_order_is_asked_for_under_its_sub_merchant(
    gateway: ScriptedTransport,
) -> None:
    order = new_order(merchant="institution")
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    services.query_order(order)

    assert gateway.calls[0][1]["sub_mch_id"] == "1900000200"
    assert gateway.calls[0][1]["sign_type"] == "MD5"
    assert order.trade_state == "NOTPAY"


@pytest.mark.parametrize("api", ["v9", "V3", 3, ["v2"]])
def test_a_protocol_that_there_is_not_is_named(
    gateway: ScriptedTransport,
    order: Order,
    api: Any,
) -> None:
    with pytest.raises(InvalidOrder, match="api: is no protocol"):
        services.query_order(order, api=api)
    assert gateway.calls == []


# --- an answer is about a moment


def moved_while_asked(state: str, *answers: Any) -> Any:
    """Answer as WeChat Pay did before the order moved here, and then as it does now."""
    left = list(answers)

    def answer(sent: Any) -> Any:
        found = left.pop(0) if len(left) > 1 else left[0]
        Order.objects.update(trade_state=state)
        return found(dict(sent))

    return answer


@pytest.mark.parametrize(
    ("asked_in", "answer", "state"),
    [("SUCCESS", "SUCCESS", "REVOKED"), ("CLOSED", "CLOSED", "SUCCESS")],
    ids=["reversed since", "paid behind the close since"],
)
def test_an_answer_from_before_a_move_is_no_conflict_and_is_asked_for_again(
    gateway: ScriptedTransport,
    order: Order,
    dispatched: list[tuple[str, str]],
    asked_in: str,
    answer: str,
    state: str,
) -> None:
    Order.objects.update(trade_state=asked_in)
    order.refresh_from_db()
    older, now = (standing(each, **PAID) for each in (answer, state))
    gateway.answers["/pay/orderquery"] = moved_while_asked(state, older, now)

    assert services.query_order(order).trade_state == state
    assert gateway.paths() == ["/pay/orderquery"] * 2
    assert OrderEvent.objects.count() == 0
    assert dispatched == []


def test_an_answer_that_contradicts_in_the_state_that_it_was_asked_in_is_a_conflict(
    gateway: ScriptedTransport, order: Order, dispatched: list[tuple[str, str]]
) -> None:
    Order.objects.update(trade_state="SUCCESS")
    order.refresh_from_db()
    paid = standing("SUCCESS", **PAID)
    gateway.answers["/pay/orderquery"] = moved_while_asked("REVOKED", paid, paid)

    assert services.query_order(order).trade_state == "REVOKED"
    assert gateway.paths() == ["/pay/orderquery"] * 2
    assert OrderEvent.objects.get().kind == "CONFLICTED"
    assert dispatched == [("conflicted", "REVOKED")]


def test_an_order_that_moves_at_each_question_is_unknown(
    gateway: ScriptedTransport, order: Order
) -> None:
    states = iter(["REVOKED", "SUCCESS"] * 4)
    Order.objects.update(trade_state="SUCCESS")
    order.refresh_from_db()

    def answer(sent: Any) -> Any:
        state = next(states)
        Order.objects.update(trade_state=state)
        return standing("SUCCESS" if state == "REVOKED" else "CLOSED", **PAID)(dict(sent))

    gateway.answers["/pay/orderquery"] = answer
    with pytest.raises(OutcomeUnknown, match="keeps moving"):
        services.query_order(order)
    assert gateway.paths() == ["/pay/orderquery"] * 4
    assert OrderEvent.objects.count() == 0


def test_a_payment_notified_of_after_its_reversal_is_asked_for_and_no_conflict(
    gateway: ScriptedTransport, order: Order, dispatched: list[tuple[str, str]]
) -> None:
    Order.objects.update(trade_state="REVOKED", transaction_id=PAID["transaction_id"])
    body = payment_notice(order)
    assert services.receive_notification("default", "payment", {}, body).accepted
    assert Notification.objects.get().outcome == "APPLIED"
    assert OrderEvent.objects.count() == 0

    gateway.answers["/pay/orderquery"] = standing("REVOKED")
    assert services.sync_orders().settled == 1
    assert OrderEvent.objects.count() == 0
    assert dispatched == []


def test_a_payment_notified_of_after_a_reversal_that_a_query_confirms_is_a_conflict(
    gateway: ScriptedTransport, order: Order, dispatched: list[tuple[str, str]]
) -> None:
    Order.objects.update(trade_state="REVOKED")
    body = payment_notice(order)
    assert services.receive_notification("default", "payment", {}, body).accepted
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    assert services.sync_orders().settled == 1

    assert Order.objects.get().trade_state == "REVOKED"
    assert dispatched == [("conflicted", "REVOKED")]
