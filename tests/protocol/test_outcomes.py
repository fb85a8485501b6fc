"""The error table: every row stands in the sheet, and every row can be reached by an answer."""

from __future__ import annotations

import pytest

from django_wxpay.protocol import error_codes
from django_wxpay.protocol.error_codes import (
    RESULT_FAIL,
    RETURN_FAIL,
    RETURN_MESSAGES,
    TABLE,
    ErrorCode,
    Verdict,
    lookup,
)
from django_wxpay.protocol.errors import OrderClosed, OrderPaid, Refused
from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.v2 import encode_xml
from django_wxpay.protocol.v2.replies import read_envelope
from tests.laws.source import ROOT
from tests.protocol.samples import MERCHANT, NONCE, changed, signed

REFUSAL = {
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "appid": MERCHANT.appid,
    "mch_id": MERCHANT.mch_id,
    "nonce_str": NONCE,
    "result_code": "FAIL",
    "err_code_des": "a reason",
}
SEED_004 = frozenset(
    "INVALID_REQUEST NOAUTH NOTENOUGH ORDERPAID ORDERCLOSED SYSTEMERROR APPID_NOT_EXIST "
    "MCHID_NOT_EXIST APPID_MCHID_NOT_MATCH LACK_PARAMS OUT_TRADE_NO_USED SIGNERROR "
    "XML_FORMAT_ERROR REQUIRE_POST_METHOD POST_DATA_EMPTY NOT_UTF8".split()
)
SHEET = {
    "3.7": SEED_004 | {"PARAM_ERROR", "FREQUENCY_LIMITED", "FREQ_LIMIT"},
    "5.4": {"ORDERNOTEXIST", "SYSTEMERROR", "SIGNERROR", "XML_FORMAT_ERROR", "268447845"},
    "6.1": {"ORDERPAID", "ORDERCLOSED", "ORDERNOTEXIST", "TRADE_STATE_ERROR", "SYSTEMERROR"},
    "6.2": set(
        "SYSTEMERROR BANKERROR USERPAYING PARAM_ERROR ORDERPAID NOAUTH AUTHCODEEXPIRE NOTENOUGH "
        "NOTSUPORTCARD ORDERCLOSED ORDERREVERSED AUTH_CODE_ERROR AUTH_CODE_INVALID "
        "XML_FORMAT_ERROR REQUIRE_POST_METHOD SIGNERROR LACK_PARAMS NOT_UTF8 BUYER_MISMATCH "
        "APPID_NOT_EXIST MCHID_NOT_EXIST OUT_TRADE_NO_USED APPID_MCHID_NOT_MATCH "
        "INVALID_REQUEST TRADE_ERROR RULELIMIT".split()
    ),
    "6.3": {"INVALID_TRANSACTIONID", "PARAM_ERROR", "TRADE_ERROR", "REVERSE_EXPIRE"},
    "6.4": set(
        "SYSTEMERROR BIZERR_NEED_RETRY TRADE_OVERDUE ERROR USER_ACCOUNT_ABNORMAL "
        "INVALID_REQ_TOO_MUCH NOTENOUGH NOT_ENOUGH INVALID_TRANSACTIONID PARAM_ERROR "
        "APPID_NOT_EXIST MCHID_NOT_EXIST ORDERNOTEXIST OUT_REFUND_NO_USED FREQUENCY_LIMITED".split()
    ),
    "6.5": {"REFUNDNOTEXIST", "SYSTEMERROR", "INVALID_TRANSACTIONID", "PARAM_ERROR"},
}
SHEET_V3 = {
    "3.9": set(
        "ACCOUNT_ERROR REQUEST_BLOCKED RESOURCE_NOT_EXISTS NOT_FOUND NO_STATEMENT_EXIST "
        "STATEMENT_CREATING OPENID_MISMATCH SERVICE_UNAVAILABLE".split()
    ),
    "4.6": {"REFUND_FEE_MISMATCH"},
}
OF_OUR_OWN = {RETURN_FAIL, RESULT_FAIL}


def refused(body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read_envelope(body, merchant=MERCHANT, sign_type=SignType.MD5, appid=MERCHANT.appid)
    return caught.value


def test_every_code_of_the_sheet_has_a_row_and_no_row_is_invented():
    assert set(TABLE) == set().union(*SHEET.values()) | OF_OUR_OWN | set().union(*SHEET_V3.values())


def test_the_busy_codes_are_those_whose_call_is_repeated_by_itself():
    busy = {row.code for row in TABLE.values() if row.is_busy}

    assert busy == set(
        "SYSTEMERROR FREQUENCY_LIMITED FREQ_LIMIT BIZERR_NEED_RETRY SERVICE_UNAVAILABLE".split()
    )
    assert {TABLE[code].verdict for code in busy} == {Verdict.RETRY}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_every_row_is_reached_by_a_signed_refusal_and_gives_its_advice(row):
    error = refused(signed(REFUSAL | {"err_code": row.code}))

    assert (error.err_code, error.err_code_des, error.advice) == (row.code, "a reason", row.advice)
    assert error.kind == row.code
    assert isinstance(error, OrderPaid) == (row.code == "ORDERPAID")
    assert isinstance(error, OrderClosed) == (row.code == "ORDERCLOSED")


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_every_row_has_a_sentence_for_a_person_and_the_section_it_stands_in(row):
    assert row.advice[0].isupper()
    assert row.advice.endswith(".")
    assert len(row.advice) > 30
    sheet, _, section = row.source.partition(" section ")
    codes = {"protocol-v2": SHEET, "protocol-v3": SHEET_V3}[sheet].get(section, set())
    assert row.code in codes | OF_OUR_OWN


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("签名错误", "SIGNERROR"),
        ("签名错误，请检查后再试", "SIGNERROR"),
        ("appid不存在", "APPID_NOT_EXIST"),
        ("商户号mch_id或sub_mch_id不存在", "MCHID_NOT_EXIST"),
        ("缺少参数", "LACK_PARAMS"),
        ("XML格式错误", "XML_FORMAT_ERROR"),
        ("something else", "RETURN_FAIL"),
        ("", "RETURN_FAIL"),
    ],
)
def test_a_refusal_as_a_whole_has_a_row_of_its_own_and_the_advice_on_its_text(text, code):
    error = refused(encode_xml({"return_code": "FAIL", "return_msg": text}))

    assert (error.err_code, error.err_code_des) == ("RETURN_FAIL", text)
    assert error.kind == "RETURN_FAIL", "a text decides nothing but the advice"
    assert error.advice == TABLE[code].advice


def test_every_known_text_of_a_refusal_stands_in_the_sheet():
    sheet = (ROOT / "docs/protocol/v2.md").read_text(encoding="utf-8")
    assert [text for text in RETURN_MESSAGES if f"`{text}`" not in sheet] == []


def test_a_signed_refusal_without_a_code_has_a_row_of_its_own():
    error = refused(signed(changed(REFUSAL, err_code_des=None)))

    assert (error.err_code, error.err_code_des) == ("RESULT_FAIL", "")
    assert error.advice == TABLE["RESULT_FAIL"].advice


def test_a_code_that_nobody_wrote_down_counts_as_an_unknown_outcome():
    outcome = lookup("BRAND_NEW")

    assert outcome == ErrorCode(
        "BRAND_NEW", Verdict.UNKNOWN, outcome.advice, "protocol-v2 section 3.7"
    )
    assert outcome.advice.startswith("This code is not in our table.")
    assert refused(signed(REFUSAL | {"err_code": "BRAND_NEW"})).advice == outcome.advice


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("SYSTEMERROR", Verdict.RETRY),
        ("FREQUENCY_LIMITED", Verdict.RETRY),
        ("BIZERR_NEED_RETRY", Verdict.RETRY),
        ("USERPAYING", Verdict.UNKNOWN),
        ("BANKERROR", Verdict.UNKNOWN),
        ("TRADE_STATE_ERROR", Verdict.UNKNOWN),
        ("ORDERPAID", Verdict.FINAL),
        ("ORDERCLOSED", Verdict.FINAL),
        ("NOTENOUGH", Verdict.FINAL),
        ("SIGNERROR", Verdict.OUR_MISTAKE),
        ("INVALID_REQUEST", Verdict.OUR_MISTAKE),
        ("RETURN_FAIL", Verdict.OUR_MISTAKE),
    ],
)
def test_what_may_be_repeated_and_what_must_be_asked_is_told_apart(code, verdict):
    assert lookup(code).verdict is verdict


def test_no_code_has_two_rows():
    assert len(error_codes._ROWS) == len(TABLE)
