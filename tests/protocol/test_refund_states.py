"""Where a refund may go, and what contradicts it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from django_wxpay.protocol.facts import RefundFact, RefundStatus, TradeState
from django_wxpay.protocol.states import (
    REFUND_MOVES,
    Conflict,
    Expectation,
    Older,
    RefundExpectation,
    RefundMove,
    Same,
    announced_refund,
    decide_refund,
)

ORDER = Expectation(
    trade_state=TradeState.SUCCESS,
    mch_id="1900000109",
    appid="wx8888888888888888",
    sub_mch_id="",
    total_fee=100,
    fee_type="CNY",
    transaction_id="42",
)
FACT = RefundFact(
    source="test",
    mch_id="1900000109",
    out_refund_no="R1",
    refund_id="50",
    refund_status=RefundStatus.SUCCESS,
    refund_fee=88,
    total_fee=100,
    fee_type="CNY",
    transaction_id="42",
)
STATUSES = list(RefundStatus)


def known(status: RefundStatus | None, refund_fee: int | None = 88) -> RefundExpectation:
    return RefundExpectation(order=ORDER, status=status, refund_fee=refund_fee)


@pytest.mark.parametrize("there", STATUSES)
def test_a_refund_heard_of_for_the_first_time_may_stand_anywhere(there: RefundStatus) -> None:
    decision = decide_refund(known(None, None), replace(FACT, refund_status=there))

    assert decision == RefundMove(there, is_settled=there is not RefundStatus.PROCESSING)


@pytest.mark.parametrize("here", STATUSES)
@pytest.mark.parametrize("there", STATUSES)
def test_the_table_says_every_move(here: RefundStatus, there: RefundStatus) -> None:
    decision = decide_refund(known(here), replace(FACT, refund_status=there))

    if there in REFUND_MOVES[here]:
        assert isinstance(decision, RefundMove)
    elif there in {here, RefundStatus.PROCESSING}:
        assert decision == Same()
    else:
        assert decision == Conflict((("refund_status", here.value, there.value),))


@pytest.mark.parametrize("here", STATUSES)
@pytest.mark.parametrize("there", STATUSES)
def test_a_notification_of_a_status_that_the_known_one_follows_may_be_older(
    here: RefundStatus, there: RefundStatus
) -> None:
    expected, fact = known(here), replace(FACT, refund_status=there)
    decision = decide_refund(expected, fact)

    is_older = isinstance(decision, Conflict) and there is RefundStatus.ABNORMAL
    assert announced_refund(decision, expected, fact) == (Older() if is_older else decision)


def test_a_notification_of_other_money_is_a_conflict_however_old() -> None:
    expected = known(RefundStatus.SUCCESS, 87)
    fact = replace(FACT, refund_status=RefundStatus.ABNORMAL)
    decision = decide_refund(expected, fact)

    assert decision == Conflict((("refund_fee", "87", "88"),))
    assert announced_refund(decision, expected, fact) == decision


def test_what_is_final_stays_final() -> None:
    assert REFUND_MOVES[RefundStatus.SUCCESS] == frozenset()
    assert REFUND_MOVES[RefundStatus.CLOSED] == frozenset()


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"mch_id": "1"}, ("mch_id", "1900000109", "1")),
        ({"sub_mch_id": "2"}, ("sub_mch_id", "", "2")),
        ({"total_fee": 99}, ("total_fee", "100", "99")),
        ({"fee_type": "HKD"}, ("fee_type", "CNY", "HKD")),
        ({"transaction_id": "43"}, ("transaction_id", "42", "43")),
        ({"refund_fee": 87}, ("refund_fee", "88", "87")),
    ],
)
def test_other_money_or_another_identity_is_a_conflict(
    change: dict[str, object],
    difference: tuple[str, str, str],
) -> None:
    decision = decide_refund(known(RefundStatus.PROCESSING), replace(FACT, **change))  # type: ignore[arg-type]

    assert decision == Conflict((difference,))


def test_more_than_was_paid_is_a_conflict() -> None:
    decision = decide_refund(known(None, None), replace(FACT, refund_fee=101))

    assert decision == Conflict((("refund_fee", "<= 100", "101"),))


def test_what_is_taken_already_contradicts_others_only_where_both_are_paid_back() -> None:
    taken = replace(known(RefundStatus.PROCESSING), is_reserved=True, refunded_fee=40)

    decision = decide_refund(taken, replace(FACT, refund_status=RefundStatus.ABNORMAL))
    assert isinstance(decision, RefundMove)
    assert decide_refund(taken, FACT) == Conflict((("refund_fee", "<= 60", "88"),))


def test_what_the_document_does_not_say_contradicts_nothing() -> None:
    quiet = replace(FACT, total_fee=None, fee_type="", transaction_id="")

    assert isinstance(decide_refund(known(RefundStatus.PROCESSING), quiet), RefundMove)
