"""One sale and many who press at the same moment: one charge, one end, one delivery."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.exceptions import OrderBusy, OutcomeUnknown
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services.orders import reversing
from tests.races.conftest import Shop
from tests.races.running import at_once
from tests.wechatpay.quick_pay import (
    CERTIFICATE,
    CODE,
    DONE,
    MICROPAY,
    PAYS,
    QUERY,
    REVERSE,
    REVOKED,
    charged,
    counts,
    pay,
)
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.races


@pytest.fixture(autouse=True)
def till(gateway: ScriptedTransport, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    default = settings.WXPAY["MERCHANTS"]["default"] | CERTIFICATE
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": default}}
    monkeypatch.setattr(reversing, "REVERSIBLE_AFTER_S", 0)
    monkeypatch.setattr(reversing, "_PAUSE_S", 0.01)


def long_ago() -> None:
    """Let everything that is leased be free."""
    before = datetime.now(UTC) - timedelta(minutes=5)
    Order.objects.update(created_at=before, placing_until=before, next_check_at=before)


def reverse_a_sale(gateway: ScriptedTransport, meanwhile: Callable[[], None]) -> None:
    """Reverse a sale that the customer has just paid; ``meanwhile`` the platform is doing it."""
    reversed_there: list[bool] = []

    def reverse(_sent: Mapping[str, str]) -> dict[str, str]:
        meanwhile()
        reversed_there.append(True)
        return DONE

    def state(sent: Mapping[str, str]) -> Any:
        return (REVOKED if reversed_there else PAYS)(dict(sent))

    gateway.answers |= {REVERSE: reverse, QUERY: state}
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100, out_trade_no="TILL-0001")
    long_ago()
    services.reverse_order(Order.objects.get())


def test_ten_who_scan_for_one_number_charge_once(
    gateway: ScriptedTransport, shop: Shop, raises: Any
) -> None:
    gateway.answers[MICROPAY] = charged
    outcomes = at_once(*[pay] * 10)

    raises(outcomes)
    assert {order.trade_state for order in outcomes} == {"SUCCESS"}
    assert counts(gateway) == {MICROPAY: 1}
    assert shop.lines == ["paid TILL-0001"]


def test_ten_who_go_on_with_one_sale_ask_once_and_charge_nothing(
    gateway: ScriptedTransport, shop: Shop, raises: Any
) -> None:
    services.open_sale(auth_code=CODE, body="Tea", total_fee=100)
    number = Order.objects.get().out_trade_no
    long_ago()
    gateway.answers[QUERY] = PAYS
    outcomes = at_once(*[lambda: pay(out_trade_no=number)] * 9, services.sync_orders)

    raises(outcomes)
    assert Order.objects.get().trade_state == "SUCCESS"
    assert MICROPAY not in gateway.paths()
    assert shop.lines == [f"paid {number}"]


def test_ten_who_reverse_give_the_money_back_once(gateway: ScriptedTransport, shop: Shop) -> None:
    gateway.answers |= {MICROPAY: charged, REVERSE: DONE, QUERY: REVOKED}
    order = pay()
    outcomes = at_once(*[lambda: services.reverse_order(Order.objects.get(pk=order.pk))] * 10)

    kinds = {type(outcome) for outcome in outcomes}
    assert kinds <= {Order, OrderBusy}
    assert Order in kinds
    assert counts(gateway)[REVERSE] == 1
    assert shop.lines == ["paid TILL-0001", "closed TILL-0001"]
    assert Order.objects.get().trade_state == "REVOKED"


def test_a_payment_that_could_be_seen_during_its_reversal_is_no_sale(
    gateway: ScriptedTransport, shop: Shop
) -> None:
    def meanwhile() -> None:
        # A clerk presses the other button at this moment.
        with pytest.raises(OrderBusy):
            services.query_order(Order.objects.get())

    reverse_a_sale(gateway, meanwhile)

    assert Order.objects.get().trade_state == "REVOKED"
    assert shop.lines == ["closed TILL-0001"]
    moves = OrderEvent.objects.order_by("id").values_list("from_state", "to_state")
    assert list(moves) == [("CREATED", "REVOKED")]


def test_ten_who_ask_while_it_is_reversed_see_no_sale(
    gateway: ScriptedTransport, shop: Shop
) -> None:
    def meanwhile() -> None:
        asked = at_once(*[lambda: services.query_order(Order.objects.get())] * 10)
        assert {type(outcome) for outcome in asked} == {OrderBusy}

    reverse_a_sale(gateway, meanwhile)
    assert shop.lines == ["closed TILL-0001"]


def test_clerks_who_repeat_a_reversal_without_an_outcome_sell_nothing(
    gateway: ScriptedTransport, shop: Shop, monkeypatch: pytest.MonkeyPatch, raises: Any
) -> None:
    monkeypatch.setattr(reversing, "_MOST_CALLS", 1)
    monkeypatch.setattr(reversing, "_QUERIES", 1)
    services.open_sale(
        auth_code="134567890123456789", body="Tea", total_fee=100, out_trade_no="TILL-0001"
    )
    long_ago()
    order = Order.objects.get()
    sent: list[bool] = []

    def reverse(_sent: Mapping[str, str]) -> Any:
        sent.append(True)
        # The third lands, whoever sends it.
        return DONE if len(sent) > 2 else requests.ReadTimeout("it may land")

    def state(asked: Mapping[str, str]) -> Any:
        return (REVOKED if len(sent) > 2 else PAYS)(dict(asked))

    def until_it_is_known(call: Any) -> Order:
        for _ in range(200):
            try:
                return call(Order.objects.get(pk=order.pk))
            except OutcomeUnknown:
                time.sleep(0.01)
        raise AssertionError("it is never known")

    gateway.answers |= {REVERSE: reverse, QUERY: state}
    with pytest.raises(OutcomeUnknown):
        services.reverse_order(order)
    clerks = [partial(until_it_is_known, services.reverse_order)] * 4
    askers = [partial(until_it_is_known, services.query_order)] * 4
    outcomes = at_once(*clerks, *askers)

    raises(outcomes)
    assert {each.trade_state for each in outcomes} == {"REVOKED"}
    assert len(sent) == 3
    assert shop.lines == ["closed TILL-0001"]


def test_answers_from_before_a_reversal_are_no_conflicts(
    gateway: ScriptedTransport, shop: Shop, raises: Any
) -> None:
    gateway.answers |= {MICROPAY: charged, REVERSE: DONE}
    order = pay()
    has_answered = threading.Barrier(5)
    is_reversed = threading.Event()

    def state(asked: Mapping[str, str]) -> Any:
        if is_reversed.is_set():
            return REVOKED(dict(asked))
        answer = PAYS(dict(asked))
        has_answered.wait(30)
        is_reversed.wait(30)
        return answer

    def ask() -> Order:
        return services.query_order(Order.objects.get(pk=order.pk))

    def undo() -> Order:
        has_answered.wait(30)
        # What a query of the reversal itself has found.
        Order.objects.filter(pk=order.pk).update(trade_state="REVOKED")
        is_reversed.set()
        return order

    gateway.answers[QUERY] = state
    raises(at_once(ask, ask, ask, ask, undo))
    assert Order.objects.get().trade_state == "REVOKED"
    assert not OrderEvent.objects.filter(kind="CONFLICTED").exists()
    assert shop.lines == ["paid TILL-0001"]


@pytest.mark.parametrize("_again", range(3))
def test_a_reversal_against_a_query_leaves_what_wechat_pay_says(
    gateway: ScriptedTransport, shop: Shop, _again: int, raises: Any
) -> None:
    gateway.answers |= {MICROPAY: charged, REVERSE: DONE, QUERY: REVOKED}
    order = pay()

    def ask() -> Order:
        return services.query_order(Order.objects.get(pk=order.pk))

    def undo() -> Order:
        return services.reverse_order(Order.objects.get(pk=order.pk))

    raises(at_once(ask, ask, undo, ask, ask))
    assert Order.objects.get().trade_state == "REVOKED"
    assert shop.lines == ["paid TILL-0001", "closed TILL-0001"]
