"""Payment codes over v3: charged and reversed, in the mainland family and the global one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from django_wxpay.protocol.merchants import Mode
from django_wxpay.simulator import DEMO_MERCHANTS, Options, Simulator, create_app
from tests.simulator.conftest import START
from tests.simulator.v3.calling import (
    APPID,
    GLOBAL,
    MAINLAND,
    NUMBER,
    SUB_MCHID,
    Answer,
    Caller,
    Receiver,
)

CODE = "134567890123456789"
OTHER = "T20260101000002"
STORE = {"device_id": "till 3", "device_ip": "203.0.113.7", "store_info": {"out_id": "A1"}}


def body_of(caller: Caller, **members: Any) -> dict[str, Any]:
    """Return the body of a charge; None removes a member that would be there."""
    given = {
        "notify_url": None,
        "payer": {"auth_code": CODE},
        "scene_info": STORE if not caller.is_global else None,
    }
    return caller.order("micropay", **{**given, **members})


def sell(caller: Caller, **members: Any) -> Answer:
    path = "/v3/global/micropay/transactions/pay" if caller.is_global else f"{caller.home}/codepay"
    return caller.call("POST", path, body_of(caller, **members))


def undo(caller: Caller, number: str = NUMBER, **members: Any) -> Answer:
    if caller.is_global:
        path = f"/v3/global/micropay/transactions/out-trade-no/{number}/reverse"
        return caller.call("POST", path, {**caller.whose, **members})
    appid = "appid" if "mchid" in caller.whose else "sp_appid"
    given = {appid: APPID, **caller.whose, **members}
    return caller.call("POST", f"{caller.home}/out-trade-no/{number}/reverse", given)


def counts(app: Simulator) -> tuple[int, int]:
    trades = app.ledger()["trades"]
    return sum(one["charges"] for one in trades), sum(one["reversals"] for one in trades)


@pytest.fixture
def partner(receiver: Receiver) -> Caller:
    [demo] = [one for one in DEMO_MERCHANTS if one.mch_id == MAINLAND]
    account = replace(demo, alias="partner", mch_id="1900000119", mode=Mode.INSTITUTIONAL)
    app = create_app([account], clock=lambda: START, deliver=receiver)
    return Caller(
        app,
        mch_id="1900000119",
        home="/v3/pay/partner/transactions",
        sp_mchid="1900000119",
        sub_mchid=SUB_MCHID,
    )


def test_a_code_is_paid_at_once_and_nothing_is_notified(
    anyone: Caller, app: Simulator, receiver: Receiver
) -> None:
    sold = sell(anyone, attach="table 7")
    assert sold["status"] == 200
    expected = {
        "out_trade_no": NUMBER,
        "trade_type": "MICROPAY",
        "trade_state": "SUCCESS",
        "bank_type": "OTHERS",
        "success_time": "2026-01-01T12:00:00+08:00",
        "attach": "table 7",
    }
    assert {name: sold[name] for name in expected} == expected
    assert sold["amount"]["total"] == 100
    assert ("id" in sold) is anyone.is_global
    assert ("transaction_id" in sold) is not anyone.is_global
    assert anyone.query() == sold
    assert app.advance(7 * 86_400) == 0
    assert receiver.bodies == []
    assert counts(app) == (1, 0)


def test_a_partner_sells_and_reverses(partner: Caller) -> None:
    sold = sell(partner, sub_appid=APPID)
    assert (sold["status"], sold["trade_state"]) == (200, "SUCCESS")
    assert sold["payer"].keys() == {"sp_openid", "sub_openid"}
    refused = undo(partner, sub_mchid="1900000333")
    assert (refused["status"], refused["code"]) == (400, "INVALID_REQUEST")
    done = undo(partner)
    assert done == {
        "status": 200,
        "sp_appid": APPID,
        "sp_mchid": "1900000119",
        "sub_mchid": SUB_MCHID,
        "out_trade_no": NUMBER,
    }
    assert partner.state() == "REVOKED"


def test_a_partner_may_leave_out_its_appid(partner: Caller) -> None:
    sell(partner)
    path = f"{partner.home}/out-trade-no/{NUMBER}/reverse"
    assert partner.call("POST", path, partner.whose)["status"] == 200


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "state", "later"),
    [
        ("bank_error_pays", 500, "BANK_ERROR", "USERPAYING", "SUCCESS"),
        ("bank_error_refuses", 500, "BANK_ERROR", "USERPAYING", "PAYERROR"),
        ("not_enough", 403, "NOT_ENOUGH", "NOTPAY", "NOTPAY"),
        ("system_error_pays", 500, "SYSTEM_ERROR", "SUCCESS", "SUCCESS"),
    ],
)
def test_customers_behave_as_the_code_says(
    anyone: Caller, app: Simulator, behaviour: str, status: int, code: str, state: str, later: str
) -> None:
    shown = app.payment_code(behaviour)["auth_code"]
    answer = sell(anyone, payer={"auth_code": shown})
    assert (answer["status"], answer["code"]) == (status, code)
    assert anyone.state() == state
    app.advance(10)
    assert anyone.state() == later
    assert counts(app) == (later == "SUCCESS", 0)


@pytest.mark.parametrize(("later", "charged"), [("pays", 1), ("cancels", 0), ("ignored", 0)])
def test_a_password_is_no_success_and_no_error(
    anyone: Caller, app: Simulator, later: str, charged: int
) -> None:
    app.inject(f"code_password_{later}")
    for _ in range(2):
        answer = sell(anyone)
        if anyone.is_global:
            assert (answer["status"], answer["code"]) == (202, "USERPAYING")
        else:
            assert (answer["status"], answer["trade_state"]) == (200, "USERPAYING")
            assert "transaction_id" not in answer
    assert anyone.state() == "USERPAYING"
    app.advance(10)
    ends = {"pays": "SUCCESS", "cancels": "PAYERROR", "ignored": "USERPAYING"}
    assert anyone.state() == ends[later]
    assert counts(app) == (charged, 0)


def test_mainland_can_ask_for_the_password_as_the_global_family_does(receiver: Receiver) -> None:
    options = Options(codepay_userpaying=202, password_from=100)
    mainland = Caller(create_app(clock=lambda: START, deliver=receiver, options=options))
    answer = sell(mainland)
    assert (answer["status"], answer["code"]) == (202, "USERPAYING")


def test_an_expired_code_makes_no_order(anyone: Caller, app: Simulator) -> None:
    shown = app.payment_code()["auth_code"]
    app.advance(60)
    answer = sell(anyone, payer={"auth_code": shown})
    assert (answer["status"], answer["code"]) == (403, "AUTH_CODE_EXPIRE")
    assert anyone.query()["code"] == "ORDER_NOT_EXIST"


def test_a_code_pays_one_order_only(anyone: Caller, app: Simulator) -> None:
    sell(anyone)
    answer = sell(anyone, out_trade_no=OTHER)
    assert (answer["status"], answer["code"]) == (400, "AUTH_CODE_ERROR")
    assert anyone.query(OTHER)["code"] == "ORDER_NOT_EXIST"
    assert counts(app) == (1, 0)


@pytest.mark.parametrize(
    "code", ["13456789012345678", "1345678901234567890", "13456789012345678x", "281234567890123456"]
)
def test_what_is_no_code_of_wechat_pay_is_refused(
    anyone: Caller, app: Simulator, code: str
) -> None:
    answer = sell(anyone, payer={"auth_code": code})
    assert (answer["status"], answer["code"]) == (400, "AUTH_CODE_INVALID")
    assert app.ledger()["trades"] == []


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"payer": None}, "/payer"),
        ({"payer": {"auth_code": 134567890123456789}}, "/payer/auth_code"),
        ({"payer": {"auth_code": "1" * 129}}, "/payer/auth_code"),
        ({"payer": {"auth_code": CODE, "openid": "o"}}, "/payer/openid"),
        ({"amount": {"total": 0}}, "/amount/total"),
        ({"amount": {"total": 1.0}}, "/amount/total"),
        ({"amount": {"total": True}}, "/amount/total"),
        ({"notify_url": "https://shop.example/"}, "/notify_url"),
        ({"time_expire": "2026-01-01T13:00:00+08:00"}, "/time_expire"),
    ],
)
def test_a_malformed_charge_is_no_charge(
    anyone: Caller, app: Simulator, members: dict[str, Any], field: str
) -> None:
    answer = sell(anyone, **members)
    assert (answer["status"], answer["code"]) == (400, "PARAM_ERROR")
    assert answer["detail"]["field"] == field
    assert app.ledger()["trades"] == []


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"scene_info": None}, "/scene_info"),
        ({"scene_info": {"payer_client_ip": "203.0.113.7"}}, "/scene_info/payer_client_ip"),
        ({"trade_type": "MICROPAY"}, "/trade_type"),
        ({"limit_pay": ["no_credit"]}, "/limit_pay"),
    ],
)
def test_the_mainland_family_has_members_of_its_own(
    mainland: Caller, members: dict[str, Any], field: str
) -> None:
    assert sell(mainland, **members)["detail"]["field"] == field
    detail = {
        "goods_detail": [
            {"merchant_goods_id": "1", "wxpay_goods_id": "2", "quantity": 1, "unit_price": 100}
        ]
    }
    more = {"support_fapiao": True, "settle_info": {"profit_sharing": True}, "goods_tag": "WXG"}
    assert sell(mainland, detail=detail, **more)["status"] == 200


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"trade_type": None}, "/trade_type"),
        ({"trade_type": "NATIVE"}, "/trade_type"),
        ({"merchant_category_code": None}, "/merchant_category_code"),
        ({"time_start": "2026-01-01T12:00:00+08:00"}, "/time_start"),
    ],
)
def test_the_global_family_has_members_of_its_own(
    overseas: Caller, members: dict[str, Any], field: str
) -> None:
    assert sell(overseas, **members)["detail"]["field"] == field
    assert sell(overseas, scene_info={"device_ip": "203.0.113.7"})["status"] == 200


def test_other_parameters_under_the_same_number_are_refused(anyone: Caller, app: Simulator) -> None:
    app.inject("code_password_ignored")
    sell(anyone)
    for members in ({"payer": {"auth_code": "134567890123456780"}}, {"description": "tea pot"}):
        answer = sell(anyone, **members)
        assert (answer["status"], answer["code"]) == (400, "INVALID_REQUEST")
        assert next(iter(members)) in answer["message"]
    assert anyone.state() == "USERPAYING"
    assert counts(app) == (0, 0)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("SUCCESS", "ORDER_PAID"),
        ("REFUND", "ORDER_PAID"),
        ("CLOSED", "ORDER_CLOSED"),
        ("REVOKED", "ORDER_REVERSED"),
        ("PAYERROR", "TRADE_ERROR"),
    ],
)
def test_what_has_ended_cannot_be_charged(
    anyone: Caller, app: Simulator, state: str, code: str
) -> None:
    sell(anyone)
    app.set_state(anyone.mch_id, NUMBER, state)
    answer = sell(anyone)
    assert (answer["status"], answer["code"]) == (403 if code == "TRADE_ERROR" else 400, code)
    assert counts(app) == (1, 0)


def test_a_number_belongs_to_one_way_to_pay(anyone: Caller, app: Simulator) -> None:
    anyone.place()
    answer = sell(anyone)
    assert (answer["status"], answer["code"]) == (403, "OUT_TRADE_NO_USED")
    app.inject("code_password_ignored")
    sell(anyone, out_trade_no=OTHER)
    assert anyone.place(out_trade_no=OTHER)["code"] == "OUT_TRADE_NO_USED"


def test_an_order_by_code_cannot_be_closed(anyone: Caller, app: Simulator) -> None:
    app.inject("code_password_ignored")
    sell(anyone)
    assert anyone.close()["code"] == "TRADE_ERROR"
    assert anyone.state() == "USERPAYING"
    app.pay(anyone.mch_id, NUMBER)
    assert anyone.close()["code"] == "ORDER_PAID"


@pytest.mark.parametrize("fault", ["", "code_password_pays", "code_not_enough"])
def test_a_reversal_gives_back_what_was_paid_and_ends_the_order(
    anyone: Caller, app: Simulator, receiver: Receiver, fault: str
) -> None:
    if fault:
        app.inject(fault)
    sell(anyone)
    for _ in range(2):
        done = undo(anyone)
        assert done["status"] == (204 if anyone.is_global else 200)
        assert done.get("out_trade_no", NUMBER) == NUMBER
    app.advance(3600)
    assert anyone.state() == "REVOKED"
    assert sell(anyone)["code"] == "ORDER_REVERSED"
    assert counts(app) == ((0, 0) if fault else (1, 1))
    assert receiver.bodies == []


def test_the_global_family_reverses_by_id_too(overseas: Caller) -> None:
    transaction_id = sell(overseas)["id"]
    path = f"/v3/global/micropay/transactions/id/{transaction_id}/reverse"
    assert overseas.call("POST", path, overseas.whose) == {"status": 204}
    assert overseas.state() == "REVOKED"


def test_a_reversal_comes_within_seven_days(anyone: Caller, app: Simulator) -> None:
    sell(anyone)
    app.advance(7 * 86_400)
    answer = undo(anyone)
    assert (answer["status"], answer["code"]) == (400, "INVALID_REQUEST")
    assert anyone.state() == "SUCCESS"
    assert counts(app) == (1, 0)


def test_a_reversal_can_have_to_wait(receiver: Receiver) -> None:
    app = create_app(clock=lambda: START, deliver=receiver, options=Options(reverse_after_s=15))
    overseas = Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")
    sell(overseas)
    assert undo(overseas)["code"] == "INVALID_REQUEST"
    app.advance(15)
    assert undo(overseas)["status"] == 204


def test_only_payment_codes_are_reversed(anyone: Caller) -> None:
    anyone.place()
    answer = undo(anyone)
    assert (answer["status"], answer["code"]) == (403, "TRADE_ERROR")
    assert undo(anyone, OTHER)["code"] == "ORDER_NOT_EXIST"
    assert anyone.state() == "NOTPAY"


def test_an_order_of_another_merchant_is_not_found(
    mainland: Caller, overseas: Caller, app: Simulator
) -> None:
    sell(mainland)
    assert undo(overseas)["code"] == "ORDER_NOT_EXIST"
    assert counts(app) == (1, 0)


def test_the_body_of_a_reversal_is_checked(mainland: Caller, overseas: Caller) -> None:
    sell(mainland)
    path = f"{mainland.home}/out-trade-no/{NUMBER}/reverse"
    without = mainland.call("POST", path, mainland.whose)
    assert (without["code"], without["detail"]["field"]) == ("PARAM_ERROR", "/appid")
    foreign = undo(mainland, appid="wx0000000000000000")
    assert foreign["code"] == "APPID_MCHID_NOT_MATCH"
    assert undo(mainland, reason="x")["detail"]["field"] == "/reason"
    assert undo(overseas, appid=APPID)["detail"]["field"] == "/appid"
    assert mainland.state() == "SUCCESS"


def test_v2_knows_nothing_of_a_recall_over_v3(receiver: Receiver) -> None:
    options = Options(recalls=5)
    app = create_app(clock=lambda: START, deliver=receiver, options=options)
    mainland = Caller(app)
    sell(mainland)
    assert undo(mainland)["status"] == 200
    assert mainland.state() == "REVOKED"


@pytest.mark.parametrize(
    ("fault", "charged"),
    [("reset_after", 1), ("http_502", 0), ("systemerror_after", 1), ("http_202", 0)],
)
def test_a_fault_of_the_answer_leaves_one_charge_or_none(
    anyone: Caller, app: Simulator, fault: str, charged: int
) -> None:
    app.inject(fault, operation="micropay", seconds=0)
    path = "/v3/global/micropay/transactions/pay" if anyone.is_global else f"{anyone.home}/codepay"
    try:
        anyone.send("POST", path, body_of(anyone))
    except OSError:
        assert fault == "reset_after"
    assert counts(app) == (charged, 0)
    assert app.ledger()["requests"][-1]["out_trade_no"] == NUMBER
    again = sell(anyone)
    assert again.get("code", "") == ("ORDER_PAID" if charged else "")
    assert counts(app) == (1, 0)
