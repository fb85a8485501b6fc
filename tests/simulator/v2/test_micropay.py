"""micropay and authcodetoopenid, as a shop with a scanner calls them."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from django_wxpay.protocol import v2
from django_wxpay.simulator import Options, Simulator, create_app
from tests.simulator.calling import APPID, HOST, MCH_ID, SUB_MCH_ID, Merchant, Shop
from tests.simulator.conftest import START

NUMBER = "S20260101000001"
OTHER = "S20260101000002"
# Digits that no phone of the simulator has shown, as in the examples of SDKs.
CODE = "134567890123456789"
SALE = {
    "body": "tea cup",
    "out_trade_no": NUMBER,
    "total_fee": "100",
    "spbill_create_ip": "127.0.0.1",
    "auth_code": CODE,
}


def sell(merchant: Merchant, **fields: str | None) -> dict[str, str]:
    return merchant.call("/pay/micropay", {**SALE, **fields})


def state(merchant: Merchant, number: str = NUMBER) -> str:
    answer = merchant.query(out_trade_no=number)
    return answer.get("trade_state") or answer["err_code"]


def trade(app: Simulator, number: str = NUMBER) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = [one for one in app.ledger()["trades"] if one["out_trade_no"] == number]
    return found


def charges(app: Simulator) -> int:
    return sum(one["charges"] for one in app.ledger()["trades"])


def shop_of(shop: Shop, **options: Any) -> tuple[Simulator, Merchant]:
    app = create_app(clock=lambda: START, deliver=shop, options=Options(**options))
    return app, Merchant(app)


def test_a_code_is_paid_at_once_and_nothing_is_notified(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    answer = sell(merchant, attach="table 7", device_info="till 3")
    assert answer["result_code"] == "SUCCESS"
    transaction_id = answer["transaction_id"]
    assert len(transaction_id) == 28
    expected = {
        "out_trade_no": NUMBER,
        "trade_type": "MICROPAY",
        "bank_type": "OTHERS",
        "total_fee": "100",
        "fee_type": "CNY",
        "cash_fee": "100",
        "cash_fee_type": "CNY",
        "is_subscribe": "N",
        "time_end": "20260101120000",
        "attach": "table 7",
        "device_info": "till 3",
    }
    assert {name: answer[name] for name in expected} == expected
    assert len(answer["openid"]) == 28
    assert "sub_openid" not in answer
    assert merchant.query(transaction_id=transaction_id)["trade_state"] == "SUCCESS"
    assert app.advance(7 * 86_400) == 0
    assert shop.received == []
    assert (trade(app)["charges"], trade(app)["reversals"]) == (1, 0)


def test_an_institution_sells_for_its_sub_merchant(institution: Merchant) -> None:
    answer = sell(institution, sub_appid=APPID)
    assert answer["result_code"] == "SUCCESS"
    assert answer["sub_mch_id"] == SUB_MCH_ID
    assert answer["sub_openid"]
    query = institution.query(out_trade_no=NUMBER, sub_mch_id=SUB_MCH_ID)
    assert query["trade_state"] == "SUCCESS"
    assert sell(institution, sub_mch_id="1900000333")["err_code"] == "ORDERPAID"


@pytest.mark.parametrize(
    ("behaviour", "err_code", "at_once", "later", "charged"),
    [
        ("pays", "", "SUCCESS", "SUCCESS", 1),
        ("person", "", "SUCCESS", "SUCCESS", 1),
        ("password_pays", "USERPAYING", "USERPAYING", "SUCCESS", 1),
        ("password_cancels", "USERPAYING", "USERPAYING", "PAYERROR", 0),
        ("password_ignored", "USERPAYING", "USERPAYING", "USERPAYING", 0),
        ("bank_error_pays", "BANKERROR", "USERPAYING", "SUCCESS", 1),
        ("bank_error_refuses", "BANKERROR", "USERPAYING", "PAYERROR", 0),
        ("not_enough", "NOTENOUGH", "NOTPAY", "NOTPAY", 0),
        ("system_error_pays", "SYSTEMERROR", "SUCCESS", "SUCCESS", 1),
        ("expired", "AUTHCODEEXPIRE", "ORDERNOTEXIST", "ORDERNOTEXIST", 0),
    ],
)
def test_customers_behave_as_the_code_says(
    app: Simulator,
    merchant: Merchant,
    behaviour: str,
    err_code: str,
    at_once: str,
    later: str,
    charged: int,
) -> None:
    shown = merchant.control("codes", {"behaviour": behaviour, "mch_id": MCH_ID}).json()
    answer = sell(merchant, auth_code=shown["auth_code"])
    assert answer.get("err_code", "") == err_code
    assert state(merchant) == at_once
    app.advance(9)
    assert state(merchant) == at_once
    app.advance(1)
    assert state(merchant) == later
    app.advance(3600)
    assert state(merchant) == later
    assert charges(app) == charged
    if later == "SUCCESS":
        assert merchant.query(out_trade_no=NUMBER)["openid"] == shown["openid"]


@pytest.mark.parametrize(
    ("fault", "err_code", "later"),
    [
        ("code_password_pays", "USERPAYING", "SUCCESS"),
        ("code_password_cancels", "USERPAYING", "PAYERROR"),
        ("code_bank_error_refuses", "BANKERROR", "PAYERROR"),
        ("code_expired", "AUTHCODEEXPIRE", "ORDERNOTEXIST"),
    ],
)
def test_a_fault_makes_any_code_behave(
    app: Simulator, merchant: Merchant, fault: str, err_code: str, later: str
) -> None:
    app.inject(fault)
    merchant.place()
    assert sell(merchant)["err_code"] == err_code
    app.advance(10)
    assert state(merchant) == later
    assert sell(merchant, out_trade_no=OTHER, auth_code=f"{CODE[:-1]}0")["result_code"] == "SUCCESS"


def test_every_fault_of_a_charge_is_a_behaviour_and_belongs_to_micropay(
    merchant: Merchant,
) -> None:
    catalogue = merchant.control("faults", method="GET").json()["catalogue"]
    names = [one["fault"] for one in catalogue if one["strikes"] == ["charge"]]
    assert len(names) == 9
    for name in names:
        accepted = merchant.control("faults", {"fault": name, "operation": "micropay"})
        refused = merchant.control("faults", {"fault": name, "operation": "orderquery"})
        assert (accepted.status_code, refused.status_code) == (200, 400)


@pytest.mark.parametrize(
    ("fault", "charged"),
    [("reset", 0), ("timeout", 0), ("reset_after", 1), ("http_502", 0), ("systemerror_after", 1)],
)
def test_a_fault_of_the_answer_leaves_one_charge_or_none(
    app: Simulator, merchant: Merchant, fault: str, charged: int
) -> None:
    app.inject(fault, operation="micropay", seconds=0)
    try:
        response = merchant.post("/pay/micropay", merchant.signed(SALE))
    except OSError:
        assert fault in {"reset", "timeout", "reset_after"}
    else:
        assert (response.status_code == 502) is (fault == "http_502")
    assert charges(app) == charged
    assert state(merchant) == ("SUCCESS" if charged else "ORDERNOTEXIST")
    again = sell(merchant)
    assert again.get("err_code", "") == ("ORDERPAID" if charged else "")
    assert charges(app) == 1


@pytest.mark.parametrize("behaviour", ["password_pays", "bank_error_pays", "not_enough"])
def test_the_same_charge_again_answers_the_state_while_it_is_open(
    app: Simulator, merchant: Merchant, behaviour: str
) -> None:
    code = app.payment_code(behaviour)["auth_code"]
    first, second = sell(merchant, auth_code=code), sell(merchant, auth_code=code)
    assert first["err_code"] == second["err_code"]
    assert charges(app) == 0


def test_a_charge_that_failed_cannot_be_repeated(app: Simulator, merchant: Merchant) -> None:
    code = app.payment_code("password_cancels")["auth_code"]
    sell(merchant, auth_code=code)
    app.advance(10)
    assert sell(merchant, auth_code=code)["err_code"] == "TRADE_ERROR"
    assert state(merchant) == "PAYERROR"
    assert charges(app) == 0


@pytest.mark.parametrize(
    "field",
    [
        {"total_fee": "101"},
        {"auth_code": "134567890123456780"},
        {"body": "tea pot"},
        {"attach": "x"},
        {"fee_type": "USD"},
    ],
)
def test_other_parameters_under_the_same_number_are_refused(
    app: Simulator, merchant: Merchant, field: dict[str, str]
) -> None:
    app.inject("code_password_ignored")
    sell(merchant)
    answer = sell(merchant, **field)
    assert answer["err_code"] == "INVALID_REQUEST"
    assert next(iter(field)) in answer["err_code_des"]
    assert (state(merchant), charges(app)) == ("USERPAYING", 0)


def test_what_has_ended_cannot_be_charged(app: Simulator, merchant: Merchant) -> None:
    sell(merchant)
    assert sell(merchant, total_fee="101")["err_code"] == "ORDERPAID"
    app.set_state(MCH_ID, NUMBER, "REVOKED")
    assert sell(merchant)["err_code"] == "ORDERREVERSED"
    app.set_state(MCH_ID, NUMBER, "CLOSED")
    assert sell(merchant)["err_code"] == "ORDERCLOSED"
    assert charges(app) == 1


def test_a_number_belongs_to_one_way_to_pay(app: Simulator, merchant: Merchant) -> None:
    merchant.place(out_trade_no=NUMBER)
    assert sell(merchant)["err_code"] == "OUT_TRADE_NO_USED"
    app.inject("code_password_ignored")
    sell(merchant, out_trade_no=OTHER)
    assert merchant.place(out_trade_no=OTHER)["err_code"] == "INVALID_REQUEST"
    assert charges(app) == 0


def test_a_code_pays_one_order_only(app: Simulator, merchant: Merchant) -> None:
    for code in (CODE, app.payment_code()["auth_code"]):
        sell(merchant, out_trade_no=f"{NUMBER}-{code[-4:]}", auth_code=code)
        answer = sell(merchant, out_trade_no=f"{OTHER}-{code[-4:]}", auth_code=code)
        assert answer["err_code"] == "AUTH_CODE_ERROR"
        assert state(merchant, f"{OTHER}-{code[-4:]}") == "ORDERNOTEXIST"
    assert charges(app) == 2


def test_a_code_lives_for_a_minute(app: Simulator, merchant: Merchant) -> None:
    shown = [app.payment_code() for _ in range(2)]
    assert shown[0]["expires_at"] == "2026-01-01T12:01:00.000+08:00"
    app.advance(59)
    assert sell(merchant, auth_code=shown[0]["auth_code"])["result_code"] == "SUCCESS"
    app.advance(1)
    answer = sell(merchant, out_trade_no=OTHER, auth_code=shown[1]["auth_code"])
    assert answer["err_code"] == "AUTHCODEEXPIRE"
    assert state(merchant, OTHER) == "ORDERNOTEXIST"


def test_digits_of_an_example_pay_again_after_a_minute(app: Simulator, merchant: Merchant) -> None:
    sell(merchant)
    app.advance(60)
    assert sell(merchant, out_trade_no=OTHER)["result_code"] == "SUCCESS"
    assert charges(app) == 2


def test_eight_cashiers_who_scan_one_code_charge_it_once(
    app: Simulator, merchant: Merchant
) -> None:
    code = app.payment_code()["auth_code"]
    bodies = [
        merchant.signed({**SALE, "out_trade_no": f"{NUMBER}-{n}", "auth_code": code})
        for n in range(8)
    ]
    start = threading.Barrier(8)

    def scan(body: bytes) -> str:
        start.wait(10)
        answer = v2.decode_xml(Merchant(app).post("/pay/micropay", body).content)
        return answer.get("err_code", "")

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(scan, bodies))
    assert codes == ["", *["AUTH_CODE_ERROR"] * 7]
    assert charges(app) == 1


def test_a_code_that_was_shown_before_is_not_shown_again(shop: Shop) -> None:
    drawn = itertools.count()

    def entropy(size: int) -> bytes:
        # Each second draw repeats the one before it.
        return (next(drawn) // 2 * 6).to_bytes(size)

    app, _ = shop_of(shop, entropy=entropy)
    codes = [app.payment_code()["auth_code"] for _ in range(3)]
    assert len(set(codes)) == 3


def test_codes_have_eighteen_digits_and_differ(app: Simulator) -> None:
    codes = {app.payment_code()["auth_code"] for _ in range(300)}
    assert len(codes) == 300
    assert {len(code) for code in codes} == {18}
    assert {code[:2] for code in codes} == {"10", "11", "12", "13", "14", "15"}


@pytest.mark.parametrize(
    "code",
    [
        *("13456789012345678", "1345678901234567890", "13456789012345678A"),
        *("281234567890123456", "091234567890123456", "１３４５６７８９０１２３４５６７８９", "x"),
    ],
)
def test_what_is_no_code_of_wechat_pay_is_refused(
    app: Simulator, merchant: Merchant, code: str
) -> None:
    answer = sell(merchant, auth_code=code)
    assert answer["err_code"] == "AUTH_CODE_INVALID"
    opened = merchant.call("/tools/authcodetoopenid", {"auth_code": code})
    assert opened["err_code"] == "AUTH_CODE_INVALID"
    assert app.ledger()["trades"] == []


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"auth_code": None}, "缺少参数auth_code"),
        ({"auth_code": "1" * 129}, "invalid auth_code"),
        ({"total_fee": "0"}, "invalid total_fee"),
        ({"total_fee": "1.0"}, "invalid total_fee"),
        ({"spbill_create_ip": None}, "缺少参数spbill_create_ip"),
        ({"body": "x" * 128}, "invalid body"),
        ({"deposit": "X"}, "invalid deposit"),
        ({"time_expire": "20260101120059"}, "time_expire"),
    ],
)
def test_a_malformed_charge_is_no_charge(
    app: Simulator, merchant: Merchant, field: dict[str, str | None], said: str
) -> None:
    answer = sell(merchant, **field)
    assert answer["return_code"] == "FAIL"
    assert said in answer["return_msg"]
    assert app.ledger()["trades"] == []


def test_the_options_of_an_order_hold_for_a_charge(shop: Shop) -> None:
    _, merchant = shop_of(shop, length_unit="chars", mainland_cny_only=True)
    assert sell(merchant, fee_type="USD")["return_code"] == "FAIL"
    assert sell(merchant, body="茶" * 128)["return_code"] == "FAIL"
    assert sell(merchant, body="茶" * 127)["result_code"] == "SUCCESS"


def test_the_documented_shape_has_its_code(shop: Shop) -> None:
    _, merchant = shop_of(shop, error_shape="documented")
    assert sell(merchant, total_fee="0")["err_code"] == "PARAM_ERROR"


def test_codes_that_nobody_showed_can_be_refused(shop: Shop) -> None:
    app, merchant = shop_of(shop, unknown_codes="refuse")
    assert sell(merchant)["err_code"] == "AUTH_CODE_INVALID"
    code = app.payment_code()["auth_code"]
    assert sell(merchant, auth_code=code)["result_code"] == "SUCCESS"


def test_a_password_is_asked_from_an_amount_on(app: Simulator, merchant: Merchant) -> None:
    assert sell(merchant, total_fee="299999")["result_code"] == "SUCCESS"
    answer = sell(merchant, out_trade_no=OTHER, total_fee="300000", auth_code="134567890123456780")
    assert answer["err_code"] == "USERPAYING"
    app.advance(10)
    assert state(merchant, OTHER) == "SUCCESS"


def test_the_password_can_be_turned_off_and_take_longer(shop: Shop) -> None:
    _, merchant = shop_of(shop, password_from=None)
    assert sell(merchant, total_fee="99999999")["result_code"] == "SUCCESS"
    app, merchant = shop_of(shop, password_from=1, password_s=30)
    assert sell(merchant)["err_code"] == "USERPAYING"
    app.advance(29)
    assert state(merchant) == "USERPAYING"
    app.advance(1)
    assert state(merchant) == "SUCCESS"


def test_a_password_that_comes_after_time_expire_pays_nothing(shop: Shop) -> None:
    app, merchant = shop_of(shop, password_from=1, password_s=62)
    until = (START + timedelta(seconds=60)).strftime("%Y%m%d%H%M%S")
    assert sell(merchant, time_expire=until)["err_code"] == "USERPAYING"
    app.advance(62)
    assert (state(merchant), charges(app)) == ("PAYERROR", 0)


def test_the_time_of_a_late_payment_is_that_of_the_password(
    app: Simulator, merchant: Merchant
) -> None:
    app.inject("code_password_pays")
    sell(merchant)
    app.advance(600)
    assert merchant.query(out_trade_no=NUMBER)["time_end"] == "20260101120010"


def test_an_order_by_code_cannot_be_closed(app: Simulator, merchant: Merchant) -> None:
    app.inject("code_password_ignored")
    sell(merchant)
    assert merchant.close(out_trade_no=NUMBER)["err_code"] == "TRADE_STATE_ERROR"
    assert state(merchant) == "USERPAYING"
    app.pay(MCH_ID, NUMBER)
    assert merchant.close(out_trade_no=NUMBER)["err_code"] == "ORDERPAID"


def test_the_control_plane_types_the_password(app: Simulator, merchant: Merchant) -> None:
    app.inject("code_password_ignored")
    sell(merchant)
    paid = app.pay(MCH_ID, NUMBER, bank_type="CMC")
    assert (paid["trade_state"], paid["charges"]) == ("SUCCESS", 1)
    assert paid["payment"]["bank_type"] == "CMC"
    for body, code in (("pay", "already_paid"), ("notify", "no_notification")):
        given = {"mch_id": MCH_ID, "out_trade_no": NUMBER}
        refused = merchant.control(body, given)
        assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert charges(app) == 1


def test_a_decision_cancels_what_would_have_come_by_itself(
    app: Simulator, merchant: Merchant
) -> None:
    app.inject("code_password_pays")
    sell(merchant)
    app.set_state(MCH_ID, NUMBER, "PAYERROR")
    app.advance(60)
    assert (state(merchant), charges(app)) == ("PAYERROR", 0)
    refused = merchant.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER})
    assert refused.json()["code"] == "closed"
    forced = app.pay(MCH_ID, NUMBER, force=True)
    assert (forced["trade_state"], forced["charges"]) == ("SUCCESS", 1)


def test_a_refund_notice_needs_an_address_of_its_own(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    sell(merchant)
    given = {"mch_id": MCH_ID, "out_trade_no": NUMBER, "out_refund_no": "R1"}
    refused = merchant.control("refund-notice", given)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert shop.received == []
    url = "https://shop.example/refunded/"
    assert merchant.control("refund-notice", given | {"notify_url": url}).status_code == 200
    assert shop.urls == [url]


@pytest.mark.parametrize(
    ("given", "code", "status"),
    [
        ({"behaviour": "steals"}, "invalid", 400),
        ({"mch_id": "1900009999"}, "unknown_merchant", 404),
        ({"nonsense": "1"}, "invalid", 400),
        ({"behaviour": 7}, "invalid", 400),
    ],
)
def test_a_code_that_cannot_be_shown(
    merchant: Merchant, given: dict[str, Any], code: str, status: int
) -> None:
    response = merchant.control("codes", given)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_codes_are_shown_by_post_alone(merchant: Merchant) -> None:
    assert merchant.control("codes", method="GET").status_code == 405
    assert merchant.control("codes", {}).json().keys() == {"auth_code", "openid", "expires_at"}


def test_a_reset_forgets_the_codes(app: Simulator, merchant: Merchant) -> None:
    sell(merchant)
    app.reset()
    assert sell(merchant, out_trade_no=OTHER)["result_code"] == "SUCCESS"


def test_the_openid_is_known_before_the_charge(app: Simulator, merchant: Merchant) -> None:
    shown = app.payment_code(mch_id=MCH_ID)
    opened = merchant.call("/tools/authcodetoopenid", {"auth_code": shown["auth_code"]})
    assert opened["openid"] == shown["openid"]
    assert "sub_openid" not in opened
    assert sell(merchant, auth_code=shown["auth_code"])["openid"] == shown["openid"]


def test_a_code_that_was_opened_is_charged_by_that_merchant_alone(
    app: Simulator, merchant: Merchant, institution: Merchant
) -> None:
    code = app.payment_code()["auth_code"]
    opened = institution.call("/tools/authcodetoopenid", {"auth_code": code, "sub_appid": APPID})
    assert opened["sub_openid"]
    assert sell(merchant, auth_code=code)["err_code"] == "AUTH_CODE_INVALID"
    assert state(merchant) == "ORDERNOTEXIST"
    assert sell(institution, auth_code=code)["result_code"] == "SUCCESS"


def test_a_used_or_expired_code_is_not_opened(app: Simulator, merchant: Merchant) -> None:
    sell(merchant)
    used = merchant.call("/tools/authcodetoopenid", {"auth_code": CODE})
    assert used["err_code"] == "AUTH_CODE_ERROR"
    expired = app.payment_code("expired")["auth_code"]
    answer = merchant.call("/tools/authcodetoopenid", {"auth_code": expired})
    assert answer["err_code"] == "AUTHCODEEXPIRE"
    lacking = merchant.call("/tools/authcodetoopenid", {})
    assert lacking["return_msg"] == "缺少参数auth_code"


def test_each_call_is_in_the_ledger_under_its_own_name(app: Simulator, merchant: Merchant) -> None:
    sell(merchant)
    merchant.call("/secapi/pay/reverse", {"out_trade_no": NUMBER})
    merchant.call("/tools/authcodetoopenid", {"auth_code": CODE})
    names = [one["operation"] for one in app.ledger()["requests"]]
    assert names == ["micropay", "reverse", "authcodetoopenid"]
    assert merchant.session.get(f"{HOST}/pay/micropay").status_code == 200
