"""Transfers: made once, confirmed by the payee, cancelled before that."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.simulator import ControlError, Simulator
from tests.simulator.v3.calling import APPID, MAINLAND, OPENID, Answer, Caller
from tests.simulator.v3.more.calling import code_of, post, sealed

HOME = "/v3/fund-app/mch-transfer/transfer-bills"
BODY: dict[str, Any] = {
    "appid": APPID,
    "out_bill_no": "B1",
    "transfer_scene_id": "1000",
    "openid": OPENID,
    "transfer_amount": 400,
    "transfer_remark": "报销",
    "transfer_scene_report_infos": [{"info_type": "活动名称", "info_content": "注册会员有礼"}],
}


def make(caller: Caller, **changes: Any) -> Answer:
    return post(caller, HOME, BODY, **changes)


def query(caller: Caller, number: str = "B1") -> Answer:
    return caller.call("GET", f"{HOME}/out-bill-no/{number}")


def cancel(caller: Caller, number: str = "B1") -> Answer:
    return caller.call("POST", f"{HOME}/out-bill-no/{number}/cancel")


def test_a_transfer_waits_for_its_payee(app: Simulator, mainland: Caller) -> None:
    made = make(mainland, user_name=sealed("张三"))
    assert (made["status"], made["state"]) == (200, "WAIT_USER_CONFIRM")
    assert make(mainland, user_name=sealed("张三")) == made
    assert app.settle_transfer(MAINLAND, "B1")["state"] == "SUCCESS"
    found = query(mainland)
    assert (found["state"], found["mch_id"], found["transfer_amount"]) == ("SUCCESS", MAINLAND, 400)
    assert "package_info" not in found
    assert "package_info" not in make(mainland, user_name=sealed("张三"))
    for another in (sealed("李四"), None):
        assert code_of(make(mainland, user_name=another)) == (400, "INVALID_REQUEST")
    theirs = f"{HOME}/transfer-bill-no/{made['transfer_bill_no']}"
    assert mainland.call("GET", theirs) == found
    assert code_of(cancel(mainland)) == (400, "INVALID_REQUEST")


def test_a_transfer_fails_for_a_reason(app: Simulator, mainland: Caller) -> None:
    make(mainland)
    app.settle_transfer(MAINLAND, "B1", "FAIL")
    found = query(mainland)
    assert (found["state"], found["fail_reason"]) == ("FAIL", "PAYEE_ACCOUNT_ABNORMAL")


def test_a_transfer_is_cancelled_after_a_while(mainland: Caller) -> None:
    make(mainland)
    assert cancel(mainland)["state"] == "CANCELING"
    assert cancel(mainland)["state"] == "CANCELING"
    assert query(mainland)["state"] == "CANCELLED"
    assert cancel(mainland)["state"] == "CANCELLED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"out_bill_no": "B-1"}, (400, "PARAM_ERROR")),
        ({"transfer_amount": 0}, (400, "PARAM_ERROR")),
        ({"transfer_amount": 4.0}, (400, "PARAM_ERROR")),
        ({"transfer_scene_report_infos": []}, (400, "PARAM_ERROR")),
        ({"transfer_scene_report_infos": None}, (400, "PARAM_ERROR")),
        ({"user_name": "张三"}, (400, "PARAM_ERROR")),
        ({"appid": "wx1"}, (400, "APPID_MCHID_NOT_MATCH")),
        ({"mchid": MAINLAND}, (400, "PARAM_ERROR")),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(
    mainland: Caller, changes: dict[str, Any], code: tuple[int, str]
) -> None:
    assert code_of(make(mainland, **changes)) == code


def test_a_number_is_used_once(mainland: Caller) -> None:
    make(mainland)
    assert code_of(make(mainland, transfer_amount=401)) == (400, "INVALID_REQUEST")
    assert code_of(query(mainland, "B2")) == (404, "RESOURCE_NOT_EXISTS")
    assert code_of(query(mainland, "B_2")) == (400, "PARAM_ERROR")
    theirs = f"{HOME}/transfer-bill-no/B1"
    assert code_of(mainland.call("GET", theirs)) == (404, "RESOURCE_NOT_EXISTS")


def test_the_control_plane_settles_what_is_open(app: Simulator, mainland: Caller) -> None:
    with pytest.raises(ControlError, match="no transfer"):
        app.settle_transfer(MAINLAND, "B1")
    make(mainland)
    with pytest.raises(ControlError, match="state is one of"):
        app.settle_transfer(MAINLAND, "B1", "GONE")
    body = {"mch_id": MAINLAND, "out_bill_no": "B1"}
    assert mainland.control("transfer", body).json()["state"] == "SUCCESS"
    with pytest.raises(ControlError, match="SUCCESS"):
        app.settle_transfer(MAINLAND, "B1")
