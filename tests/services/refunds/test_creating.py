"""Refunds as a shop makes them: taken first, sent under one number, never twice."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import requests
from django.db import DatabaseError, InterfaceError

from django_wxpay import services
from django_wxpay.exceptions import (
    ConfigurationError,
    InsideTransaction,
    InvalidRefund,
    NotRefundable,
    OrderBusy,
    OutcomeUnknown,
    RefundConflict,
    Refused,
)
from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.services import claims
from django_wxpay.services.refunds import creating
from django_wxpay.services.refunds.checking import check_refund
from django_wxpay.services.transactions import atomic
from django_wxpay.services.transitions import refund_requests
from tests.services.conftest import new_order
from tests.services.refunds.conftest import NOTIFY_URL, NUMBER, TRANSACTION, Till, accepted
from tests.undone import undone_once
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused

pytestmark = pytest.mark.django_db
LOST = requests.ReadTimeout()


def test_a_refund_is_sent_with_every_field_and_is_accepted_not_paid_back(
    paid: Order, gateway: ScriptedTransport, till: Till, settled: list[Any]
) -> None:
    refund = services.create_refund(
        paid, refund_fee=45, out_refund_no="R1", refund_desc="broken cup"
    )

    (path, sent), *others = gateway.calls
    assert (path, others) == ("/secapi/pay/refund", [])
    assert {
        name: sent[name]
        for name in sent
        if name not in {"appid", "mch_id", "nonce_str", "sign", "sign_type"}
    } == {
        "transaction_id": TRANSACTION,
        "out_refund_no": "R1",
        "total_fee": "100",
        "refund_fee": "45",
        "refund_fee_type": "CNY",
        "refund_desc": "broken cup",
        "notify_url": NOTIFY_URL,
    }
    assert (refund.refund_status, refund.position) == ("PROCESSING", 1)
    assert refund.is_proven
    assert refund.next_check_at is not None
    assert settled == [], "accepted is not paid back"
    paid.refresh_from_db()
    assert (paid.trade_state, paid.refundable, paid.refunded_fee) == ("REFUND", 55, 0)
    assert [event.kind for event in OrderEvent.objects.all()] == ["MOVED"]


def test_the_same_number_and_amount_again_is_the_same_refund_without_a_call(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    first = services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    again, is_new = services.get_or_create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert (again.pk, is_new) == (first.pk, False)
    assert gateway.paths() == ["/secapi/pay/refund"]


def test_without_a_number_each_call_is_one_refund_more(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    numbers = {services.create_refund(paid, refund_fee=50).out_refund_no for _ in range(2)}
    assert len(numbers) == 2
    assert paid.refundable == 0


@pytest.mark.parametrize(
    ("fields", "names"),
    [({"refund_fee": 44}, ("refund_fee",)), ({"order": NUMBER + "X"}, ("order",))],
)
def test_the_same_number_for_anything_else_is_a_conflict(
    paid: Order,
    gateway: ScriptedTransport,
    till: Till,
    fields: dict[str, Any],
    names: tuple[str, ...],
) -> None:
    services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    other = new_order(out_trade_no=NUMBER + "X")
    Order.objects.filter(pk=other.pk).update(trade_state="SUCCESS", transaction_id="42")
    order = other if "order" in fields else paid

    with pytest.raises(RefundConflict) as caught:
        services.create_refund(order, refund_fee=fields.get("refund_fee", 45), out_refund_no="R1")
    assert (caught.value.out_refund_no, caught.value.fields) == ("R1", names)
    assert (len(gateway.calls), Refund.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"refund_fee": 0}, "refund_fee"),
        ({"refund_fee": -1}, "refund_fee"),
        ({"refund_fee": 1.0}, "refund_fee"),
        ({"refund_fee": "45"}, "refund_fee"),
        ({"refund_fee": True}, "refund_fee"),
        ({"refund_fee": None}, "refund_fee"),
        ({"refund_fee": 2**40}, "refund_fee"),
        ({"out_refund_no": ""}, "out_refund_no"),
        ({"out_refund_no": "R 1"}, "out_refund_no"),
        ({"out_refund_no": "R" * 65}, "out_refund_no"),
        ({"out_refund_no": 7}, "out_refund_no"),
        ({"refund_desc": "x" * 81}, "refund_desc"),
        ({"refund_desc": "a\x00b"}, "refund_desc"),
        ({"refund_desc": b"x"}, "refund_desc"),
    ],
)
def test_what_breaks_a_rule_writes_and_sends_nothing(
    paid: Order, gateway: ScriptedTransport, till: Till, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRefund) as caught:
        services.create_refund(paid, **{"refund_fee": 45, "out_refund_no": "R1"} | fields)
    assert caught.value.field == field
    assert (gateway.calls, Refund.objects.count()) == ([], 0)


def test_more_than_is_left_is_not_sent(paid: Order, gateway: ScriptedTransport, till: Till) -> None:
    services.create_refund(paid, refund_fee=60, out_refund_no="R1")
    with pytest.raises(NotRefundable) as caught:
        services.create_refund(paid, refund_fee=41, out_refund_no="R2")
    assert (caught.value.refundable, caught.value.field) == (40, "refund_fee")
    assert "at most 40" in str(caught.value)
    services.create_refund(paid, refund_fee=40, out_refund_no="R3")
    with pytest.raises(NotRefundable):
        services.create_refund(paid, refund_fee=1, out_refund_no="R4")
    assert len(gateway.calls) == 2
    assert sorted(till.kept) == ["R1", "R3"]


@pytest.mark.parametrize("state", ["CREATED", "NOTPAY", "USERPAYING", "CLOSED", "REVOKED"])
def test_an_order_that_is_not_paid_has_nothing_to_refund(
    paid: Order, gateway: ScriptedTransport, till: Till, state: str
) -> None:
    Order.objects.update(trade_state=state)
    with pytest.raises(NotRefundable) as caught:
        services.create_refund(paid, refund_fee=1)
    assert caught.value.refundable == 0
    paid.refresh_from_db()
    assert paid.refundable == 0
    assert gateway.calls == []


def test_an_order_has_fifty_refunds_at_most(
    paid: Order, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refund_requests, "MOST_REFUNDS", 2)
    for number in ("R1", "R2"):
        services.create_refund(paid, refund_fee=1, out_refund_no=number)
    with pytest.raises(NotRefundable, match="one refund too many"):
        services.create_refund(paid, refund_fee=1, out_refund_no="R3")


def test_a_time_out_keeps_the_refund_its_money_and_its_number(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    gateway.answers["/secapi/pay/refund"] = LOST
    with pytest.raises(OutcomeUnknown) as caught:
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")

    assert caught.value.out_refund_no == "R1"
    refund = Refund.objects.get()
    assert (refund.refund_status, refund.refund_id, refund.is_proven) == ("PROCESSING", "", False)
    assert (refund.sending_until, paid.refundable) == (None, 55)
    assert refund.next_check_at is not None, "it is asked for, whoever comes back or does not"
    # Under the same number it is sent again, and is one refund.
    gateway.answers["/secapi/pay/refund"] = till.refund
    again = services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert (again.pk, again.is_proven) == (refund.pk, True)
    one, two = gateway.calls
    assert {**one[1], "nonce_str": "", "sign": ""} == {**two[1], "nonce_str": "", "sign": ""}


def test_a_refusal_that_is_no_news_to_wechat_pay_gives_the_money_back_to_others(
    paid: Order, gateway: ScriptedTransport, till: Till, settled: list[tuple[str, str]]
) -> None:
    gateway.answers["/secapi/pay/refund"] = refused("NOTENOUGH", "fund the account")
    with pytest.raises(Refused) as caught:
        services.create_refund(paid, refund_fee=100, out_refund_no="R1")

    assert (caught.value.err_code, caught.value.out_refund_no) == ("NOTENOUGH", "R1")
    assert "fund the merchant account" in caught.value.advice
    assert gateway.paths() == ["/secapi/pay/refund", "/pay/refundquery"]
    refund = Refund.objects.get()
    assert (refund.refund_status, refund.err_code) == ("CLOSED", "NOTENOUGH")
    assert refund.err_code_des == "fund the account"
    assert refund.next_check_at is None
    assert (paid.refundable, settled) == (100, [("R1", "CLOSED")])
    paid.refresh_from_db()
    assert paid.trade_state == "SUCCESS"
    # With money in the account, the same number goes through.
    gateway.answers["/secapi/pay/refund"] = till.refund
    again, is_new = services.get_or_create_refund(paid, refund_fee=100, out_refund_no="R1")
    assert (again.pk, is_new, again.refund_status) == (refund.pk, True, "PROCESSING")
    assert (again.err_code, again.position, paid.refundable) == ("", 2, 0)


def test_a_refund_is_given_up_although_a_deadlock_undid_that_at_first(
    paid: Order, gateway: ScriptedTransport, till: Till, settled: list[tuple[str, str]]
) -> None:
    gateway.answers["/secapi/pay/refund"] = refused("NOTENOUGH", "fund the account")
    with undone_once() as undone, pytest.raises(Refused):
        services.create_refund(paid, refund_fee=100, out_refund_no="R1")

    # The reservation, and the end of it.
    assert len(undone) == 2
    assert Refund.objects.get().refund_status == "CLOSED"
    assert (paid.refundable, settled) == (100, [("R1", "CLOSED")])


def test_what_was_refused_gives_way_to_what_was_refunded_meanwhile(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    gateway.answers["/secapi/pay/refund"] = refused("NOTENOUGH")
    with pytest.raises(Refused):
        services.create_refund(paid, refund_fee=60, out_refund_no="R1")
    gateway.answers["/secapi/pay/refund"] = till.refund
    services.create_refund(paid, refund_fee=60, out_refund_no="R2")

    with pytest.raises(NotRefundable):
        services.create_refund(paid, refund_fee=60, out_refund_no="R1")
    assert list(till.kept) == ["R2"]


def test_a_refusal_of_what_has_arrived_before_is_a_refund(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    def lost(sent: dict[str, str]) -> Any:
        till.refund(sent)
        return LOST

    gateway.answers["/secapi/pay/refund"] = lost
    with pytest.raises(OutcomeUnknown):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    gateway.answers["/secapi/pay/refund"] = refused("INVALID_REQUEST", "too soon after the last")

    refund = services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert (refund.is_proven, refund.refund_status, refund.err_code) == (True, "PROCESSING", "")


def test_a_refusal_that_cannot_be_asked_about_decides_nothing(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    gateway.answers["/secapi/pay/refund"] = refused("NOTENOUGH")
    gateway.answers["/pay/refundquery"] = LOST
    with pytest.raises(Refused, match="NOTENOUGH"):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    refund = Refund.objects.get()
    assert (refund.refund_status, refund.err_code) == ("PROCESSING", "NOTENOUGH")
    assert paid.refundable == 55

    gateway.answers["/pay/refundquery"] = refused("SIGNERROR")
    with pytest.raises(Refused, match="NOTENOUGH"):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert Refund.objects.get().refund_status == "PROCESSING"
    # Once there is an answer, that it was refused counts.
    gateway.answers["/pay/refundquery"] = till.query
    assert services.query_refund(refund).refund_status == "CLOSED"
    assert paid.refundable == 100


@pytest.mark.parametrize("code", ["RESULT_FAIL", "NEVERSEENBEFORE"])
def test_a_refusal_that_may_be_none_keeps_the_money(
    paid: Order, gateway: ScriptedTransport, till: Till, code: str
) -> None:
    gateway.answers["/secapi/pay/refund"] = refused(code)
    with pytest.raises(Refused):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert gateway.paths() == ["/secapi/pay/refund"]
    assert (Refund.objects.get().refund_status, paid.refundable) == ("PROCESSING", 55)


def test_busy_is_no_refusal(paid: Order, gateway: ScriptedTransport, till: Till) -> None:
    gateway.answers["/secapi/pay/refund"] = refused("BIZERR_NEED_RETRY")
    with pytest.raises(OutcomeUnknown):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert gateway.paths() == ["/secapi/pay/refund"] * 2
    assert Refund.objects.get().err_code == ""


def test_the_refusal_of_a_second_host_gives_nothing_up_that_the_first_may_have_taken(
    paid: Order, gateway: ScriptedTransport, till: Till, wxpay: dict[str, Any], settings: Any
) -> None:
    hosts = {"HOSTS": ["http://gateway.test", "http://gateway.test:81"]}
    wxpay["MERCHANTS"]["default"] |= hosts
    settings.WXPAY = wxpay
    answers = [requests.ReadTimeout("it may yet arrive"), refused("NOTENOUGH")]
    gateway.answers["/secapi/pay/refund"] = lambda _sent: answers.pop(0)
    with pytest.raises(Refused, match="NOTENOUGH"):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")

    refund = Refund.objects.get()
    assert (refund.refund_status, refund.err_code, paid.refundable) == ("PROCESSING", "", 55)
    # It is sent again under its number, and what is refused then is over.
    gateway.answers["/secapi/pay/refund"] = refused("NOTENOUGH")
    assert check_refund(refund)
    assert (Refund.objects.get().refund_status, paid.refundable) == ("CLOSED", 100)


def test_an_answer_about_another_amount_is_a_conflict(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    gateway.answers["/secapi/pay/refund"] = lambda sent: accepted(sent) | {"refund_fee": 44}
    refund = services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert (refund.refund_fee, refund.is_proven) == (45, False)
    (event,) = OrderEvent.objects.filter(kind="CONFLICTED")
    assert event.detail["differences"] == [["refund_fee", "45", "44"]]


def test_nothing_is_sent_inside_a_transaction(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    with atomic(), pytest.raises(InsideTransaction):
        services.create_refund(paid, refund_fee=1)
    assert (gateway.calls, Refund.objects.count()) == ([], 0)


@pytest.mark.parametrize("missing", ["CLIENT_CERT", "CLIENT_KEY"])
def test_without_a_certificate_nothing_is_taken_or_sent(
    paid: Order, gateway: ScriptedTransport, till: Till, settings: Any, missing: str
) -> None:
    entry = settings.WXPAY["MERCHANTS"]["default"]
    del entry[missing]
    settings.WXPAY = settings.WXPAY | {
        "MERCHANTS": {"default": entry | {"HOSTS": ["https://gateway.test"]}}
    }
    with pytest.raises(ConfigurationError, match="CLIENT_CERT and CLIENT_KEY"):
        services.create_refund(paid, refund_fee=1)
    assert (gateway.calls, Refund.objects.count()) == ([], 0)


def test_without_tls_no_certificate_is_needed(
    paid: Order, gateway: ScriptedTransport, till: Till, settings: Any
) -> None:
    del settings.WXPAY["MERCHANTS"]["default"]["CLIENT_CERT"]
    settings.WXPAY = dict(settings.WXPAY)
    assert services.create_refund(paid, refund_fee=1).is_proven


def test_the_description_of_the_payment_does_not_stay_on_a_refunded_order(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    Order.objects.update(trade_state_desc="支付成功")
    paid.refresh_from_db()
    services.create_refund(paid, refund_fee=1, out_refund_no="R1")

    order = Order.objects.get()
    assert (order.trade_state, order.trade_state_desc) == ("REFUND", "")
    paid.refresh_from_db()
    assert paid.trade_state_desc == ""


def test_while_one_sends_the_others_wait_and_one_that_died_is_waited_out(
    paid: Order, gateway: ScriptedTransport, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund = services.create_refund(paid, refund_fee=1, out_refund_no="R1")
    Refund.objects.update(refund_id=None)
    assert creating._lease(refund, 60.0)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            Refund.objects.update(refund_id="503")

    monkeypatch.setattr(creating.time, "sleep", sleep)
    assert services.create_refund(paid, refund_fee=1, out_refund_no="R1").refund_id == "503"
    assert (len(waits), len(gateway.calls)) == (3, 1)

    Refund.objects.update(refund_id=None)
    moments = iter(range(0, 10_000, 100))
    monkeypatch.setattr(creating.time, "monotonic", lambda: float(next(moments)))
    monkeypatch.setattr(creating.time, "sleep", lambda _: None)
    with pytest.raises(OrderBusy, match="another call"):
        services.create_refund(paid, refund_fee=1, out_refund_no="R1")
    assert len(gateway.calls) == 1


@pytest.mark.parametrize("trouble", [DatabaseError("full"), InterfaceError("(0, '')")])
def test_a_refusal_that_cannot_be_saved_is_raised_all_the_same(
    paid: Order,
    gateway: ScriptedTransport,
    till: Till,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Exception,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise trouble

    monkeypatch.setattr(creating, "note_refusal", broken)
    monkeypatch.setattr(claims, "retry_on_lock", broken)
    gateway.answers["/secapi/pay/refund"] = refused("NOTENOUGH")
    with pytest.raises(Refused, match="NOTENOUGH"):
        services.create_refund(paid, refund_fee=1, out_refund_no="R1")


def test_an_order_that_others_keep_refunding_is_left_to_them(
    paid: Order, gateway: ScriptedTransport, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.create_refund(paid, refund_fee=1, out_refund_no="R1")
    monkeypatch.setattr(refund_requests, "_free_place", lambda *_: 1)
    with pytest.raises(OutcomeUnknown, match="by others"):
        services.create_refund(paid, refund_fee=1, out_refund_no="R2")
    Refund.objects.update(refund_status="CLOSED", refund_id=None)
    monkeypatch.setattr(refund_requests, "_take", lambda *_: None)
    with pytest.raises(OutcomeUnknown, match="by others"):
        services.create_refund(paid, refund_fee=1, out_refund_no="R1")


def test_a_number_that_was_hinted_at_is_taken_for_the_refund_that_we_make(
    paid: Order, gateway: ScriptedTransport, till: Till
) -> None:
    hinted = Refund.objects.create(
        order=paid,
        merchant="default",
        out_refund_no="R1",
        refund_fee=7,
        refund_status="PROCESSING",
        created_at=paid.created_at,
        updated_at=paid.created_at,
    )
    assert hinted.is_hint
    refund, is_new = services.get_or_create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert (refund.pk, is_new, refund.refund_fee) == (hinted.pk, True, 45)
    assert (refund.is_proven, refund.position) == (True, 1)


def test_a_refund_that_another_has_just_taken_is_not_taken_again(paid: Order) -> None:
    refund = Refund.objects.create(
        order=paid,
        merchant="default",
        out_refund_no="R1",
        refund_fee=7,
        refund_status="PROCESSING",
        created_at=paid.created_at,
        updated_at=paid.created_at,
    )
    terms = creating._terms(paid, 7, "R1", "")
    Refund.objects.update(position=1)
    assert refund_requests._take(refund, terms, 2) is None
    # Nor is one given up that WeChat Pay has stated meanwhile.
    as_seen = Refund.objects.get()
    Refund.objects.update(refund_id="503")
    assert not refund_requests.give_up(as_seen)
    assert Refund.objects.get().refund_status == "PROCESSING"


def test_the_error_of_too_much_survives_being_copied() -> None:
    error = copy.copy(NotRefundable("too much", "at most 40", refundable=40))
    assert (error.problem, error.rule, error.refundable) == ("too much", "at most 40", 40)
