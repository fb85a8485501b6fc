"""Queries of refunds: what WeChat Pay says settles them, whoever made them."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.exceptions import OutcomeUnknown, Refused
from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.services import clock
from django_wxpay.services.refunds import creating
from django_wxpay.services.refunds.checking import check_refund
from django_wxpay.services.sync.checking import check_hint_within
from tests.protocol.v2.test_refund_notices import notice as hint
from tests.services.refunds.conftest import Till
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, refused, standing

pytestmark = pytest.mark.django_db
LOST = requests.ReadTimeout()


@pytest.fixture
def refund(paid: Order, till: Till) -> Refund:
    return services.create_refund(paid, refund_fee=45, out_refund_no="R1")


def test_a_query_settles_the_refund_once(
    refund: Refund, till: Till, settled: list[tuple[str, str]]
) -> None:
    assert services.query_refund(refund).refund_status == "PROCESSING"
    assert settled == []
    till.status = "SUCCESS"
    for _ in range(2):
        found = services.query_refund(refund)
    assert (found.refund_status, found.user_received_account) == ("SUCCESS", "零钱")
    assert found.success_time is not None
    assert found.next_check_at is None
    assert settled == [("R1", "SUCCESS")]
    order = Order.objects.get()
    assert (order.refunded_fee, order.refundable) == (45, 55)


@pytest.mark.parametrize(
    ("word", "status", "left"), [("REFUNDCLOSE", "CLOSED", 100), ("CHANGE", "ABNORMAL", 55)]
)
def test_the_other_endings_are_those_of_the_table(
    refund: Refund, till: Till, settled: list[Any], word: str, status: str, left: int
) -> None:
    till.status = word
    found = services.query_refund(refund)
    assert (found.refund_status, found.order.refundable) == (status, left)
    assert settled == [("R1", status)]
    # What is stuck is asked for again; what is closed is over.
    assert (found.next_check_at is None) == (status == "CLOSED")
    if status == "CLOSED":
        again = services.create_refund(found.order, refund_fee=100, out_refund_no="R2")
        assert again.position == 2


def test_a_status_that_contradicts_is_a_conflict_and_changes_nothing(
    refund: Refund, till: Till
) -> None:
    till.status = "SUCCESS"
    services.query_refund(refund)
    till.status = "REFUNDCLOSE"
    assert services.query_refund(refund).refund_status == "SUCCESS"
    assert OrderEvent.objects.filter(kind="CONFLICTED").count() == 1


def test_a_refund_that_wechat_pay_does_not_have_is_said_to_be_missing(
    refund: Refund, till: Till
) -> None:
    till.kept.clear()
    with pytest.raises(Refused) as caught:
        services.query_refund(refund)
    assert caught.value.kind == "REFUNDNOTEXIST"
    refund.refresh_from_db()
    assert refund.refund_status == "PROCESSING"


def test_all_refunds_of_an_order_are_found_those_of_the_platform_too(
    refund: Refund, till: Till, gateway: ScriptedTransport
) -> None:
    till.kept["MP1"] = {"out_refund_no": "MP1", "refund_id": "5039", "refund_fee": 30}
    found = services.query_refunds(refund.order)
    assert [(each.out_refund_no, each.position) for each in found] == [("R1", 1), ("MP1", 2)]
    assert refund.order.refundable == 25
    sent = gateway.calls[-1][1]
    assert (sent["offset"], "transaction_id" in sent) == ("0", False)


def test_an_order_that_is_refunded_elsewhere_finds_its_refunds_by_the_query(
    paid: Order, till: Till, gateway: ScriptedTransport
) -> None:
    gateway.answers["/pay/orderquery"] = standing("REFUND", **PAID)
    till.kept["MP1"] = {"out_refund_no": "MP1", "refund_id": "5039", "refund_fee": 30}
    till.status = "SUCCESS"
    services.query_order(paid)
    assert (paid.trade_state, paid.refunded_fee) == ("REFUND", 30)
    # Once there is one, a query of the order costs one call again.
    services.query_order(paid)
    assert gateway.paths() == ["/pay/orderquery", "/pay/refundquery", "/pay/orderquery"]


def test_a_refund_that_was_refused_explains_no_refunded_order(
    paid: Order, till: Till, gateway: ScriptedTransport
) -> None:
    gateway.answers["/secapi/pay/refund"] = refused("NOTENOUGH")
    with pytest.raises(Refused):
        services.create_refund(paid, refund_fee=100, out_refund_no="R1")
    gateway.answers["/pay/orderquery"] = standing("REFUND", **PAID)
    till.kept["MP1"] = {"out_refund_no": "MP1", "refund_id": "5039", "refund_fee": 30}
    till.status = "SUCCESS"
    services.query_order(paid)
    assert (paid.trade_state, paid.refunded_fee, paid.refundable) == ("REFUND", 30, 70)


def test_refunds_that_are_not_found_leave_the_order_as_it_was_answered(
    paid: Order, till: Till, gateway: ScriptedTransport
) -> None:
    gateway.answers["/pay/orderquery"] = standing("REFUND", **PAID)
    gateway.answers["/pay/refundquery"] = LOST
    assert services.query_order(paid).trade_state == "REFUND"
    assert Refund.objects.count() == 0


# --- checks


def test_a_refund_that_never_arrived_is_sent_again_under_its_number(
    paid: Order, till: Till, gateway: ScriptedTransport
) -> None:
    gateway.answers["/secapi/pay/refund"] = LOST
    with pytest.raises(OutcomeUnknown):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    gateway.answers["/secapi/pay/refund"] = till.refund

    assert check_refund(Refund.objects.get())
    assert gateway.paths()[1:] == ["/pay/refundquery", "/secapi/pay/refund"]
    assert Refund.objects.get().is_proven
    assert check_refund(Refund.objects.get())
    assert gateway.paths()[3:] == ["/pay/refundquery"]


def test_a_refund_that_is_refused_when_it_is_sent_again_is_closed(
    paid: Order, till: Till, gateway: ScriptedTransport, settled: list[Any]
) -> None:
    gateway.answers["/secapi/pay/refund"] = LOST
    with pytest.raises(OutcomeUnknown):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert not check_refund(Refund.objects.get()), "no answer, so it stays due"
    assert settled == []
    gateway.answers["/secapi/pay/refund"] = refused("TRADE_OVERDUE")
    assert check_refund(Refund.objects.get())
    assert settled == [("R1", "CLOSED")]
    assert paid.refundable == 100


@pytest.mark.parametrize("answer", [LOST, refused("SIGNERROR")])
def test_a_check_without_an_answer_raises_nothing(
    refund: Refund, gateway: ScriptedTransport, answer: Any
) -> None:
    gateway.answers["/pay/refundquery"] = answer
    assert not check_refund(refund)


def test_a_refund_that_another_process_is_sending_is_not_waited_for(
    paid: Order, till: Till, gateway: ScriptedTransport
) -> None:
    gateway.answers["/secapi/pay/refund"] = LOST
    with pytest.raises(OutcomeUnknown):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    refund = Refund.objects.get()
    assert creating._lease(refund, 60.0)
    gateway.calls.clear()

    assert not check_refund(refund)
    assert gateway.paths() == ["/pay/refundquery"]


def test_a_proven_refund_that_wechat_pay_does_not_have_is_not_sent_again(
    refund: Refund, till: Till, gateway: ScriptedTransport
) -> None:
    till.kept.clear()
    assert not check_refund(refund)
    assert gateway.paths() == ["/secapi/pay/refund", "/pay/refundquery"]


# --- hints


def test_a_hint_is_confirmed_by_a_query_before_anything_is_settled(
    paid: Order, till: Till, gateway: ScriptedTransport, settled: list[tuple[str, str]]
) -> None:
    till.kept["R9"] = {"out_refund_no": "R9", "refund_id": "5039", "refund_fee": 30}
    till.status = "SUCCESS"
    body = hint(out_refund_no="R9", refund_fee=88, refund_status="CHANGE")
    assert services.receive_notification("default", "refund", {}, body).accepted

    (refund,) = Refund.objects.all()
    assert (refund.refund_fee, refund.refund_status, refund.position) == (30, "SUCCESS", 1)
    assert settled == [("R9", "SUCCESS")]
    assert gateway.paths() == ["/pay/refundquery"]
    # Its repetition asks for nothing.
    assert services.receive_notification("default", "refund", {}, body).accepted
    assert len(gateway.calls) == 1


def test_a_hint_at_what_wechat_pay_does_not_have_stays_one_and_is_never_sent(
    paid: Order, till: Till, gateway: ScriptedTransport
) -> None:
    for number in ("R7", "R8", "R9"):
        body = hint(out_refund_no=number, refund_fee=30)
        assert services.receive_notification("default", "refund", {}, body).accepted
    assert gateway.paths() == ["/pay/refundquery"], "one call a minute for one order"
    assert [each.is_hint for each in Refund.objects.all()] == [True] * 3
    # A hint takes no money from anybody.
    assert paid.refundable == 100


def test_a_hint_about_our_own_refund_has_it_asked_for(
    refund: Refund, till: Till, settled: list[tuple[str, str]]
) -> None:
    till.status = "SUCCESS"
    body = hint(out_refund_no="R1", refund_fee=45)
    assert services.receive_notification("default", "refund", {}, body).accepted
    assert settled == [("R1", "SUCCESS")]


def test_a_hint_is_not_asked_for_twice_within_a_minute(
    refund: Refund, gateway: ScriptedTransport
) -> None:
    for status in ("SUCCESS", "CHANGE"):
        body = hint(out_refund_no="R1", refund_fee=45, refund_status=status)
        assert services.receive_notification("default", "refund", {}, body).accepted
    assert gateway.paths() == ["/secapi/pay/refund", "/pay/refundquery"]


@pytest.mark.parametrize("is_counted", [True, False])
def test_all_pages_of_an_orders_refunds_are_read(
    paid: Order, gateway: ScriptedTransport, is_counted: bool
) -> None:
    def page(sent: dict[str, str]) -> dict[str, Any]:
        offset = int(sent["offset"])
        numbers = range(offset, min(offset + 10, 23))
        fields: dict[str, Any] = {
            "out_trade_no": paid.out_trade_no,
            "transaction_id": paid.transaction_id,
            "total_fee": 100,
            "refund_count": len(numbers),
        }
        for index, number in enumerate(numbers):
            fields |= {
                f"out_refund_no_{index}": f"R{number}",
                f"refund_id_{index}": f"503{number}",
                f"refund_fee_{index}": 1,
                f"refund_status_{index}": "SUCCESS",
            }
        return fields | ({"total_refund_count": 23} if is_counted else {})

    gateway.answers["/pay/refundquery"] = page
    assert len(services.query_refunds(paid)) == 23
    assert [sent["offset"] for _, sent in gateway.calls] == ["0", "10", "20"]
    assert paid.refunded_fee == 23


def test_of_two_deliveries_of_a_hint_at_one_moment_one_asks(
    refund: Refund, gateway: ScriptedTransport
) -> None:
    now = clock.now()
    # As the second finds the row that the first has just taken its turn of.
    Refund.objects.update(next_check_at=now, checked_at=now)
    check_hint_within("default", "R1", 1.0)
    assert gateway.paths() == ["/secapi/pay/refund"]


def refused_once(paid: Order, gateway: ScriptedTransport) -> Refund:
    """Return a refund that WeChat Pay has refused, and could not be asked for since."""
    gateway.answers["/secapi/pay/refund"] = refused("NOTENOUGH")
    gateway.answers["/pay/refundquery"] = LOST
    with pytest.raises(Refused):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    return Refund.objects.get()


def test_a_refused_refund_that_is_being_sent_again_is_not_closed_by_a_query(
    paid: Order, till: Till, gateway: ScriptedTransport, settled: list[Any]
) -> None:
    asked = refused_once(paid, gateway)

    def sent_meanwhile(_sent: dict[str, str]) -> Any:
        assert creating._lease(Refund.objects.get(), 60.0)
        return refused("REFUNDNOTEXIST")

    gateway.answers["/pay/refundquery"] = sent_meanwhile
    assert services.query_refund(asked).refund_status == "PROCESSING"
    # Its money is nobody else's while it may still arrive.
    assert (paid.refundable, settled) == (55, [])


def test_a_refund_that_was_sent_and_refused_again_meanwhile_is_not_closed_by_an_older_answer(
    paid: Order, till: Till, gateway: ScriptedTransport, settled: list[Any]
) -> None:
    asked = refused_once(paid, gateway)

    def sent_meanwhile(_sent: dict[str, str]) -> Any:
        # It is taken this time, under words that this version does not know.
        gateway.answers["/secapi/pay/refund"] = refused("TAKEN_AND_SLOW")
        with pytest.raises(Refused):
            services.create_refund(paid, refund_fee=45, out_refund_no="R1")
        return refused("REFUNDNOTEXIST")

    gateway.answers["/pay/refundquery"] = sent_meanwhile
    assert services.query_refund(asked).refund_status == "PROCESSING"
    assert (paid.refundable, settled) == (55, [])

    # An answer that is asked for afterwards counts.
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    assert services.query_refund(asked).refund_status == "CLOSED"
    assert (paid.refundable, settled) == (100, [("R1", "CLOSED")])


def test_the_refusal_of_a_call_that_lost_its_lease_closes_nothing_that_is_sent_again(
    paid: Order, till: Till, gateway: ScriptedTransport, settled: list[Any]
) -> None:
    def sent_meanwhile(_sent: dict[str, str]) -> Any:
        # This process slept for longer than its lease, and another one sends it now.
        Refund.objects.update(sending_until=None)
        assert creating._lease(Refund.objects.get(), 60.0)
        return refused("NOTENOUGH")

    gateway.answers["/secapi/pay/refund"] = sent_meanwhile
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    with pytest.raises(Refused, match="NOTENOUGH"):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")

    refund = Refund.objects.get()
    assert (refund.refund_status, refund.err_code) == ("PROCESSING", "")
    assert (paid.refundable, settled) == (55, [])


# --- an answer is about a moment


def settlements() -> list[OrderEvent]:
    return list(OrderEvent.objects.filter(kind="REFUND_SETTLED").order_by("id"))


@pytest.mark.parametrize(
    ("asked_in", "answer", "state"),
    [
        ("PROCESSING", "PROCESSING", "ABNORMAL"),
        ("ABNORMAL", "CHANGE", "PROCESSING"),
        ("ABNORMAL", "CHANGE", "SUCCESS"),
        ("ABNORMAL", "CHANGE", "CLOSED"),
    ],
)
@pytest.mark.parametrize("ask", ["query_refund", "query_refunds"])
def test_an_answer_from_before_a_refund_moved_applies_nothing_and_is_asked_for_again(
    refund: Refund,
    till: Till,
    gateway: ScriptedTransport,
    settled: list[Any],
    ask: str,
    asked_in: str,
    answer: str,
    state: str,
) -> None:
    Refund.objects.update(refund_status=asked_in)
    words = iter([answer, {"ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}.get(state, state)])

    def moved_while_asked(sent: dict[str, str]) -> dict[str, Any]:
        till.status = next(words)
        Refund.objects.update(refund_status=state)
        return till.query(sent)

    gateway.answers["/pay/refundquery"] = moved_while_asked
    gateway.calls.clear()
    getattr(services, ask)(refund if ask == "query_refund" else refund.order)

    assert Refund.objects.get().refund_status == state
    assert gateway.paths() == ["/pay/refundquery"] * 2
    assert OrderEvent.objects.exclude(kind="MOVED").count() == 0
    assert settled == []


def test_the_answer_to_a_request_says_nothing_against_what_was_stated_since(
    paid: Order, till: Till, gateway: ScriptedTransport, settled: list[Any]
) -> None:
    def stuck_meanwhile(sent: dict[str, str]) -> dict[str, Any]:
        answer = till.refund(sent)
        # A notification is faster than the answer.
        Refund.objects.update(refund_status="ABNORMAL", refund_id=answer["refund_id"])
        return answer

    gateway.answers["/secapi/pay/refund"] = stuck_meanwhile
    till.status = "CHANGE"
    refund = services.create_refund(paid, refund_fee=45, out_refund_no="R1")

    assert refund.refund_status == "ABNORMAL"
    assert gateway.paths() == ["/secapi/pay/refund", "/pay/refundquery"]
    assert settled == []


def test_a_refund_that_moves_at_each_question_is_unknown(
    refund: Refund, till: Till, gateway: ScriptedTransport
) -> None:
    states = iter(["ABNORMAL", "PROCESSING"] * 4)

    def moves(sent: dict[str, str]) -> dict[str, Any]:
        state = next(states)
        Refund.objects.update(refund_status=state)
        till.status = "PROCESSING" if state == "ABNORMAL" else "CHANGE"
        return till.query(sent)

    gateway.answers["/pay/refundquery"] = moves
    gateway.calls.clear()
    with pytest.raises(OutcomeUnknown, match="keeps moving"):
        services.query_refund(refund)
    assert gateway.paths() == ["/pay/refundquery"] * 4
    assert settlements() == []
