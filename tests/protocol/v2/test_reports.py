"""What payitil/report is told (protocol-v2 section 8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import BadAnswer, MalformedMessage, Refused
from django_wxpay.protocol.merchants import Merchant, Mode, SignType
from django_wxpay.protocol.v2.reports import (
    MeasuredCall,
    read_report_answer,
    report_fields,
    report_ip,
)
from tests.protocol.v2.vectors import K1

CALL = MeasuredCall(
    appid="wxd930ea5d5a258f4f",
    mch_id="10000100",
    interface_url="https://api.mch.weixin.qq.com/pay/unifiedorder",
    execute_time_ms=123,
    return_code="SUCCESS",
    result_code="SUCCESS",
    user_ip="127.0.0.1",
    out_trade_no="T20260101000001",
)
# M17 of protocol-v2 section 2.2, word for word.
M17 = {
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "nonce_str": "ibuaiVcKdpRxkhJA",
    "interface_url": "https://api.mch.weixin.qq.com/pay/unifiedorder",
    "execute_time_": "123",
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "user_ip": "127.0.0.1",
    "out_trade_no": "T20260101000001",
    "time": "20260101000001",
}
MERCHANT = Merchant(alias="default", mch_id="10000100", appid="wxd930ea5d5a258f4f", api_key=K1)


def told(
    call: MeasuredCall = CALL, mode: Mode = Mode.COMMON, sign_type: SignType = SignType.MD5
) -> dict[str, str]:
    return report_fields(
        call,
        mode=mode,
        sign_type=sign_type,
        key=K1,
        nonce="ibuaiVcKdpRxkhJA",
        now=datetime(2025, 12, 31, 16, 0, 1, tzinfo=UTC),
    )


def test_the_report_of_the_sheet_is_written_and_signed_as_the_sheet_has_it() -> None:
    assert told() == M17 | {"sign": "97A40CFEC5410C5E3EB0338849C5B6EF"}


def test_the_signature_is_not_that_of_execute_time_without_its_underscore() -> None:
    assert told()["sign"] != "64153DDB1A837C61D39747E0CCDDE428"
    assert "execute_time" not in told()


def test_a_sign_type_that_is_not_md5_is_named_and_signed() -> None:
    sent = told(sign_type=SignType.HMAC_SHA256)
    assert sent["sign_type"] == "HMAC-SHA256"
    assert v2.verify(sent, K1)
    bare = {name: text for name, text in sent.items() if name not in {"sign", "sign_type"}}
    assert v2.sign(bare, K1, SignType.HMAC_SHA256) == (
        "53611A85F9C68AEAACCEBFD8CD07356B7A05BC07F96344AFBB8A1C34CA9CCE43"
    )


def test_everything_that_a_call_left_behind_is_told() -> None:
    said = {
        "device_info": "till-7",
        "return_msg": "OK",
        "result_code": "FAIL",
        "err_code": "ORDERPAID",
        "err_code_des": "该订单已支付",
    }
    sent = told(replace(CALL, **said))
    assert {name: sent[name] for name in said} == said


def test_only_an_institution_names_its_sub_merchant() -> None:
    call = replace(CALL, sub_appid="wx1111111111111111", sub_mch_id="10000200")
    assert not {"sub_appid", "sub_mch_id"} & told(call).keys()
    sent = told(call, Mode.INSTITUTIONAL)
    assert (sent["sub_appid"], sent["sub_mch_id"]) == ("wx1111111111111111", "10000200")
    assert v2.verify(sent, K1)


@pytest.mark.parametrize(
    ("came_back", "reported"),
    [
        (("SUCCESS", "SUCCESS"), ("SUCCESS", "SUCCESS")),
        (("SUCCESS", "FAIL"), ("SUCCESS", "FAIL")),
        (("SUCCESS", ""), ("SUCCESS", "FAIL")),
        (("FAIL", ""), ("FAIL", "FAIL")),
        (("FAIL", "SUCCESS"), ("FAIL", "FAIL")),
        (("", ""), ("FAIL", "FAIL")),
        (("ok", "ok"), ("FAIL", "FAIL")),
    ],
)
def test_what_was_not_said_is_fail(came_back: tuple[str, str], reported: tuple[str, str]) -> None:
    sent = told(replace(CALL, return_code=came_back[0], result_code=came_back[1]))
    assert (sent["return_code"], sent["result_code"]) == reported


def test_where_nobody_answered_our_own_word_says_why() -> None:
    silent = replace(CALL, return_code="", result_code="", failure="TIMEOUT")
    assert told(silent)["return_msg"] == "TIMEOUT"
    assert told(replace(silent, return_msg="签名失败"))["return_msg"] == "签名失败"


@pytest.mark.parametrize(("measured", "sent"), [(0, "0"), (-5, "0"), (90000, "90000")])
def test_no_time_is_negative(measured: int, sent: str) -> None:
    assert told(replace(CALL, execute_time_ms=measured))["execute_time_"] == sent


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("255.255.255.255", "255.255.255.255"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "0.0.0.0"),
        ("2001:db8:85a3::8a2e:370:7334", "0.0.0.0"),
        ("", "0.0.0.0"),
        ("localhost", "0.0.0.0"),
    ],
)
def test_our_address_fits_its_sixteen_characters(address: str, sent: str) -> None:
    assert report_ip(address) == sent
    assert told(replace(CALL, user_ip=address))["user_ip"] == sent


def test_texts_are_cut_to_the_width_of_the_sheet_and_not_through_a_character() -> None:
    sent = told(replace(CALL, err_code_des="很" * 100, err_code="E" * 40, return_msg="<b>&" * 50))
    assert sent["err_code_des"] == "很" * 42
    assert sent["err_code"] == "E" * 32
    assert sent["return_msg"] == "<b>&" * 32
    assert v2.decode_xml(v2.encode_xml(sent)) == sent


@given(st.text(), st.text(), st.text())
def test_whatever_was_said_becomes_a_report(message: str, code: str, url: str) -> None:
    call = replace(CALL, return_msg=message, err_code=code, interface_url=url, device_info=code)
    sent = told(call)
    assert v2.decode_xml(v2.encode_xml(sent)) == sent
    assert v2.verify(sent, K1)
    assert len(sent.get("return_msg", "").encode()) <= 128
    assert len(sent.get("err_code", "").encode()) <= 32


def test_an_unsigned_yes_is_understood() -> None:
    body = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"
    read_report_answer(body, MERCHANT)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<xml><return_code>FAIL</return_code><return_msg>no</return_msg></xml>", Refused),
        (
            b"<xml><return_code>SUCCESS</return_code><result_code>FAIL</result_code></xml>",
            Refused,
        ),
        (b"<xml><return_code>SUCCESS</return_code></xml>", BadAnswer),
        (b"<xml><a>1</a></xml>", BadAnswer),
        (b"<html>", MalformedMessage),
        (b"", MalformedMessage),
    ],
)
def test_everything_else_is_no_yes(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_report_answer(body, MERCHANT)
