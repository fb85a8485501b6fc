"""The transition table: money that has arrived is never argued away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.facts import TradeFact, TradeState
from django_wxpay.protocol.states import (
    MOVES,
    OPEN,
    PAID,
    STALE,
    Conflict,
    EventKind,
    Expectation,
    Move,
    Older,
    Same,
    announced,
    decide,
)

S = TradeState
STATES = st.sampled_from(TradeState)
HEARD = st.sampled_from([state for state in TradeState if state is not S.CREATED])

EXPECTED = Expectation(
    trade_state=S.NOTPAY,
    mch_id="10000100",
    appid="wxd930ea5d5a258f4f",
    sub_mch_id="",
    total_fee=100,
    fee_type="CNY",
)
FACT = TradeFact(
    source="v2.notice",
    mch_id="10000100",
    appid="wxd930ea5d5a258f4f",
    out_trade_no="T20260101000001",
    trade_state=S.SUCCESS,
    transaction_id="4200000000202601010000000001",
    total_fee=100,
    fee_type="CNY",
)


def told(here: TradeState, there: TradeState):
    return decide(replace(EXPECTED, trade_state=here), replace(FACT, trade_state=there))


@pytest.mark.parametrize("here", sorted(OPEN | {S.CLOSED}))
def test_a_payment_moves_every_unpaid_order_even_a_closed_one(here):
    assert told(here, S.SUCCESS) == Move(S.SUCCESS, EventKind.PAID)


@pytest.mark.parametrize("here", sorted(OPEN | {S.CLOSED}))
def test_an_order_first_seen_as_refunded_is_no_sale_to_deliver(here):
    assert told(here, S.REFUND) == Move(S.REFUND, EventKind.CONFLICTED)
    assert told(S.REFUND, S.SUCCESS) == Same()


@pytest.mark.parametrize("late", [S.NOTPAY, S.USERPAYING, S.PAYERROR])
def test_a_late_word_of_waiting_never_undoes_success(late):
    assert told(S.SUCCESS, late) == Same()
    assert told(S.REFUND, late) == Same()


def test_a_late_success_never_undoes_a_refund():
    assert told(S.REFUND, S.SUCCESS) == Same()


def test_a_refund_or_a_reversal_of_a_paid_order_is_history_or_its_end():
    assert told(S.SUCCESS, S.REFUND) == Move(S.REFUND, EventKind.MOVED)
    assert told(S.SUCCESS, S.REVOKED) == Move(S.REVOKED, EventKind.CLOSED)
    assert told(S.REFUND, S.REVOKED) == Move(S.REVOKED, EventKind.CLOSED)


@pytest.mark.parametrize("here", sorted(OPEN))
@pytest.mark.parametrize("there", [S.CLOSED, S.REVOKED])
def test_an_open_order_closes(here, there):
    assert told(here, there) == Move(there, EventKind.CLOSED)


def test_waiting_moves_within_waiting():
    assert told(S.CREATED, S.NOTPAY) == Move(S.NOTPAY, EventKind.MOVED)
    assert told(S.NOTPAY, S.USERPAYING) == Move(S.USERPAYING, EventKind.MOVED)
    assert told(S.USERPAYING, S.PAYERROR) == Move(S.PAYERROR, EventKind.MOVED)
    assert told(S.PAYERROR, S.NOTPAY) == Move(S.NOTPAY, EventKind.MOVED)


@pytest.mark.parametrize("here", [S.REVOKED])
@pytest.mark.parametrize("there", [S.SUCCESS, S.REFUND])
def test_a_payment_told_of_after_a_reversal_is_a_contradiction(here, there):
    assert told(here, there) == Conflict((("trade_state", here.value, there.value),))


@pytest.mark.parametrize("here", [S.SUCCESS, S.REFUND])
def test_a_close_told_of_after_a_payment_is_a_contradiction(here):
    assert told(here, S.CLOSED) == Conflict((("trade_state", here.value, "CLOSED"),))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"mch_id": "1"}, ("mch_id", "10000100", "1")),
        ({"appid": "wx1"}, ("appid", "wxd930ea5d5a258f4f", "wx1")),
        ({"sub_mch_id": "2"}, ("sub_mch_id", "", "2")),
        ({"total_fee": 99}, ("total_fee", "100", "99")),
        ({"fee_type": "HKD"}, ("fee_type", "CNY", "HKD")),
    ],
)
@pytest.mark.parametrize("here", list(TradeState))
def test_a_fact_about_other_money_or_another_identity_is_a_conflict_in_every_state(
    here, change, difference
):
    decision = decide(replace(EXPECTED, trade_state=here), replace(FACT, **change))

    assert decision == Conflict((difference,))


def test_a_fact_without_the_orders_sub_merchant_is_a_conflict():
    decision = decide(replace(EXPECTED, sub_mch_id="10000200"), FACT)

    assert decision == Conflict((("sub_mch_id", "10000200", ""),))


def test_a_second_transaction_for_a_paid_order_is_a_conflict():
    paid = replace(EXPECTED, trade_state=S.SUCCESS, transaction_id="1")

    assert decide(paid, replace(FACT, transaction_id="2")) == Conflict(
        (("transaction_id", "1", "2"),)
    )
    assert decide(paid, replace(FACT, transaction_id="1")) == Same()
    assert decide(paid, replace(FACT, transaction_id="")) == Same()


def test_every_difference_is_named():
    decision = decide(EXPECTED, replace(FACT, total_fee=1, fee_type="USD"))

    assert decision == Conflict((("total_fee", "100", "1"), ("fee_type", "CNY", "USD")))


def test_a_fact_that_does_not_speak_of_money_is_not_held_against_it():
    silent = replace(FACT, trade_state=S.CLOSED, total_fee=None, fee_type="")

    assert decide(EXPECTED, silent) == Move(S.CLOSED, EventKind.CLOSED)


def test_the_tables_speak_of_every_state_and_never_of_the_same_pair_twice():
    assert set(MOVES) == set(STALE) == set(TradeState)
    for here in TradeState:
        assert not MOVES[here] & STALE[here]
        assert here not in MOVES[here] | STALE[here]


@given(here=STATES, there=HEARD)
def test_every_decision_is_final_when_told_twice(here, there):
    decision = told(here, there)

    if isinstance(decision, Move):
        assert decision.state is there
        assert told(there, there) == Same()


@given(here=STATES, story=st.lists(HEARD, max_size=12))
def test_whatever_is_told_in_whatever_order_paid_never_becomes_unpaid(here, story):
    state, payments = here, 0
    for there in story:
        decision = told(state, there)
        if isinstance(decision, Move):
            assert not (state in PAID and decision.state in OPEN | {S.CLOSED})
            payments += decision.kind is EventKind.PAID
            state = decision.state

    assert payments <= 1


def test_a_fact_that_names_no_appid_contradicts_none():
    assert isinstance(decide(EXPECTED, replace(FACT, appid="")), Move)
    assert isinstance(decide(EXPECTED, replace(FACT, appid="wx0")), Conflict)


@pytest.mark.parametrize(
    ("unstated", "difference"),
    [
        ({"total_fee": None, "fee_type": ""}, ("total_fee", "100", "")),
        ({"transaction_id": ""}, ("transaction_id", "ANY_NUMBER", "")),
    ],
)
@pytest.mark.parametrize("here", sorted(set(TradeState) - PAID))
def test_a_payment_that_does_not_say_how_much_or_by_which_transaction_proves_none(
    here, unstated, difference
):
    expected = replace(EXPECTED, trade_state=here)
    assert decide(expected, replace(FACT, **unstated)) == Conflict((difference,))


@pytest.mark.parametrize("here", sorted(PAID))
def test_what_is_paid_already_needs_no_second_proof(here):
    quiet = replace(FACT, total_fee=None, fee_type="", transaction_id="")
    assert decide(replace(EXPECTED, trade_state=here), quiet) == Same()


def announced_in(here: TradeState, **change: object):
    expected, fact = replace(EXPECTED, trade_state=here), replace(FACT, **change)
    return announced(decide(expected, fact), expected, fact)


def test_a_payment_notified_of_after_its_reversal_may_be_older():
    assert announced_in(S.REVOKED) == Older()
    assert announced_in(S.REVOKED, total_fee=99) == Conflict((("total_fee", "100", "99"),))


def test_a_close_notified_of_after_a_payment_may_be_older():
    # A payment follows a close that was only assumed.
    assert announced_in(S.SUCCESS, trade_state=S.CLOSED) == Older()


@pytest.mark.parametrize("here", sorted(OPEN | {S.CLOSED}))
def test_a_notification_moves_what_any_statement_moves(here):
    assert announced_in(here) == told(here, S.SUCCESS)
