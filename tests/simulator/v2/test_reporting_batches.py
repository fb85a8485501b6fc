"""The batch form of payitil/report (protocol-v2 section 8.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_wxpay.simulator import Simulator
from tests.simulator.calling import HOST, MCH_ID, NUMBER, Merchant

SALE = {
    "out_trade_no": NUMBER,
    "begin_time": "20260101120000",
    "end_time": "20260101120005",
    "state": "OK",
    "err_msg": "",
}
BATCH = {
    "interface_url": f"{HOST}/pay/batchreport/micropay/total",
    "user_ip": "127.0.0.1",
    "trades": json.dumps([SALE]),
}


def report(merchant: Merchant, **fields: str | None) -> dict[str, str]:
    return merchant.call("/payitil/report", {**BATCH, **fields})


def selling(merchant: Merchant, **changes: Any) -> str:
    """Report one sale with ``changes``, None leaving a name out; return the answer."""
    sale = {name: value for name, value in {**SALE, **changes}.items() if value is not None}
    return report(merchant, trades=json.dumps([sale]))["return_msg"]


def test_a_batch_is_taken_down_as_it_came(app: Simulator, merchant: Merchant) -> None:
    answer = report(merchant, device_info="till-7")
    assert answer == {"return_code": "SUCCESS", "return_msg": "OK", "result_code": "SUCCESS"}
    ledger = app.ledger()
    [kept] = ledger["reports"]
    assert (kept["mch_id"], kept["device_info"]) == (MCH_ID, "till-7")
    assert (kept["interface_url"], kept["trades"]) == (BATCH["interface_url"], BATCH["trades"])
    assert not {"sign", "nonce_str"} & kept.keys()
    assert ledger["requests"][0]["unknown_fields"] == ()


@pytest.mark.parametrize("name", ["interface_url", "user_ip", "mch_id", "appid", "trades"])
def test_what_a_batch_must_have(app: Simulator, merchant: Merchant, name: str) -> None:
    assert report(merchant, **{name: None})["return_msg"] == f"缺少参数{name}"
    assert app.ledger()["reports"] == []


@pytest.mark.parametrize(
    "name",
    [
        "execute_time_",
        "execute_time",
        "return_code",
        "return_msg",
        "result_code",
        "err_code",
        "err_code_des",
        "out_trade_no",
        "time",
    ],
)
def test_fields_of_one_call_have_no_place_in_a_batch(
    app: Simulator, merchant: Merchant, name: str
) -> None:
    expected = report(merchant, **{name: "1"})["return_msg"]
    assert expected == f"invalid {name}: it has no place beside trades"
    assert app.ledger()["reports"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("interface_url", f"{HOST}/pay/micropay/total"),
        ("interface_url", "https://" + "x" * 100 + BATCH["interface_url"].removeprefix(HOST)),
        ("user_ip", "2001:db8::1"),
        ("device_info", "x" * 33),
        ("trades", "[]"),
        ("trades", "{}"),
        ("trades", "null"),
        ("trades", "[null]"),
        ("trades", "not json"),
        ("trades", "[" * 500),
        ("trades", json.dumps(SALE)),
        ("trades", json.dumps([SALE, "x"])),
        ("trades", BATCH["trades"].replace("{", '{"state": "OK", ')),
    ],
)
def test_what_a_batch_must_not_have(
    app: Simulator, merchant: Merchant, name: str, value: str
) -> None:
    assert report(merchant, **{name: value})["return_msg"].startswith(f"invalid {name}: ")
    assert app.ledger()["reports"] == []


def test_1024_bytes_are_room_enough_and_1025_are_not(merchant: Merchant) -> None:
    bare = json.dumps([SALE])
    full = json.dumps([SALE | {"err_msg": "x" * (1024 - len(bare))}])
    assert report(merchant, trades=full)["result_code"] == "SUCCESS"
    assert report(merchant, trades=f"{full} ")["return_msg"] == "invalid trades: 1025 bytes long"
    chinese = json.dumps([SALE | {"err_msg": "余" * 320}], ensure_ascii=False)
    assert len(chinese) < 1024
    assert report(merchant, trades=chinese)["return_msg"].endswith("bytes long")


@pytest.mark.parametrize("state", ["OK", "FAIL", "CANCLE"])
def test_the_three_words_of_a_sale(merchant: Merchant, state: str) -> None:
    assert selling(merchant, state=state) == "OK"


@pytest.mark.parametrize("err_msg", [None, "", "余额不足"])
def test_the_message_is_free_and_may_be_left_out(merchant: Merchant, err_msg: str | None) -> None:
    assert selling(merchant, err_msg=err_msg) == "OK"


@pytest.mark.parametrize("name", ["out_trade_no", "begin_time", "end_time", "state"])
def test_what_a_sale_must_have(merchant: Merchant, name: str) -> None:
    assert selling(merchant, **{name: None}) == f"invalid trades: {name} is missing or no text"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "CANCEL"),
        ("state", "CANCELLED"),
        ("state", "ok"),
        ("begin_time", "20260101120060"),
        ("end_time", "20260101120060"),
        ("end_time", "20260230120000"),
        ("begin_time", "2026-01-01 12:00:00"),
        ("begin_time", 20260101120000),
        ("out_trade_no", "x" * 33),
        ("out_trade_no", "blank here"),
        ("err_msg", 0),
        ("err_msg", "\x00"),
    ],
)
def test_what_a_sale_must_not_have(merchant: Merchant, name: str, value: object) -> None:
    assert selling(merchant, **{name: value}).startswith(f"invalid trades: {name}")


@pytest.mark.parametrize("name", ["time", "begin_at", "execute_time_", "\ud800"])
def test_a_name_that_is_not_the_sheets_is_refused(merchant: Merchant, name: str) -> None:
    expected = selling(merchant, **{name: "20260101120000"})
    assert expected == f"invalid trades: {name!a} is no name of a sale (documents of 2025)"


def test_a_batch_is_signed_by_who_sends_it(app: Simulator, merchant: Merchant) -> None:
    merchant.sign_type = "HMAC-SHA256"
    assert report(merchant)["result_code"] == "SUCCESS"
    merchant.key = "TESTKEYtestkeyTESTKEYtestkey0009"
    assert report(merchant)["return_msg"] == "签名错误"
    assert len(app.ledger()["reports"]) == 1


def test_an_institutions_batch_names_the_sub_merchant(institution: Merchant) -> None:
    assert report(institution, sub_appid="wx1111111111111111")["result_code"] == "SUCCESS"
    assert report(institution, sub_mch_id=None)["return_msg"] == "缺少参数sub_mch_id"


def test_a_merchant_of_its_own_names_none(merchant: Merchant) -> None:
    assert report(merchant, sub_appid="wx1111111111111111")["return_code"] == "FAIL"
