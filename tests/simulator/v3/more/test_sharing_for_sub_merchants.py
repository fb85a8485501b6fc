"""Profit sharing of a service provider: each call names the sub-merchant of the order."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.simulator import Simulator
from tests.simulator.v3.calling import NUMBER, Caller
from tests.simulator.v3.more.calling import OTHER_SUB, PARTNER, SUB, code_of, post
from tests.simulator.v3.more.sharing import (
    ADDED,
    HOME,
    RECEIVER,
    left,
    line,
    query,
    return_of,
    returned,
    share,
)

WRONG = ((None, (400, "PARAM_ERROR")), (OTHER_SUB, (400, "INVALID_REQUEST")))


@pytest.fixture
def paid(marketplace: Simulator, partner: Caller) -> str:
    """Return the transaction_id of a sub-merchant's order of 100 fen."""
    partner.place(settle_info={"profit_sharing": True})
    transaction_id = str(marketplace.pay(PARTNER, NUMBER)["transaction_id"])
    assert post(partner, f"{HOME}/receivers/add", ADDED, sub_mchid=SUB)["sub_mchid"] == SUB
    return transaction_id


def test_an_order_is_shared_asked_for_unfrozen_and_returned(partner: Caller, paid: str) -> None:
    assert share(partner, paid, line(), sub_mchid=SUB)["sub_mchid"] == SUB
    assert query(partner, paid, whose=SUB)["state"] == "FINISHED"
    assert returned(partner, sub_mchid=SUB)["sub_mchid"] == SUB
    found = return_of(partner, query=f"out_order_no=P1&sub_mchid={SUB}")
    assert (found["sub_mchid"], found["result"]) == (SUB, "SUCCESS")
    rest = {"transaction_id": paid, "out_order_no": "P2", "description": "done"}
    assert post(partner, f"{HOME}/orders/unfreeze", rest, sub_mchid=SUB)["status"] == 200
    assert left(partner, paid) == 0


@pytest.mark.parametrize(("whose", "code"), WRONG)
def test_none_is_done_for_another_sub_merchant(
    partner: Caller, paid: str, whose: Any, code: tuple[int, str]
) -> None:
    post(partner, f"{HOME}/receivers/add", ADDED, sub_mchid=OTHER_SUB)
    assert code_of(share(partner, paid, line(), sub_mchid=whose)) == code
    rest = {"transaction_id": paid, "out_order_no": "P2", "description": "done"}
    assert code_of(post(partner, f"{HOME}/orders/unfreeze", rest, sub_mchid=whose)) == code
    assert left(partner, paid) == 100
    assert share(partner, paid, line(), sub_mchid=SUB)["status"] == 200
    assert code_of(query(partner, paid, whose=whose or "")) == code
    query(partner, paid, whose=SUB)
    assert code_of(returned(partner, sub_mchid=whose)) == code
    assert returned(partner, sub_mchid=SUB)["status"] == 200
    asked = f"out_order_no=P1&sub_mchid={whose}" if whose else "out_order_no=P1"
    assert code_of(return_of(partner, query=asked)) == code


def test_a_receiver_is_one_of_its_sub_merchant(partner: Caller, paid: str) -> None:
    assert code_of(post(partner, f"{HOME}/receivers/add", ADDED)) == (400, "PARAM_ERROR")
    gone = post(partner, f"{HOME}/receivers/delete", RECEIVER, sub_mchid=OTHER_SUB)
    assert gone["status"] == 200
    assert share(partner, paid, line(), sub_mchid=SUB)["status"] == 200
    post(partner, f"{HOME}/receivers/delete", RECEIVER, sub_mchid=SUB)
    post(partner, f"{HOME}/receivers/add", ADDED, sub_mchid=OTHER_SUB)
    again = share(partner, paid, line(), sub_mchid=SUB, out_order_no="P2")
    assert code_of(again) == (400, "INVALID_REQUEST")


def test_a_sub_merchant_has_a_number(partner: Caller, paid: str) -> None:
    for path, body in (("receivers/add", ADDED), ("receivers/delete", RECEIVER)):
        answer = post(partner, f"{HOME}/{path}", body, sub_mchid="shop")
        assert answer["code"] == "MCH_NOT_EXISTS"
