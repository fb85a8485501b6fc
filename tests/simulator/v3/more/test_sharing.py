"""Profit sharing: who may receive, how much, and under a number once."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.simulator import Simulator
from tests.simulator.v3.calling import GLOBAL, MAINLAND, NUMBER, Caller
from tests.simulator.v3.more.calling import code_of, post, sealed
from tests.simulator.v3.more.sharing import ADDED, HOME, RECEIVER, left, line, query, share


@pytest.fixture
def paid(app: Simulator, mainland: Caller) -> str:
    """Return the transaction_id of an order of 100 fen that may be shared."""
    mainland.place(settle_info={"profit_sharing": True})
    return str(app.pay(MAINLAND, NUMBER)["transaction_id"])


def test_an_order_is_shared_and_the_rest_unfrozen(mainland: Caller, paid: str) -> None:
    added = post(mainland, f"{HOME}/receivers/add", ADDED, name=sealed("张三"))
    assert (added["status"], added["relation_type"]) == (200, "STORE")
    answer = share(mainland, paid, line(30, name=sealed("张三")))
    assert (answer["status"], answer["state"]) == (200, "PROCESSING")
    assert [one["result"] for one in answer["receivers"]] == ["PENDING"]
    assert left(mainland, paid) == 70
    done = query(mainland, paid)
    assert (done["state"], done["order_id"]) == ("FINISHED", answer["order_id"])
    assert [(one["amount"], one["result"]) for one in done["receivers"]] == [(30, "SUCCESS")]
    rest = {"transaction_id": paid, "out_order_no": "P2", "description": "done"}
    unfrozen = post(mainland, f"{HOME}/orders/unfreeze", rest)
    assert (unfrozen["status"], unfrozen["receivers"]) == (200, [])
    assert left(mainland, paid) == 0
    assert post(mainland, f"{HOME}/orders/unfreeze", rest)["order_id"] == unfrozen["order_id"]
    assert code_of(share(mainland, paid, line(1), out_order_no="P3")) == (403, "NOT_ENOUGH")


def test_the_same_number_is_the_same_request(mainland: Caller, paid: str) -> None:
    post(mainland, f"{HOME}/receivers/add", ADDED)
    first = share(mainland, paid, line())
    assert share(mainland, paid, line())["order_id"] == first["order_id"]
    assert left(mainland, paid) == 70
    for again in (
        share(mainland, paid, line(31)),
        share(mainland, paid, line(), unfreeze_unsplit=True),
        share(mainland, paid),
    ):
        assert code_of(again) in {(400, "INVALID_REQUEST"), (400, "PARAM_ERROR")}
    assert left(mainland, paid) == 70


def test_the_name_of_a_receiver_is_compared_in_plain_text(mainland: Caller, paid: str) -> None:
    post(mainland, f"{HOME}/receivers/add", ADDED)
    first = share(mainland, paid, line(name=sealed("张三")))
    assert share(mainland, paid, line(name=sealed("张三")))["order_id"] == first["order_id"]
    for again, code in (
        (line(name=sealed("李四")), "INVALID_REQUEST"),
        (line(), "INVALID_REQUEST"),
        (line(name="eHh4"), "PARAM_ERROR"),
    ):
        assert code_of(share(mainland, paid, again)) == (400, code)
    assert left(mainland, paid) == 70


def test_no_more_is_shared_than_is_left(app: Simulator, mainland: Caller, paid: str) -> None:
    post(mainland, f"{HOME}/receivers/add", ADDED)
    assert code_of(share(mainland, paid, line(101))) == (403, "NOT_ENOUGH")
    app.refund(MAINLAND, NUMBER, refund_fee=50)
    assert left(mainland, paid) == 50
    assert code_of(share(mainland, paid, line(51))) == (403, "NOT_ENOUGH")
    assert share(mainland, paid, line(25), line(25))["status"] == 200
    assert left(mainland, paid) == 0


def test_a_receiver_has_to_be_added(mainland: Caller, paid: str) -> None:
    assert code_of(share(mainland, paid, line())) == (400, "INVALID_REQUEST")
    post(mainland, f"{HOME}/receivers/add", ADDED)
    post(mainland, f"{HOME}/receivers/delete", RECEIVER)
    assert code_of(share(mainland, paid, line())) == (400, "INVALID_REQUEST")


def test_an_order_has_to_be_placed_to_be_shared(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    transaction_id = app.pay(MAINLAND, NUMBER)["transaction_id"]
    post(mainland, f"{HOME}/receivers/add", ADDED)
    assert code_of(share(mainland, transaction_id, line())) == (400, "INVALID_REQUEST")
    assert left(mainland, transaction_id) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"transaction_id": "4200000000000000000000000000"}, (404, "RESOURCE_NOT_EXISTS")),
        ({"out_order_no": "P 1"}, (400, "PARAM_ERROR")),
        ({"out_order_no": None}, (400, "PARAM_ERROR")),
        ({"unfreeze_unsplit": "false"}, (400, "PARAM_ERROR")),
        ({"receivers": [line(0)]}, (400, "PARAM_ERROR")),
        ({"receivers": [line("30")]}, (400, "PARAM_ERROR")),  # type: ignore[arg-type]
        ({"receivers": [line(name="张三")]}, (400, "PARAM_ERROR")),
        ({"receivers": [line(name="eHh4")]}, (400, "PARAM_ERROR")),
        ({"sub_mchid": "1900000109"}, (400, "PARAM_ERROR")),
        ({"appid": "wx1"}, (400, "APPID_MCHID_NOT_MATCH")),
        ({"unknown": 1}, (400, "PARAM_ERROR")),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(
    mainland: Caller, paid: str, changes: dict[str, Any], code: tuple[int, str]
) -> None:
    post(mainland, f"{HOME}/receivers/add", ADDED)
    assert code_of(share(mainland, paid, line(), **changes)) == code
    assert left(mainland, paid) == 100


@pytest.mark.parametrize(
    "changes",
    [{"relation_type": "FRIEND"}, {"relation_type": "CUSTOM"}, {"custom_relation": "代理商"}],
)
def test_a_receiver_has_a_relation(mainland: Caller, changes: dict[str, Any]) -> None:
    answer = post(mainland, f"{HOME}/receivers/add", ADDED, **changes)
    assert code_of(answer) == (400, "PARAM_ERROR")


def test_a_number_nobody_knows_is_refused(mainland: Caller, paid: str) -> None:
    assert code_of(query(mainland, paid)) == (404, "RESOURCE_NOT_EXISTS")
    assert code_of(mainland.call("GET", f"{HOME}/orders/P1")) == (400, "PARAM_ERROR")
    amounts = f"{HOME}/transactions/{'4' * 28}/amounts"
    assert code_of(mainland.call("GET", amounts)) == (404, "RESOURCE_NOT_EXISTS")
    assert code_of(mainland.call("GET", f"{amounts}?a=b")) == (400, "PARAM_ERROR")
    too_long = f"{HOME}/transactions/{'4' * 33}/amounts"
    assert code_of(mainland.call("GET", too_long)) == (400, "PARAM_ERROR")


def test_it_is_a_product_of_mainland(app: Simulator) -> None:
    abroad = Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")
    assert code_of(post(abroad, f"{HOME}/receivers/add", ADDED)) == (403, "NO_AUTH")
