"""Reversing a payment by code: repeated until it is done, and true only when a query says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import (
    ConfigurationError,
    InsideTransaction,
    InvalidOrder,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services.orders import reversing
from tests.services.conftest import new_order
from tests.tables import atomic
from tests.wechatpay.quick_pay import (
    AGAIN,
    CODE,
    DONE,
    MICROPAY,
    NOT_THERE,
    PAYING,
    PAYS,
    QUERY,
    REVERSE,
    REVOKED,
    TIMEOUT,
    TestClock,
    charged,
    counts,
    in_turn,
    pay,
)
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused, standing

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold(till: TestClock, gateway: ScriptedTransport) -> Order:
    """Return a sale of a minute ago."""
    gateway.answers[MICROPAY] = charged
    order = pay()
    till.seconds += 60
    gateway.calls.clear()
    return order


def moves() -> list[tuple[str, str, str]]:
    rows = OrderEvent.objects.order_by("id")
    return [(event.kind, event.from_state, event.to_state) for event in rows]


def test_the_money_of_a_paid_sale_goes_back(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    gateway.answers |= {REVERSE: DONE, QUERY: REVOKED}
    order = services.reverse_order(sold)

    assert (order.trade_state, order.is_paid) == ("REVOKED", False)
    assert moves() == [("PAID", "CREATED", "SUCCESS"), ("CLOSED", "SUCCESS", "REVOKED")]
    assert counts(gateway) == {REVERSE: 1, QUERY: 1}
    assert gateway.calls[0][1]["out_trade_no"] == order.out_trade_no
    assert (Order.objects.get().placing_until, Order.objects.get().next_check_at) == (None, None)
    assert till.seconds == 60


def test_a_reversed_sale_is_not_reversed_again(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    gateway.answers |= {REVERSE: DONE, QUERY: REVOKED}
    services.reverse_order(sold)
    assert services.reverse_order(sold).trade_state == "REVOKED"

    assert counts(gateway) == {REVERSE: 1, QUERY: 1}


@pytest.mark.parametrize(
    "answer",
    [AGAIN, TIMEOUT, refused("SYSTEMERROR"), refused("TRADE_STATE_ERROR"), {}, {"recall": "X"}],
    ids=["recall", "time-out", "SYSTEMERROR", "TRADE_STATE_ERROR", "no recall", "other recall"],
)
def test_it_is_called_again_until_it_is_done(
    till: TestClock, gateway: ScriptedTransport, sold: Order, answer: Any
) -> None:
    gateway.answers |= {REVERSE: in_turn(answer, answer, answer, DONE), QUERY: REVOKED}
    assert services.reverse_order(sold).trade_state == "REVOKED"

    assert counts(gateway)[REVERSE] == 4
    assert counts(gateway)[QUERY] == 1
    numbers = {sent["out_trade_no"] for _, sent in gateway.calls}
    assert numbers == {sold.out_trade_no}


def test_it_is_called_ten_times_and_not_for_ever(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    gateway.answers |= {REVERSE: AGAIN, QUERY: PAYS}
    with pytest.raises(OutcomeUnknown, match="no outcome yet"):
        services.reverse_order(sold)

    assert counts(gateway) == {REVERSE: 10, QUERY: 3}
    order = Order.objects.get()
    assert (order.trade_state, order.placing_until) == ("SUCCESS", None)
    assert order.next_check_at == till.now() + timedelta(minutes=1)


def test_it_takes_no_longer_than_half_a_minute(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    def slow(_sent: Any) -> dict[str, str]:
        till.seconds += 20
        return AGAIN

    gateway.answers |= {REVERSE: slow, QUERY: TIMEOUT}
    with pytest.raises(OutcomeUnknown):
        services.reverse_order(sold)

    assert counts(gateway) == {REVERSE: 2, QUERY: 3}


def test_a_payment_that_a_query_shows_while_a_reversal_is_on_its_way_is_no_sale(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers |= {
        MICROPAY: refused("USERPAYING"),
        QUERY: in_turn(*[PAYING] * 9, PAYS),
        REVERSE: TIMEOUT,
    }
    with pytest.raises(OutcomeUnknown):
        pay()

    assert Order.objects.get().trade_state == "USERPAYING"
    assert "PAID" not in [kind for kind, _, _ in moves()]


def test_in_the_first_fifteen_seconds_it_waits(till: TestClock, gateway: ScriptedTransport) -> None:
    gateway.answers |= {MICROPAY: charged, REVERSE: DONE, QUERY: REVOKED}
    order = pay()
    till.seconds += 4
    services.reverse_order(order)

    assert till.slept == [11]


def test_a_refusal_is_followed_by_a_query_and_raised(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    gateway.answers |= {REVERSE: refused("REVERSE_EXPIRE", "too late"), QUERY: PAYS}
    with pytest.raises(Refused) as caught:
        services.reverse_order(sold)

    assert caught.value.kind == "REVERSE_EXPIRE"
    assert "Refund it instead" in caught.value.advice
    assert counts(gateway) == {REVERSE: 1, QUERY: 1}
    assert Order.objects.get().trade_state == "SUCCESS"


def test_a_refusal_because_it_is_reversed_already_is_no_refusal(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    gateway.answers |= {REVERSE: refused("ORDERREVERSED"), QUERY: REVOKED}

    assert services.reverse_order(sold).trade_state == "REVOKED"


def test_a_refusal_is_raised_even_where_the_query_has_no_answer(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    gateway.answers |= {REVERSE: refused("ORDERNOTEXIST"), QUERY: NOT_THERE}
    with pytest.raises(Refused, match="ORDERNOTEXIST"):
        services.reverse_order(sold)


def test_an_unpaid_sale_is_closed(till: TestClock, gateway: ScriptedTransport) -> None:
    gateway.answers |= {REVERSE: DONE, QUERY: standing("CLOSED")}
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100)
    till.seconds += 60
    order = services.reverse_order(Order.objects.get())

    assert order.trade_state == "CLOSED"
    assert moves() == [("CLOSED", "CREATED", "CLOSED")]
    assert MICROPAY not in gateway.paths()


@pytest.mark.parametrize("state", ["NOTPAY", "SUCCESS"])
def test_only_a_payment_by_code_is_reversed(
    till: TestClock, gateway: ScriptedTransport, state: str
) -> None:
    order = new_order()
    Order.objects.update(trade_state=state)
    with pytest.raises(InvalidOrder, match="refund if it is paid") as caught:
        services.reverse_order(order)

    assert caught.value.field == "trade_type"
    assert gateway.calls == []


def test_while_another_call_is_at_work_nothing_is_sent(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = services.open_sale(auth_code=CODE, body="Tea", total_fee=100).order
    with pytest.raises(OutcomeUnknown, match="another call"):
        services.reverse_order(order)

    assert gateway.calls == []


def test_a_sale_that_another_call_reverses_first_is_returned(
    till: TestClock, gateway: ScriptedTransport, sold: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = reversing.take_lease

    def too_late(order: Order, **options: Any) -> Any:
        Order.objects.update(trade_state="REVOKED")
        return take(order, **options)

    monkeypatch.setattr(reversing, "take_lease", too_late)
    assert services.reverse_order(sold).trade_state == "REVOKED"
    assert REVERSE not in gateway.paths()


def test_inside_a_transaction_nothing_is_sent(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    with atomic(), pytest.raises(InsideTransaction):
        services.reverse_order(sold)

    assert gateway.calls == []


def test_without_a_client_certificate_nothing_is_sent(
    till: TestClock, gateway: ScriptedTransport, sold: Order, settings: Any
) -> None:
    merchants = settings.WXPAY["MERCHANTS"]
    bare = {
        **merchants["default"],
        "CLIENT_CERT": "",
        "CLIENT_KEY": "",
        "HOSTS": ["https://gateway.test"],
    }
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": merchants | {"default": bare}}
    with pytest.raises(ConfigurationError, match="CLIENT_CERT"):
        services.reverse_order(sold)

    assert gateway.calls == []
    assert Order.objects.get().placing_until is None


def test_a_payment_after_the_reversal_is_a_conflict(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    gateway.answers |= {REVERSE: DONE, QUERY: in_turn(REVOKED, PAYS)}
    services.reverse_order(sold)
    services.query_order(sold)

    assert Order.objects.get().trade_state == "REVOKED"
    assert moves()[-1] == ("CONFLICTED", "REVOKED", "REVOKED")


def test_a_clock_that_is_an_hour_wrong_waits_for_fifteen_seconds_at_most(
    till: TestClock, gateway: ScriptedTransport, sold: Order
) -> None:
    gateway.answers |= {REVERSE: DONE, QUERY: REVOKED}
    Order.objects.update(created_at=till.now() + timedelta(hours=1))
    services.reverse_order(sold)

    assert till.slept == [15]
