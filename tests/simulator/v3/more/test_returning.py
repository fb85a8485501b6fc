"""Shares that come back: from whom, how much, and before the order is refunded."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.simulator import ControlError, Simulator
from tests.simulator.v3.calling import MAINLAND, NUMBER, Answer, Caller
from tests.simulator.v3.more.calling import code_of, post
from tests.simulator.v3.more.sharing import (
    ADDED,
    HOME,
    left,
    line,
    query,
    return_of,
    returned,
    share,
)

REFUNDS = "/v3/refund/domestic/refunds"


@pytest.fixture
def paid(app: Simulator, mainland: Caller) -> str:
    """Return the transaction_id of an order of 100 fen, 30 of which are shared."""
    mainland.place(settle_info={"profit_sharing": True})
    transaction_id = str(app.pay(MAINLAND, NUMBER)["transaction_id"])
    post(mainland, f"{HOME}/receivers/add", ADDED)
    assert share(mainland, transaction_id, line())["status"] == 200
    assert query(mainland, transaction_id)["state"] == "FINISHED"
    return transaction_id


def refunded(caller: Caller, amount: int, number: str = "F1") -> Answer:
    body: dict[str, Any] = {"out_trade_no": NUMBER, "out_refund_no": number}
    body["amount"] = {"refund": amount, "total": 100, "currency": "CNY"}
    return post(caller, REFUNDS, body)


def test_a_share_comes_back_and_then_the_order_is_refunded(mainland: Caller, paid: str) -> None:
    assert code_of(refunded(mainland, 100)) == (403, "NOT_ENOUGH")
    assert code_of(refunded(mainland, 71)) == (403, "NOT_ENOUGH")
    assert left(mainland, paid) == 70
    back = returned(mainland)
    assert (back["status"], back["result"], back["amount"]) == (200, "SUCCESS", 30)
    found = return_of(mainland)
    assert found == back
    assert (found["out_order_no"], found["out_return_no"]) == ("P1", "R1")
    assert found["order_id"] == query(mainland, paid)["order_id"]
    assert found["return_mchid"] == "1900000109"
    # What came back is the merchant's to refund, and is not shared once more.
    assert left(mainland, paid) == 70
    assert refunded(mainland, 100)["status"] == "PROCESSING"
    assert left(mainland, paid) == 0


def test_what_is_not_shared_is_refunded_as_ever(mainland: Caller, paid: str) -> None:
    assert refunded(mainland, 60)["status"] == "PROCESSING"
    assert left(mainland, paid) == 10
    assert code_of(refunded(mainland, 11, "F2")) == (403, "NOT_ENOUGH")
    assert returned(mainland, amount=1)["status"] == 200
    assert refunded(mainland, 11, "F2")["status"] == "PROCESSING"
    assert left(mainland, paid) == 0


def test_the_platform_refunds_no_share_either(app: Simulator, mainland: Caller, paid: str) -> None:
    with pytest.raises(ControlError, match="shared"):
        app.refund(MAINLAND, NUMBER, refund_fee=100)
    assert left(mainland, paid) == 70
    returned(mainland)
    app.refund(MAINLAND, NUMBER, refund_fee=100)
    assert left(mainland, paid) == 0


def test_also_when_the_rest_has_been_unfrozen(mainland: Caller, paid: str) -> None:
    rest = {"transaction_id": paid, "out_order_no": "P2", "description": "done"}
    post(mainland, f"{HOME}/orders/unfreeze", rest)
    assert code_of(refunded(mainland, 71)) == (403, "NOT_ENOUGH")
    assert refunded(mainland, 70)["status"] == "PROCESSING"
    assert left(mainland, paid) == 0


def test_the_same_number_is_the_same_return(mainland: Caller, paid: str) -> None:
    first = returned(mainland, amount=10)
    assert returned(mainland, amount=10)["return_id"] == first["return_id"]
    assert code_of(returned(mainland, amount=11)) == (400, "INVALID_REQUEST")
    by_their_number = {"out_order_no": None, "order_id": first["order_id"]}
    assert returned(mainland, amount=20, out_return_no="R2", **by_their_number)["status"] == 200
    assert code_of(returned(mainland, amount=1, out_return_no="R3")) == (403, "NOT_ENOUGH")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 31}, (403, "NOT_ENOUGH")),
        ({"amount": 0}, (400, "PARAM_ERROR")),
        ({"amount": "30"}, (400, "PARAM_ERROR")),
        ({"return_mchid": "1900000110"}, (400, "INVALID_REQUEST")),
        ({"out_order_no": "P9"}, (404, "RESOURCE_NOT_EXISTS")),
        ({"out_order_no": None}, (400, "PARAM_ERROR")),
        ({"order_id": "1"}, (404, "RESOURCE_NOT_EXISTS")),
        ({"out_return_no": None}, (400, "PARAM_ERROR")),
        ({"out_return_no": "R 1"}, (400, "PARAM_ERROR")),
        ({"description": None}, (400, "PARAM_ERROR")),
        ({"sub_mchid": "1900000121"}, (400, "PARAM_ERROR")),
    ],
)
def test_a_return_that_breaks_a_rule_is_refused(
    mainland: Caller, paid: str, changes: dict[str, Any], code: tuple[int, str]
) -> None:
    assert code_of(returned(mainland, **changes)) == code
    assert code_of(return_of(mainland)) == (404, "RESOURCE_NOT_EXISTS")
    assert code_of(refunded(mainland, 71)) == (403, "NOT_ENOUGH")


def test_a_share_that_is_not_done_does_not_come_back(mainland: Caller, paid: str) -> None:
    share(mainland, paid, line(5), out_order_no="P2")
    asked = {"out_order_no": "P2", "amount": 5}
    assert code_of(returned(mainland, **asked)) == (400, "INVALID_REQUEST")
    query(mainland, paid, "P2")
    assert returned(mainland, **asked)["status"] == 200


def test_a_return_is_asked_for_with_its_share(mainland: Caller, paid: str) -> None:
    returned(mainland)
    assert code_of(return_of(mainland, query="")) == (400, "PARAM_ERROR")
    assert code_of(return_of(mainland, query="out_order_no=P2")) == (404, "RESOURCE_NOT_EXISTS")
    assert code_of(return_of(mainland, "R2")) == (404, "RESOURCE_NOT_EXISTS")
