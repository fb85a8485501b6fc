"""Quick Pay: one code is charged once, and every sale has an end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.exceptions import (
    ConfigurationError,
    InsideTransaction,
    InvalidOrder,
    OrderBusy,
    OrderClosed,
    OrderConflict,
    OrderPaid,
    OutcomeUnknown,
    Refused,
    UnknownMerchant,
)
from django_wxpay.models import ApiReport, Order, OrderEvent
from django_wxpay.protocol.v2.reports import WHOLE_SALE_PATH
from django_wxpay.services import gateways
from django_wxpay.services.orders import codepay, leases
from tests.factories import RefundFactory
from tests.services.conftest import new_order
from tests.tables import atomic
from tests.wechatpay.quick_pay import (
    AGAIN,
    BY_CODE,
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
    UNPAID,
    USERPAYING,
    TestClock,
    charged,
    counts,
    in_turn,
    pay,
)
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused, standing

pytestmark = pytest.mark.django_db

WHOLE_SALE = WHOLE_SALE_PATH


def events() -> list[tuple[str, str, str]]:
    rows = OrderEvent.objects.order_by("id")
    return [(event.kind, event.from_state, event.to_state) for event in rows]


def sales() -> list[tuple[str, str, int]]:
    rows = ApiReport.objects.filter(interface_url__endswith=WHOLE_SALE)
    return [(row.result_code, row.err_code, row.execute_time_ms) for row in rows]


def test_a_code_that_needs_no_password_is_paid_with_one_call(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = charged
    order = pay(spbill_create_ip="203.0.113.7", device_info="T1")

    assert counts(gateway) == {MICROPAY: 1}
    assert (order.trade_state, order.is_paid, order.trade_type) == ("SUCCESS", True, "MICROPAY")
    assert order.transaction_id == BY_CODE["transaction_id"]
    assert events() == [("PAID", "CREATED", "SUCCESS")]
    assert (order.placing_until, Order.objects.get().placing_until) == (order.placing_until, None)
    assert Order.objects.get().next_check_at is None
    assert till.slept == []
    assert sales() == [("SUCCESS", "", 0)]
    (sent,) = (fields for _, fields in gateway.calls)
    assert sent["auth_code"] == CODE
    assert {"trade_type", "notify_url", "openid"} & sent.keys() == set()
    assert (sent["spbill_create_ip"], sent["device_info"]) == ("203.0.113.7", "T1")


def test_the_code_is_kept_nowhere(
    till: TestClock, gateway: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.answers[MICROPAY] = TIMEOUT
    gateway.answers[QUERY] = PAYS
    sale = services.open_sale(auth_code=CODE, body="Tea", total_fee=100)
    services.complete_sale(sale)

    rows = [*Order.objects.values(), *ApiReport.objects.values(), *OrderEvent.objects.values()]
    assert rows
    assert CODE not in str(rows) + repr(sale) + caplog.text


def test_a_payer_who_types_the_password_is_waited_for(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = USERPAYING
    gateway.answers[QUERY] = in_turn(PAYING, PAYING, PAYS)
    order = pay()

    assert order.trade_state == "SUCCESS"
    assert till.slept == [5, 5, 5]
    assert counts(gateway) == {MICROPAY: 1, QUERY: 3}
    assert events() == [("MOVED", "CREATED", "USERPAYING"), ("PAID", "USERPAYING", "SUCCESS")]
    assert sales() == [("SUCCESS", "", 15_000)]


@pytest.mark.parametrize(
    "answer",
    [
        TIMEOUT,
        requests.ConnectionError("reset"),
        b"<html>Bad gateway</html>",
        refused("SYSTEMERROR"),
        refused("BANKERROR"),
        refused("FREQUENCY_LIMITED"),
        refused("A_NEW_CODE"),
        {**BY_CODE, "out_trade_no": "ANOTHER-ORDER"},
        {"out_trade_no": "TILL-0001", "transaction_id": "4200000000202601010000000001"},
    ],
    ids=[
        "time-out",
        "reset",
        "HTML",
        "SYSTEMERROR",
        "BANKERROR",
        "FREQUENCY_LIMITED",
        "unknown code",
        "about another order",
        "without an amount",
    ],
)
def test_after_an_unknown_outcome_it_is_asked_for_and_not_charged_again(
    till: TestClock, gateway: ScriptedTransport, answer: Any
) -> None:
    gateway.answers[MICROPAY] = answer
    gateway.answers[QUERY] = PAYS
    order = pay()

    assert order.trade_state == "SUCCESS"
    assert counts(gateway) == {MICROPAY: 1, QUERY: 1}
    assert events() == [("PAID", "CREATED", "SUCCESS")]


def test_a_query_without_an_answer_is_repeated(till: TestClock, gateway: ScriptedTransport) -> None:
    gateway.answers[MICROPAY] = TIMEOUT
    gateway.answers[QUERY] = in_turn(TIMEOUT, refused("SIGNERROR"), PAYS)

    assert pay().trade_state == "SUCCESS"
    assert counts(gateway) == {MICROPAY: 1, QUERY: 3}


def test_a_payer_who_never_types_the_password_is_not_charged(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = USERPAYING
    gateway.answers[QUERY] = in_turn(*[PAYING] * 9, REVOKED)
    gateway.answers[REVERSE] = in_turn(AGAIN, DONE)
    order = pay()

    assert (order.trade_state, order.is_paid) == ("REVOKED", False)
    assert till.slept[:9] == [5] * 9
    assert counts(gateway) == {MICROPAY: 1, QUERY: 10, REVERSE: 2}
    assert events() == [("MOVED", "CREATED", "USERPAYING"), ("CLOSED", "USERPAYING", "REVOKED")]
    assert Order.objects.get().next_check_at is None
    ((result, err_code, elapsed_ms),) = sales()
    assert (result, err_code) == ("FAIL", "REVOKED")
    assert elapsed_ms >= 45_000


def test_how_long_is_a_setting(till: TestClock, gateway: ScriptedTransport, settings: Any) -> None:
    gateway.answers[MICROPAY] = USERPAYING
    gateway.answers[QUERY] = in_turn(UNPAID, UNPAID, REVOKED)
    gateway.answers[REVERSE] = DONE
    settings.WXPAY = settings.WXPAY | {"QUICK_PAY": {"POLL_S": 2, "WAIT_S": 4}}
    gateways.transport().clock, gateways.transport().sleep = till, till.sleep  # type: ignore[method-assign]
    order = pay()

    assert order.trade_state == "REVOKED"
    # Not reversed in the first 15 seconds.
    assert till.slept[:3] == [2, 2, 11]


def test_a_payment_that_failed_is_over(till: TestClock, gateway: ScriptedTransport) -> None:
    gateway.answers[MICROPAY] = refused("BANKERROR")
    gateway.answers[QUERY] = standing("PAYERROR")
    order = pay()

    assert order.trade_state == "PAYERROR"
    assert counts(gateway) == {MICROPAY: 1, QUERY: 1}
    assert sales() == [("FAIL", "PAYERROR", 5000)]


@pytest.mark.parametrize("code", ["AUTHCODEEXPIRE", "NOTENOUGH", "AUTH_CODE_INVALID", "RULELIMIT"])
def test_a_refusal_is_raised_at_once_and_shown(
    till: TestClock, gateway: ScriptedTransport, code: str
) -> None:
    gateway.answers[MICROPAY] = refused(code, "no")
    with pytest.raises(Refused) as caught:
        pay()

    assert (caught.value.err_code, caught.value.kind) == (code, code)
    assert caught.value.advice
    assert counts(gateway) == {MICROPAY: 1}
    order = Order.objects.get()
    assert (order.trade_state, order.err_code, order.placing_until) == ("CREATED", code, None)
    # It may have been unsigned, so it is looked into once.
    assert order.next_check_at == till.now() + timedelta(minutes=1)
    assert events() == []
    assert sales() == [("FAIL", code, 0)]


def test_a_refused_sale_stays_refused_and_no_other_code_is_sent(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = refused("AUTHCODEEXPIRE", "expired")
    gateway.answers[QUERY] = NOT_THERE
    with pytest.raises(Refused):
        pay()
    with pytest.raises(Refused) as caught:
        pay(auth_code="141111111111111111")

    assert (caught.value.err_code, caught.value.err_code_des) == ("AUTHCODEEXPIRE", "expired")
    assert counts(gateway) == {MICROPAY: 1, QUERY: 2}
    assert len(sales()) == 1


def test_a_number_that_is_paid_is_asked_for_and_not_sold_twice(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = refused("ORDERPAID")
    gateway.answers[QUERY] = PAYS
    with pytest.raises(OrderPaid):
        pay()

    assert Order.objects.get().trade_state == "SUCCESS"
    assert counts(gateway) == {MICROPAY: 1, QUERY: 1}
    assert sales() == [("FAIL", "ORDERPAID", 0)]


def test_a_code_that_never_arrived_is_sent_again(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = in_turn(TIMEOUT, charged)
    gateway.answers[QUERY] = NOT_THERE
    order = pay()

    assert order.trade_state == "SUCCESS"
    assert gateway.paths() == [MICROPAY, QUERY, QUERY, MICROPAY]
    first, second = (sent for path, sent in gateway.calls if path == MICROPAY)
    assert _terms(first) == _terms(second)
    assert order.err_code == ""


def _terms(sent: dict[str, str]) -> dict[str, str]:
    return {name: sent[name] for name in sent.keys() - {"nonce_str", "sign"}}


def test_what_the_second_sending_is_refused_for_the_first_may_have_done(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = in_turn(TIMEOUT, refused("AUTH_CODE_INVALID"))
    gateway.answers[QUERY] = in_turn(NOT_THERE, NOT_THERE, PAYS)

    assert pay().trade_state == "SUCCESS"
    assert counts(gateway) == {MICROPAY: 2, QUERY: 3}


def test_a_second_sending_that_is_refused_ends_the_sale_if_the_first_did_nothing(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = in_turn(TIMEOUT, refused("AUTHCODEEXPIRE"))
    gateway.answers[QUERY] = NOT_THERE
    with pytest.raises(Refused, match="AUTHCODEEXPIRE"):
        pay()

    assert counts(gateway) == {MICROPAY: 2, QUERY: 3}


def test_a_sale_that_never_arrives_is_refused_in_the_end(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = TIMEOUT
    gateway.answers[QUERY] = NOT_THERE
    with pytest.raises(Refused) as caught:
        pay()

    assert caught.value.kind == "ORDERNOTEXIST"
    assert "nothing was charged" in caught.value.advice
    assert till.seconds <= 50
    assert REVERSE not in gateway.paths()
    assert Order.objects.get().next_check_at is not None


def test_paid_in_the_last_second_is_paid(till: TestClock, gateway: ScriptedTransport) -> None:
    gateway.answers[MICROPAY] = USERPAYING
    gateway.answers[QUERY] = in_turn(*[PAYING] * 9, PAYS)
    gateway.answers[REVERSE] = refused("TRADE_ERROR", "cannot be reversed")
    order = pay()

    assert order.trade_state == "SUCCESS"
    assert counts(gateway) == {MICROPAY: 1, QUERY: 10, REVERSE: 1}


def test_a_reversal_that_is_refused_leaves_an_undecided_sale_unknown(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = USERPAYING
    gateway.answers[QUERY] = PAYING
    gateway.answers[REVERSE] = refused("NOAUTH")
    with pytest.raises(OutcomeUnknown, match="reversal was refused"):
        pay()

    order = Order.objects.get()
    assert (order.trade_state, order.placing_until) == ("USERPAYING", None)
    assert order.next_check_at == till.now() + timedelta(minutes=1)
    assert sales() == []


def test_the_same_call_again_is_the_same_sale(till: TestClock, gateway: ScriptedTransport) -> None:
    gateway.answers[MICROPAY] = charged
    first = pay()
    again = pay(auth_code="151111111111111111")

    assert again == first
    assert again.trade_state == "SUCCESS"
    assert counts(gateway) == {MICROPAY: 1}
    assert len(sales()) == 1


@pytest.mark.parametrize("changed", [{"total_fee": 101}, {"body": "Coffee"}, {"reference": "7"}])
def test_a_number_with_other_parameters_is_a_conflict(
    till: TestClock, gateway: ScriptedTransport, changed: dict[str, Any]
) -> None:
    gateway.answers[MICROPAY] = charged
    pay()
    with pytest.raises(OrderConflict):
        pay(**changed)

    assert counts(gateway) == {MICROPAY: 1}


def test_a_number_of_another_way_to_pay_is_a_conflict(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    new_order(out_trade_no="TILL-0001")
    with pytest.raises(OrderConflict) as caught:
        pay()

    assert "trade_type" in caught.value.fields
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("auth_code", "problem"),
    [
        ("13456789012345678", "17 digits"),
        ("1345678901234567890", "19 digits"),
        ("13456789012345678X", "not a digit"),
        ("134567890123456 89", "not a digit"),
        ("１３４５６７８９０１２３４５６７８９", "not a digit"),
        ("284567890123456789", "beginning"),
        ("164567890123456789", "beginning"),
        ("", "digits long"),
        (134567890123456789, "int is not text"),
        (None, "is missing"),
    ],
)
def test_what_is_no_payment_code_is_refused_before_anything_is_written(
    till: TestClock, gateway: ScriptedTransport, auth_code: Any, problem: str
) -> None:
    with pytest.raises(InvalidOrder) as caught:
        pay(auth_code=auth_code)

    assert caught.value.field == "auth_code"
    assert problem in caught.value.problem
    assert str(auth_code or "none") not in str(caught.value)
    assert (Order.objects.count(), gateway.calls) == (0, [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total_fee", 0),
        ("total_fee", -1),
        ("total_fee", 1.0),
        ("total_fee", True),
        ("body", ""),
        ("fee_type", "XXX"),
        ("spbill_create_ip", "the till"),
        ("trade_type", "NATIVE"),
        ("notify_url", "https://shop.example.com/"),
        ("openid", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
        ("product_id", "P1"),
        ("deposit", "Y"),
        ("appid", "wx7777777777777777"),
    ],
)
def test_bad_fields_are_refused_before_anything_is_written(
    till: TestClock, gateway: ScriptedTransport, field: str, value: Any
) -> None:
    with pytest.raises(InvalidOrder) as caught:
        pay(**{field: value})

    assert caught.value.field == field
    assert (Order.objects.count(), gateway.calls) == (0, [])


def test_a_merchant_without_a_client_certificate_sells_nothing_that_it_could_not_undo(
    till: TestClock, gateway: ScriptedTransport, settings: Any
) -> None:
    entry = settings.WXPAY["MERCHANTS"]["institution"] | {"HOSTS": ["https://gateway.test"]}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"institution": entry}}
    with pytest.raises(ConfigurationError, match="CLIENT_CERT and CLIENT_KEY"):
        pay(merchant="institution", spbill_create_ip="203.0.113.7")

    assert (Order.objects.count(), gateway.calls) == (0, [])


def test_an_unknown_merchant_is_named(till: TestClock) -> None:
    with pytest.raises(UnknownMerchant, match="nowhere"):
        pay(merchant="nowhere")


def test_inside_a_transaction_nothing_is_begun(till: TestClock, gateway: ScriptedTransport) -> None:
    with atomic(), pytest.raises(InsideTransaction):
        pay()

    assert gateway.calls == []


def test_an_order_by_code_is_neither_placed_nor_closed(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = charged
    order = pay()
    with pytest.raises(InvalidOrder, match="it is charged at once"):
        services.unified_order(order)
    with pytest.raises(InvalidOrder, match="it is reversed"):
        services.close_order(order)

    assert counts(gateway) == {MICROPAY: 1}


def test_a_call_waits_for_the_one_that_is_at_work(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100, out_trade_no="TILL-0001")
    pause = till.sleep

    def paid_meanwhile(seconds: float) -> None:
        pause(seconds)
        Order.objects.update(trade_state="SUCCESS", transaction_id="4200")

    monkeypatch.setattr(gateways.transport(), "sleep", paid_meanwhile)
    assert pay().trade_state == "SUCCESS"
    assert gateway.calls == []


def test_a_sale_that_is_decided_between_the_look_and_the_lease_is_left_alone(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100, out_trade_no="TILL-0001")
    take = leases.take_lease

    def too_late(order: Order, **options: Any) -> leases.Lease | None:
        Order.objects.update(trade_state="SUCCESS", placing_until=None, next_check_at=None)
        return take(order, **options)

    monkeypatch.setattr(codepay, "take_lease", too_late)
    assert pay().trade_state == "SUCCESS"
    assert gateway.calls == []
    assert Order.objects.get().next_check_at is None


def test_an_answer_to_the_code_is_not_applied_once_another_call_has_taken_the_sale_over(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    def late(sent: Any) -> Any:
        Order.objects.update(placing_until=till.now() + timedelta(minutes=1))
        return charged(sent)

    gateway.answers[MICROPAY] = late
    with pytest.raises(OutcomeUnknown, match="taken over"):
        pay()
    assert Order.objects.get().trade_state == "CREATED"
    assert counts(gateway) == {MICROPAY: 1}


def test_a_process_that_wakes_up_late_finds_the_sale_taken_and_sends_nothing(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[QUERY] = in_turn(NOT_THERE, NOT_THERE)
    slow = services.open_sale(auth_code=CODE, body="Tea", total_fee=100, out_trade_no="TILL-0001")
    till.seconds += 3600
    with pytest.raises(Refused, match="ORDERNOTEXIST"):
        pay()
    with pytest.raises(OutcomeUnknown, match="taken over"):
        services.complete_sale(slow)

    assert counts(gateway) == {QUERY: 2}


class Killed(BaseException):
    """The end of a process."""


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let a process that is killed leave everything as it is; cleared, another one is at work."""
    dead: list[bool] = []
    give_back = leases.Lease.give_back

    def only_if_alive(lease: leases.Lease, **values: Any) -> None:
        if not dead:
            give_back(lease, **values)

    monkeypatch.setattr(leases.Lease, "give_back", only_if_alive)
    monkeypatch.setattr(Killed, "__init__", lambda self: dead.append(True))
    return dead


def dies(_sent: Any) -> Any:
    raise Killed


CRASHES: dict[str, Callable[[], dict[str, Any]]] = {
    "before the code is sent": lambda: {MICROPAY: dies},
    "while the payer types": lambda: {MICROPAY: USERPAYING, QUERY: in_turn(PAYING, dies)},
    "after a time-out": lambda: {MICROPAY: TIMEOUT, QUERY: dies},
    "in the reversal": lambda: {MICROPAY: USERPAYING, QUERY: PAYING, REVERSE: dies},
    "after the reversal": lambda: {
        MICROPAY: USERPAYING,
        QUERY: in_turn(*[PAYING] * 9, dies),
        REVERSE: DONE,
    },
}


@pytest.mark.parametrize("at", CRASHES)
@pytest.mark.parametrize("end", ["paid", "unpaid"])
def test_a_process_that_dies_leaves_a_sale_that_the_sweep_ends(
    till: TestClock, gateway: ScriptedTransport, at: str, end: str, killed: list[bool]
) -> None:
    gateway.answers |= CRASHES[at]()
    with pytest.raises(Killed):
        pay()
    order = Order.objects.get()
    assert order.next_check_at is not None
    assert order.next_check_at == order.placing_until

    gateway.calls.clear()
    gateway.answers[QUERY] = PAYS if end == "paid" else in_turn(PAYING, REVOKED)
    gateway.answers[REVERSE] = DONE
    assert services.sync_orders().found == 0
    till.seconds += 120
    killed.clear()
    run = services.sync_orders()

    assert (run.found, run.settled) == (1, 1)
    assert Order.objects.get().trade_state == ("SUCCESS" if end == "paid" else "REVOKED")
    assert Order.objects.get().next_check_at is None
    assert MICROPAY not in gateway.paths()
    assert [kind for kind, _, _ in events()].count("PAID") == (end == "paid")


def test_the_sweep_leaves_a_sale_that_is_still_waited_for(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[QUERY] = PAYING
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100, out_trade_no="TILL-0001")
    Order.objects.update(next_check_at=till.now())
    run = services.sync_orders()

    assert (run.found, run.settled) == (1, 0)
    assert gateway.calls == []


def test_sales_that_tills_still_wait_for_are_no_silence_of_wechat_pay(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[QUERY] = PAYING
    for number in range(4):
        services.open_sale(
            auth_code=CODE, body="Tea", total_fee=100, out_trade_no=f"TILL-000{number}"
        )
    Order.objects.update(next_check_at=till.now())
    # Of the last one the process has died.
    Order.objects.filter(out_trade_no="TILL-0003").update(placing_until=None)
    run = services.sync_orders()

    assert run == services.SyncRun(found=4, settled=1)
    assert counts(gateway) == {QUERY: 1}
    assert not Order.objects.filter(next_check_at__lte=till.now()).exists()


def test_a_refused_sale_that_wechat_pay_holds_all_the_same_is_undone_by_the_sweep(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = refused("NOTENOUGH")
    gateway.answers[QUERY] = in_turn(UNPAID, standing("CLOSED"))
    gateway.answers[REVERSE] = DONE
    with pytest.raises(Refused):
        pay()
    till.seconds += 61
    assert services.sync_orders().settled == 1

    assert Order.objects.get().trade_state == "CLOSED"
    assert counts(gateway) == {MICROPAY: 1, QUERY: 2, REVERSE: 1}


def test_a_refused_sale_that_is_nowhere_is_asked_for_once(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = refused("NOTENOUGH")
    gateway.answers[QUERY] = NOT_THERE
    with pytest.raises(Refused):
        pay()
    till.seconds += 61
    assert services.sync_orders().settled == 1
    till.seconds += 3600
    assert services.sync_orders().found == 0


def test_a_call_goes_on_with_the_sale_of_a_process_that_died(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[QUERY] = in_turn(PAYING, PAYS)
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100, out_trade_no="TILL-0001")
    till.seconds += 37
    order = pay()

    assert order.trade_state == "SUCCESS"
    assert counts(gateway) == {QUERY: 2}
    ((result, _, elapsed_ms),) = sales()
    assert result == "SUCCESS"
    assert elapsed_ms >= 40_000


def test_a_check_that_a_refund_asks_for_while_the_till_waits_is_not_taken_off(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    def refunded_on_the_platform(sent: Any) -> Any:
        RefundFactory(order=Order.objects.get())
        return PAYS(sent)

    gateway.answers |= {MICROPAY: USERPAYING, QUERY: refunded_on_the_platform}
    assert pay().trade_state == "SUCCESS"

    order = Order.objects.get()
    assert (order.placing_until, order.next_check_at) == (None, till.now())
    gateway.answers[QUERY] = standing("REFUND", **BY_CODE)
    assert services.sync_orders().settled == 1
    assert Order.objects.get().trade_state == "REFUND"


def test_a_sale_is_sold_even_where_its_report_cannot_be_written(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise InvalidOrder("appid", "is not this merchant's")

    monkeypatch.setattr(codepay, "record_sale", fails)
    gateway.answers[MICROPAY] = charged
    assert pay().trade_state == "SUCCESS"


def test_over_is_over(till: TestClock, gateway: ScriptedTransport) -> None:
    gateway.answers[MICROPAY] = refused("ORDERCLOSED")
    with pytest.raises(OrderClosed):
        pay()


def test_a_call_does_not_wait_for_ever_for_the_one_that_is_at_work(
    till: TestClock, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = services.open_sale(auth_code=CODE, body="Tea", total_fee=100, out_trade_no="TILL-0001")
    pause = till.sleep

    def held_on_to(seconds: float) -> None:
        pause(seconds)
        assert sale.lease is not None
        sale.lease.renew()

    monkeypatch.setattr(gateways.transport(), "sleep", held_on_to)
    with pytest.raises(OrderBusy, match="another call works on"):
        pay()

    assert sale.is_new
    assert gateway.calls == []
    assert 45 < till.seconds < 120


def test_the_sweep_reverses_no_sale_before_its_time(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[QUERY] = PAYING
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100)
    Order.objects.update(placing_until=None, next_check_at=till.now())
    run = services.sync_orders()

    # It has been asked for, and is asked for again.
    assert (run.found, run.settled) == (1, 1)
    assert counts(gateway) == {QUERY: 1}
    order = Order.objects.get()
    assert (order.trade_state, order.placing_until) == ("USERPAYING", None)
    assert order.next_check_at is not None
    assert order.next_check_at > till.now()


def test_the_sweep_asks_for_a_sale_that_is_decided_and_reverses_nothing(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers |= {MICROPAY: charged, QUERY: PAYS}
    pay()
    Order.objects.update(next_check_at=till.now())

    assert services.sync_orders().settled == 1
    assert counts(gateway) == {MICROPAY: 1, QUERY: 1}


def test_after_a_second_sending_too_the_reversal_waits_for_fifteen_seconds(
    till: TestClock, gateway: ScriptedTransport
) -> None:
    gateway.answers[MICROPAY] = in_turn(*[TIMEOUT] * 4, USERPAYING)
    gateway.answers[QUERY] = in_turn(*[NOT_THERE] * 8, PAYING, REVOKED)
    gateway.answers[REVERSE] = DONE
    assert pay().trade_state == "REVOKED"

    assert counts(gateway) == {MICROPAY: 5, QUERY: 10, REVERSE: 1}
    # The code was sent last at 40 s, and asked for once more at 45 s.
    assert [pause for pause in till.slept if pause] == [*[5] * 9, 10]
