"""The one door: a lost race is read again and decided again, never written over."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.exceptions import OutcomeUnknown
from django_wxpay.models import Order, OrderEvent, Prepay
from django_wxpay.protocol.facts import TradeFact, TradeState
from django_wxpay.protocol.states import Move, Same
from django_wxpay.services.transitions import orders
from tests.factories import PrepayFactory
from tests.tables import atomic, connection

pytestmark = pytest.mark.django_db


def fact(order: Order, state: TradeState, **more: Any) -> TradeFact:
    if state is TradeState.SUCCESS:
        more = {"total_fee": 100, "fee_type": "CNY", "transaction_id": "42"} | more
    return TradeFact(
        source="test",
        mch_id=order.mch_id,
        appid=order.appid,
        out_trade_no=order.out_trade_no,
        trade_state=state,
        **more,
    )


def test_a_fact_that_lost_a_race_is_decided_again_on_what_is_there(order: Order) -> None:
    stale = Order.objects.get()
    orders.apply_trade_fact(order, fact(order, TradeState.SUCCESS, transaction_id="42"))
    decision = orders.apply_trade_fact(stale, fact(order, TradeState.NOTPAY))

    assert decision == Same()
    assert stale.trade_state == "SUCCESS"
    assert OrderEvent.objects.count() == 1


def test_a_lost_race_that_still_may_move_moves_from_the_state_that_is_there(order: Order) -> None:
    stale = Order.objects.get()
    orders.apply_trade_fact(order, fact(order, TradeState.NOTPAY))
    decision = orders.apply_trade_fact(stale, fact(order, TradeState.SUCCESS))

    assert isinstance(decision, Move)
    assert [(event.from_state, event.to_state) for event in OrderEvent.objects.order_by("id")] == [
        ("CREATED", "NOTPAY"),
        ("NOTPAY", "SUCCESS"),
    ]


def test_an_order_that_never_holds_still_is_left_for_later(
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def always_later(*args: Any) -> None:
        raise orders._OvertakenError

    monkeypatch.setattr(orders, "_update", always_later)
    with pytest.raises(OutcomeUnknown, match="keeps moving"):
        orders.apply_trade_fact(order, fact(order, TradeState.SUCCESS))

    order.refresh_from_db()
    assert order.trade_state == "CREATED"


def test_words_of_another_state_are_not_taken_over(order: Order) -> None:
    orders.apply_trade_fact(order, fact(order, TradeState.SUCCESS, trade_state_desc="paid"))
    orders.apply_trade_fact(order, fact(order, TradeState.NOTPAY, trade_state_desc="not paid"))

    order.refresh_from_db()
    assert order.trade_state_desc == "paid"


@pytest.mark.parametrize("has_arrived", [True, False])
def test_a_grant_whose_commit_was_not_answered_is_saved_once(
    order: Order, has_arrived: bool
) -> None:
    prepay = PrepayFactory.build(order=order)
    if has_arrived:
        orders.accept(order, prepay)
    else:
        with atomic():
            orders.accept(order, prepay)
            connection.set_rollback(True)
    orders.accept(order, prepay)

    assert Prepay.objects.get() == prepay
    order.refresh_from_db()
    assert order.trade_state == "NOTPAY"
    assert [event.to_state for event in OrderEvent.objects.all()] == ["NOTPAY"]
