"""Reversing a payment by code: repeated until it is done, and true only when a query says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from django_wxpay import services
from django_wxpay.exceptions import (
    ConfigurationError,
    InsideTransaction,
    InvalidOrder,
    OrderBusy,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.services import claims, gateways
from django_wxpay.services.orders import leases, querying, reversing
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
from tests.wechatpay.v2 import payment_notice, refused, standing

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


def unpaid_sale(till: TestClock) -> Order:
    """Return a sale of five minutes ago whose process died before anything was answered."""
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100, out_trade_no="TILL-0001")
    till.seconds += 300
    return Order.objects.get()


def test_nobody_else_asks_for_a_sale_while_it_is_reversed(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order, busy = unpaid_sale(till), []

    def reverse(_sent: Any) -> dict[str, str]:
        with pytest.raises(OrderBusy, match="has reversed it"):
            services.query_order(Order.objects.get())
        busy.append(services.check_order(Order.objects.get()).trade_state)
        services.sync_orders()
        return DONE

    gateway.answers |= {REVERSE: reverse, QUERY: REVOKED}
    assert services.reverse_order(order).trade_state == "REVOKED"

    assert busy == ["CREATED"]
    assert counts(gateway) == {REVERSE: 1, QUERY: 1}
    assert moves() == [("CLOSED", "CREATED", "REVOKED")]


def without_outcome(till: TestClock, gateway: ScriptedTransport) -> Order:
    """Return an undecided sale whose reversal of a moment ago may still land."""
    order = unpaid_sale(till)
    gateway.answers |= {REVERSE: TIMEOUT, QUERY: PAYS}
    with pytest.raises(OutcomeUnknown, match="no outcome yet"):
        services.reverse_order(order)
    gateway.calls.clear()
    return Order.objects.get()


def let_it_land(till: TestClock) -> None:
    lands_by = Order.objects.get().reversing_until
    assert lands_by is not None
    till.seconds += (lands_by - till.now()).total_seconds() + 1


def test_after_a_reversal_without_an_outcome_a_payment_counts_once_it_could_have_landed(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = without_outcome(till, gateway)

    assert order.placing_until is None
    assert order.reversing_until is not None
    assert order.next_check_at == max(order.reversing_until, till.now() + timedelta(minutes=1))
    with pytest.raises(OrderBusy, match="without an outcome"):
        services.query_order(Order.objects.get())
    assert gateway.calls == []
    assert moves() == []

    let_it_land(till)
    assert services.query_order(order).trade_state == "SUCCESS"
    assert Order.objects.get().reversing_until is None


def test_a_reversal_without_an_outcome_is_repeated_at_once(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = without_outcome(till, gateway)
    began = till.seconds
    gateway.answers |= {REVERSE: DONE, QUERY: REVOKED}
    assert services.reverse_order(order).trade_state == "REVOKED"

    assert till.seconds == began
    assert counts(gateway) == {REVERSE: 1, QUERY: 1}
    assert moves() == [("CLOSED", "CREATED", "REVOKED")]
    order = Order.objects.get()
    assert (order.placing_until, order.reversing_until, order.next_check_at) == (None, None, None)


@pytest.mark.parametrize("times", [1, 3])
def test_a_payment_stays_no_sale_however_often_its_reversal_is_repeated_in_vain(
    till: TestClock, gateway: ScriptedTransport, times: int
) -> None:
    order = without_outcome(till, gateway)
    for _ in range(times):
        with pytest.raises(OutcomeUnknown, match="no outcome yet"):
            services.reverse_order(order)

    later = Order.objects.get()
    assert later.reversing_until is not None
    assert order.reversing_until is not None
    assert later.reversing_until > order.reversing_until
    assert later.next_check_at is not None
    assert later.next_check_at >= later.reversing_until
    assert moves() == []


@pytest.mark.parametrize("code", ["REVERSE_EXPIRE", "ORDERNOTEXIST", "SIGNERROR"])
def test_a_repetition_that_is_refused_sells_nothing_while_the_first_may_land(
    till: TestClock, gateway: ScriptedTransport, code: str
) -> None:
    order = without_outcome(till, gateway)
    lands_by = order.reversing_until
    gateway.answers[REVERSE] = refused(code)
    with pytest.raises(Refused, match=code):
        services.reverse_order(order)

    assert counts(gateway) == {REVERSE: 1, QUERY: 1}
    order = Order.objects.get()
    # It lands no later for having been repeated in vain.
    assert (order.trade_state, order.placing_until) == ("CREATED", None)
    assert order.reversing_until == lands_by
    assert moves() == []


def test_a_refusal_after_a_time_out_sells_nothing_while_that_may_land(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers |= {REVERSE: in_turn(TIMEOUT, refused("REVERSE_EXPIRE")), QUERY: PAYS}
    with pytest.raises(Refused, match="REVERSE_EXPIRE"):
        services.reverse_order(unpaid_sale(till))

    assert Order.objects.get().trade_state == "CREATED"
    assert moves() == []
    let_it_land(till)
    assert services.query_order(Order.objects.get()).trade_state == "SUCCESS"


def test_the_refusal_of_a_second_host_sells_nothing_while_the_first_may_have_taken_it(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused_by_the_second(*_: object) -> bool:
        refusal = Refused("REVERSE_EXPIRE")
        refusal.may_have_arrived = True
        raise refusal

    monkeypatch.setattr(gateways.V2Gateway, "reverse", refused_by_the_second)
    gateway.answers[QUERY] = PAYS
    with pytest.raises(Refused, match="REVERSE_EXPIRE"):
        services.reverse_order(unpaid_sale(till))

    assert Order.objects.get().trade_state == "CREATED"
    assert Order.objects.get().reversing_until is not None
    assert moves() == []


def test_a_payment_that_is_notified_of_while_its_reversal_may_land_is_no_sale(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = without_outcome(till, gateway)
    body = payment_notice(order, trade_type="MICROPAY")
    assert not services.receive_notification("default", "payment", {}, body).accepted

    assert Order.objects.get().trade_state == "CREATED"
    assert moves() == []
    assert "may be on its way back" in Notification.objects.get().reason
    # It comes again, and the answer to a question settles it.
    let_it_land(till)
    till.seconds += 60
    gateway.answers[QUERY] = REVOKED
    assert services.receive_notification("default", "payment", {}, body).accepted
    assert Order.objects.get().trade_state == "REVOKED"
    assert Notification.objects.get().outcome == "APPLIED"
    assert moves() == [("CLOSED", "CREATED", "REVOKED")]


def test_a_repetition_that_is_refused_shows_that_the_first_has_landed(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = without_outcome(till, gateway)
    gateway.answers |= {REVERSE: refused("TRADE_ERROR"), QUERY: REVOKED}

    assert services.reverse_order(order).trade_state == "REVOKED"
    assert Order.objects.get().reversing_until is None


def test_what_is_reversed_already_is_not_sold_by_an_answer_that_says_paid(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers |= {REVERSE: refused("ORDERREVERSED"), QUERY: PAYS}
    with pytest.raises(OutcomeUnknown, match="no outcome yet"):
        services.reverse_order(unpaid_sale(till))

    assert moves() == []


def test_the_process_that_dies_in_a_reversal_holds_the_sale_until_it_could_have_landed(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(_sent: Any) -> Any:
        monkeypatch.setattr(leases.Lease, "give_back", lambda _lease, **_: None)
        raise KeyboardInterrupt

    gateway.answers |= {REVERSE: dies, QUERY: PAYS}
    with pytest.raises(KeyboardInterrupt):
        services.reverse_order(unpaid_sale(till))

    order = Order.objects.get()
    assert order.placing_until is not None
    assert order.placing_until == order.reversing_until == order.next_check_at
    for call in (services.query_order, services.reverse_order):
        with pytest.raises(OrderBusy):
            call(Order.objects.get())


def test_a_reversal_of_a_clock_that_was_an_hour_ahead_may_land_all_the_same(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = without_outcome(till, gateway)
    # It is put right.
    till.began -= timedelta(hours=1)
    with pytest.raises(OrderBusy):
        services.query_order(order)

    gateway.answers[REVERSE] = refused("REVERSE_EXPIRE")
    with pytest.raises(Refused):
        services.reverse_order(order)
    assert moves() == []
    gateway.answers |= {REVERSE: DONE, QUERY: REVOKED}
    assert services.reverse_order(order).trade_state == "REVOKED"


def test_a_reversal_that_a_clock_set_far_ahead_holds_nobody_up(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = unpaid_sale(till)
    Order.objects.update(reversing_until=till.now() + timedelta(days=2))
    gateway.answers[QUERY] = PAYING
    assert services.query_order(order).trade_state == "USERPAYING"

    Order.objects.update(reversing_until=till.now() + timedelta(days=2))
    gateway.answers |= {REVERSE: refused("REVERSE_EXPIRE"), QUERY: PAYS}
    with pytest.raises(Refused):
        services.reverse_order(order)
    assert Order.objects.get().trade_state == "SUCCESS"


def test_a_reversal_that_is_not_sent_is_not_on_its_way(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = unpaid_sale(till)

    def without_certificate(_ref: object) -> bool:
        raise ConfigurationError("CLIENT_CERT is missing")

    monkeypatch.setattr(gateways.V2Gateway, "reverse", lambda _, ref: without_certificate(ref))
    with pytest.raises(ConfigurationError):
        services.reverse_order(order)

    order = Order.objects.get()
    assert (order.placing_until, order.reversing_until) == (None, None)


def test_a_sale_that_another_reverses_between_the_look_and_the_lease_is_left_to_it(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = without_outcome(till, gateway)
    take = leases.take_lease_to_reverse

    def too_late(order: Order) -> leases.Lease | None:
        Order.objects.update(reversing_until=till.now() + timedelta(seconds=50))
        return take(order)

    monkeypatch.setattr(reversing, "take_lease_to_reverse", too_late)
    with pytest.raises(OrderBusy):
        services.reverse_order(order)
    assert gateway.calls == []


def test_a_lease_that_cannot_be_given_back_hides_no_end_of_a_sale(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_action: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(claims, "retry_on_lock", broken)
    gateway.answers[MICROPAY] = charged
    order = pay()
    assert order.is_paid
    # It ends by itself.
    till.seconds += 60
    gateway.answers |= {REVERSE: refused("REVERSE_EXPIRE"), QUERY: PAYS}
    with pytest.raises(Refused, match="REVERSE_EXPIRE"):
        services.reverse_order(order)


def test_a_lease_whose_renewal_is_written_twice_is_still_held(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(action: Any) -> Any:
        # The COMMIT arrived, and its answer did not.
        action()
        return action()

    sale = services.open_sale(auth_code=CODE, body="Tea", total_fee=100)
    monkeypatch.setattr(leases, "retry_on_lock", twice)
    till.seconds += 1
    gateway.answers[MICROPAY] = charged
    assert services.complete_sale(sale).trade_state == "SUCCESS"
    assert Order.objects.get().placing_until is None


def test_a_refused_reversal_is_on_its_way_no_more(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers |= {REVERSE: refused("REVERSE_EXPIRE"), QUERY: PAYING}
    with pytest.raises(Refused):
        services.reverse_order(unpaid_sale(till))

    assert Order.objects.get().placing_until is None


def test_an_answer_is_not_applied_once_the_sale_is_another_calls(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = unpaid_sale(till)
    other = till.now() + timedelta(minutes=1)

    def overtaken(sent: Any) -> Any:
        Order.objects.update(placing_until=other)
        return PAYS(sent)

    gateway.answers[QUERY] = overtaken
    with pytest.raises(OutcomeUnknown, match="taken over"):
        services.query_order(order)

    order.refresh_from_db()
    assert (order.trade_state, order.placing_until) == ("CREATED", other)
    assert moves() == []


def test_a_query_leaves_the_lease_free_and_the_schedule_as_it_was(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = unpaid_sale(till)
    due = order.next_check_at
    gateway.answers[QUERY] = PAYING
    assert services.query_order(order).trade_state == "USERPAYING"

    order.refresh_from_db()
    assert (order.placing_until, order.next_check_at) == (None, due)


def test_a_sale_that_is_decided_between_the_look_and_the_lease_is_asked_for_freely(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = unpaid_sale(till)
    take = leases.take_lease

    def too_late(order: Order, **options: Any) -> leases.Lease | None:
        Order.objects.update(trade_state="REVOKED")
        return take(order, **options)

    monkeypatch.setattr(querying, "take_lease", too_late)
    gateway.answers[QUERY] = REVOKED
    assert services.query_order(order).trade_state == "REVOKED"
    assert counts(gateway) == {QUERY: 1}


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
    with pytest.raises(InvalidOrder, match="a paid one is refunded") as caught:
        services.reverse_order(order)

    assert caught.value.field == "trade_type"
    assert gateway.calls == []


def test_while_another_call_is_at_work_nothing_is_sent(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    order = services.open_sale(auth_code=CODE, body="Tea", total_fee=100).order
    with pytest.raises(OrderBusy, match="another call"):
        services.reverse_order(order)

    assert gateway.calls == []


def test_a_sale_that_another_call_reverses_first_is_returned(
    till: TestClock, gateway: ScriptedTransport, sold: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = reversing.take_lease_to_reverse

    def too_late(order: Order) -> Any:
        Order.objects.update(trade_state="REVOKED")
        return take(order)

    monkeypatch.setattr(reversing, "take_lease_to_reverse", too_late)
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
