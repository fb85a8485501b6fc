"""Crash points of a refund: a process that dies at any step leaves one that is made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import Refused
from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.services.refunds import creating
from django_wxpay.services.transitions import refunds
from tests.services.refunds.conftest import Till
from tests.wechatpay.quick_pay import TestClock, on_a_clock_of_its_own
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused

pytestmark = pytest.mark.django_db

PAST_THE_LEASE_S = 300
SEND, QUERY = "/secapi/pay/refund", "/pay/refundquery"
Death = Callable[[pytest.MonkeyPatch, ScriptedTransport, Till], None]


class Killed(BaseException):
    """The end of a process."""


def dies(*_: Any, **__: Any) -> Any:
    raise Killed


def before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    monkeypatch.setattr(creating, "send_refund", dies)


def under_its_lease(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    gateway.answers[SEND] = dies


def after_it_is_accepted(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    def accepts_and_dies(sent: dict[str, str]) -> Any:
        till.refund(sent)
        raise Killed

    gateway.answers[SEND] = accepts_and_dies


def before_the_answer_is_applied(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    monkeypatch.setattr(creating, "apply", dies)


def while_the_answer_is_written(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    monkeypatch.setattr(refunds, "save_refunded", dies)


def before_the_refusal_is_saved(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    gateway.answers[SEND] = refused("NOTENOUGH")
    monkeypatch.setattr(creating, "note_refusal", dies)


def in_the_query_after_a_refusal(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    gateway.answers |= {SEND: refused("NOTENOUGH"), QUERY: dies}


def before_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    gateway.answers[SEND] = refused("NOTENOUGH")
    monkeypatch.setattr(creating, "give_up", dies)


def in_the_query_that_finds_an_earlier_try(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport, till: Till
) -> None:
    def arrived_before(sent: dict[str, str]) -> Any:
        till.refund(sent)
        return refused("INVALID_REQUEST", "too soon after the last")

    gateway.answers |= {SEND: arrived_before, QUERY: dies}


ACCEPTED: tuple[Death, ...] = (
    before_anything_is_sent,
    under_its_lease,
    after_it_is_accepted,
    before_the_answer_is_applied,
    while_the_answer_is_written,
    in_the_query_that_finds_an_earlier_try,
)
REFUSED: tuple[Death, ...] = (
    before_the_refusal_is_saved,
    in_the_query_after_a_refusal,
    before_it_is_given_up,
)
# Where the refusal is known already, the sweep closes it, for WeChat Pay does not have it.
NOTED: tuple[Death, ...] = (in_the_query_after_a_refusal, before_it_is_given_up)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> TestClock:
    return on_a_clock_of_its_own(monkeypatch)


@pytest.fixture
def dead(
    paid: Order, till: Till, gateway: ScriptedTransport, time: TestClock
) -> Callable[[Death], Refund]:
    """Let a process die at a point, keep its lease, and let time pass until another is there."""

    def die(at: Death) -> Refund:
        sender = Refund.objects.values_list("sending_until", flat=True)
        with pytest.MonkeyPatch.context() as patch:
            leases: list[Any] = []
            lease = creating._lease

            def remember(*args: Any) -> Any:
                leases.append(lease(*args))
                return leases[-1]

            patch.setattr(creating, "_lease", remember)
            at(patch, gateway, till)
            with pytest.raises(Killed):
                services.create_refund(paid, refund_fee=45, out_refund_no="R1")
            # What is killed runs no ``finally``.
            if leases:
                Refund.objects.update(sending_until=leases[0])
                assert list(sender) == leases
        gateway.answers |= {SEND: till.refund, QUERY: till.query}
        assert paid.refundable == 55, "its money is taken until more is known"
        return Refund.objects.get()

    return die


def is_refunded_once(till: Till, settled: list[Any]) -> None:
    refund = Refund.objects.get()
    assert (refund.out_refund_no, refund.refund_fee, refund.is_proven) == ("R1", 45, True)
    assert list(till.kept) == ["R1"]
    order = Order.objects.get()
    assert (order.trade_state, order.refundable) == ("REFUND", 55)
    assert list(OrderEvent.objects.values_list("kind", flat=True)).count("MOVED") == 1
    assert settled == [], "accepted is not paid back"
    till.status = "SUCCESS"
    services.query_refund(refund)
    services.query_refund(refund)
    assert settled == [("R1", "SUCCESS")]
    assert Order.objects.get().refunded_fee == 45


@pytest.mark.parametrize("at", [*ACCEPTED, *REFUSED], ids=lambda each: each.__name__)
def test_the_same_call_again_makes_it_once(
    dead: Callable[[Death], Refund],
    paid: Order,
    till: Till,
    settled: list[tuple[str, str]],
    time: TestClock,
    at: Death,
) -> None:
    dead(at)
    time.seconds += PAST_THE_LEASE_S
    services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert Refund.objects.get().sending_until is None
    is_refunded_once(till, settled)


@pytest.mark.parametrize(
    "at", [*ACCEPTED, before_the_refusal_is_saved], ids=lambda each: each.__name__
)
def test_the_sweep_alone_makes_it_once(
    dead: Callable[[Death], Refund],
    till: Till,
    settled: list[tuple[str, str]],
    time: TestClock,
    at: Death,
) -> None:
    dead(at)
    assert services.sync_orders().found == 0, "its caller may still be at work"
    time.seconds += PAST_THE_LEASE_S
    run = services.sync_orders()
    assert (run.found, run.settled) == (1, 1)
    is_refunded_once(till, settled)


@pytest.mark.parametrize("at", NOTED, ids=lambda each: each.__name__)
def test_one_that_was_refused_and_is_not_there_is_closed_by_the_sweep(
    dead: Callable[[Death], Refund],
    paid: Order,
    gateway: ScriptedTransport,
    till: Till,
    settled: list[tuple[str, str]],
    time: TestClock,
    at: Death,
) -> None:
    dead(at)
    gateway.calls.clear()
    time.seconds += PAST_THE_LEASE_S
    assert services.sync_orders().settled == 1

    refund = Refund.objects.get()
    assert (refund.refund_status, refund.err_code) == ("CLOSED", "NOTENOUGH")
    assert (gateway.paths(), till.kept) == ([QUERY], {})
    assert settled == [("R1", "CLOSED")]
    assert (paid.refundable, Order.objects.get().trade_state) == (100, "SUCCESS")
    # And the clerk who comes back is served.
    time.seconds += 3600
    assert services.sync_orders().found == 0
    services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert list(till.kept) == ["R1"]


def test_two_processes_that_die_one_after_the_other_leave_one_refund(
    dead: Callable[[Death], Refund],
    paid: Order,
    gateway: ScriptedTransport,
    till: Till,
    settled: list[tuple[str, str]],
    time: TestClock,
) -> None:
    dead(after_it_is_accepted)
    gateway.answers[QUERY] = dies
    time.seconds += PAST_THE_LEASE_S
    with pytest.raises(Killed):
        services.query_refund(Refund.objects.get())
    gateway.answers[QUERY] = till.query
    services.sync_orders()
    is_refunded_once(till, settled)


def test_a_number_that_was_refused_before_is_on_the_schedule_before_it_is_sent(
    dead: Callable[[Death], Refund],
    paid: Order,
    gateway: ScriptedTransport,
    till: Till,
    settled: list[tuple[str, str]],
    time: TestClock,
) -> None:
    gateway.answers[SEND] = refused("NOTENOUGH")
    with pytest.raises(Refused):
        services.create_refund(paid, refund_fee=45, out_refund_no="R1")
    assert Refund.objects.get().next_check_at is None
    settled.clear()

    dead(before_anything_is_sent)
    time.seconds += PAST_THE_LEASE_S
    assert services.sync_orders().settled == 1
    is_refunded_once(till, settled)
