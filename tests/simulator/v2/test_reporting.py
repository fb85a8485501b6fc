"""payitil/report (protocol-v2 section 8)."""

from __future__ import annotations

import pytest

from django_wxpay.simulator import Options, Simulator, create_app
from tests.simulator.calling import HOST, MCH_ID, NUMBER, Merchant

REPORT = {
    "interface_url": f"{HOST}/pay/unifiedorder",
    "execute_time_": "123",
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "user_ip": "127.0.0.1",
    "out_trade_no": NUMBER,
    "time": "20260101120000",
}


def report(merchant: Merchant, **fields: str | None) -> dict[str, str]:
    return merchant.call("/payitil/report", {**REPORT, **fields})


def test_a_report_is_taken_down_and_its_answer_is_bare(app: Simulator, merchant: Merchant) -> None:
    answer = report(merchant)
    assert answer == {"return_code": "SUCCESS", "return_msg": "OK", "result_code": "SUCCESS"}
    [kept] = app.ledger()["reports"]
    assert (kept["execute_time_"], kept["mch_id"]) == ("123", MCH_ID)
    assert kept["interface_url"] == f"{HOST}/pay/unifiedorder"
    assert not {"sign", "nonce_str"} & kept.keys()


def test_nought_milliseconds_are_a_time(merchant: Merchant) -> None:
    assert report(merchant, execute_time_="0")["return_code"] == "SUCCESS"


def test_the_appid_may_be_left_out(merchant: Merchant) -> None:
    assert report(merchant, appid=None)["result_code"] == "SUCCESS"
    assert report(merchant, appid="wx0")["return_msg"] == "appid不存在"


@pytest.mark.parametrize("name", ["execute_time", "execute_time_cost"])
def test_the_underscore_is_part_of_the_name(app: Simulator, merchant: Merchant, name: str) -> None:
    answer = report(merchant, **{"execute_time_": None, name: "123"})
    assert answer["return_code"] == "FAIL"
    assert answer["return_msg"] == f"invalid {name}: the field is called execute_time_"
    assert app.ledger()["reports"] == []


@pytest.mark.parametrize("name", ["execute_time", "execute_time_cost"])
def test_beside_the_right_name_a_wrong_one_does_no_harm(
    app: Simulator, merchant: Merchant, name: str
) -> None:
    assert report(merchant, **{name: "7"})["return_code"] == "SUCCESS"
    assert app.ledger()["reports"][0]["execute_time_"] == "123"
    assert app.ledger()["requests"][0]["unknown_fields"] == (name,)


@pytest.mark.parametrize(
    "name", ["interface_url", "execute_time_", "return_code", "result_code", "user_ip", "mch_id"]
)
def test_what_a_report_must_have(merchant: Merchant, name: str) -> None:
    assert report(merchant, **{name: None})["return_msg"] == f"缺少参数{name}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("execute_time_", "-1"),
        ("execute_time_", "1.5"),
        ("return_code", "OK"),
        ("user_ip", "2001:db8::1"),
        ("interface_url", "x" * 129),
        ("time", "now"),
        ("err_code", "x" * 33),
    ],
)
def test_what_a_report_must_not_have(merchant: Merchant, name: str, value: str) -> None:
    assert report(merchant, **{name: value})["return_msg"].startswith(f"invalid {name}")


def test_a_report_is_signed_by_who_sends_it(merchant: Merchant) -> None:
    merchant.key = "TESTKEYtestkeyTESTKEYtestkey0009"
    assert report(merchant)["return_msg"] == "签名错误"


def test_an_institutions_report_names_the_sub_merchant(institution: Merchant) -> None:
    assert report(institution)["result_code"] == "SUCCESS"
    assert report(institution, sub_mch_id=None)["return_msg"] == "缺少参数sub_mch_id"


def test_documented_errors_of_a_report_are_as_bare() -> None:
    merchant = Merchant(create_app(options=Options(error_shape="documented")))
    answer = report(merchant, user_ip=None)
    assert answer == {"return_code": "SUCCESS", "return_msg": "OK", "result_code": "FAIL"}


def test_old_reports_are_forgotten_before_memory_is_full() -> None:
    app = create_app(options=Options(ledger_size=2))
    for number in range(3):
        report(Merchant(app), execute_time_=str(number))
    assert [kept["execute_time_"] for kept in app.ledger()["reports"]] == ["1", "2"]
