"""What answers grant, whose they are, and what errors say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.error_codes import TABLE, ErrorCode, Verdict
from django_wxpay.protocol.errors import BadAnswer, BadSignature, OrderClosed, OrderPaid, Refused
from django_wxpay.protocol.facts import PrepayGrant
from django_wxpay.protocol.v3.errors import V3_TABLE, V3Error, lookup_v3, normalised
from django_wxpay.protocol.v3.replies import read_error, read_grant, read_query
from tests.protocol.v3.samples import INSTITUTION, MAINLAND, OVERSEAS, REF, payable, text

ANSWERS = {
    "JSAPI": {"prepay_id": "wx1"},
    "APP": {"prepay_id": "wx1"},
    "NATIVE": {"code_url": "weixin://wxpay/s/An4baqw"},
    "MWEB": {"h5_url": "https://wx.tenpay.com/x?prepay_id=1"},
}
ORDER = {
    "mchid": "1900000109",
    "appid": "wx8888888888888888",
    "out_trade_no": "ORDER20240501A",
    "trade_state": "NOTPAY",
    "trade_state_desc": "订单未支付",
}
# Every spelling of protocol-v3 sections 3.9, 4.6 and 7.1, and the word that v2 has for it.
SHEET = {
    "USERPAYING": "USERPAYING",
    "PARAM_ERROR": "PARAM_ERROR",
    "INVALID_REQUEST": "INVALID_REQUEST",
    "APPID_MCHID_NOT_MATCH": "APPID_MCHID_NOT_MATCH",
    "MCH_NOT_EXISTS": "MCHID_NOT_EXIST",
    "ORDER_CLOSED": "ORDERCLOSED",
    "ORDERCLOSED": "ORDERCLOSED",
    "ORDER_PAID": "ORDERPAID",
    "ORDERPAID": "ORDERPAID",
    "ORDER_REVERSED": "ORDERREVERSED",
    "ORDERREVERSED": "ORDERREVERSED",
    "AUTH_CODE_INVALID": "AUTH_CODE_INVALID",
    "AUTH_CODE_ERROR": "AUTH_CODE_ERROR",
    "AUTH_CODE_EXPIRE": "AUTHCODEEXPIRE",
    "NO_STATEMENT_EXIST": "NO_STATEMENT_EXIST",
    "STATEMENT_CREATING": "STATEMENT_CREATING",
    "SIGN_ERROR": "SIGNERROR",
    "NO_AUTH": "NOAUTH",
    "NOAUTH": "NOAUTH",
    "OUT_TRADE_NO_USED": "OUT_TRADE_NO_USED",
    "NOT_ENOUGH": "NOTENOUGH",
    "NOTENOUGH": "NOTENOUGH",
    "RULE_LIMIT": "RULELIMIT",
    "RULELIMIT": "RULELIMIT",
    "TRADE_ERROR": "TRADE_ERROR",
    "ACCOUNT_ERROR": "ACCOUNT_ERROR",
    "USER_ACCOUNT_ABNORMAL": "USER_ACCOUNT_ABNORMAL",
    "REQUEST_BLOCKED": "REQUEST_BLOCKED",
    "ORDER_NOT_EXIST": "ORDERNOTEXIST",
    "ORDERNOTEXIST": "ORDERNOTEXIST",
    "RESOURCE_NOT_EXISTS": "RESOURCE_NOT_EXISTS",
    "REFUND_NOT_EXISTS": "REFUNDNOTEXIST",
    "NOT_FOUND": "NOT_FOUND",
    "RATELIMIT_EXCEEDED": "FREQUENCY_LIMITED",
    "RATE_LIMITED": "FREQUENCY_LIMITED",
    "FREQUENCY_LIMITED": "FREQUENCY_LIMITED",
    "FREQUENCY_LIMIT_EXCEED": "FREQUENCY_LIMITED",
    "FREQENCY_LIMIT": "FREQUENCY_LIMITED",
    "SYSTEM_ERROR": "SYSTEMERROR",
    "SYSTEMERROR": "SYSTEMERROR",
    "BANK_ERROR": "BANKERROR",
    "BIZ_ERR_NEED_RETRY": "BIZERR_NEED_RETRY",
    "OPENID_MISMATCH": "OPENID_MISMATCH",
    "INVALID_TRANSACTIONID": "INVALID_TRANSACTIONID",
    "SERVICE_UNAVAILABLE": "SERVICE_UNAVAILABLE",
    "TRADE_OVERDUE": "TRADE_OVERDUE",
    "REFUND_FEE_MISMATCH": "REFUND_FEE_MISMATCH",
}


@pytest.mark.parametrize("trade_type", ANSWERS)
def test_every_trade_type_is_granted_what_its_client_needs(trade_type):
    grant = read_grant(text(ANSWERS[trade_type]).encode(), payable(MAINLAND, trade_type))

    assert grant.trade_type == trade_type
    assert grant == replace(
        PrepayGrant(prepay_id="", trade_type=trade_type, sign_type="RSA"),
        **{name.replace("h5", "mweb"): value for name, value in ANSWERS[trade_type].items()},
    )


def test_a_global_h5_page_has_its_own_member_and_is_the_same_grant():
    grant = read_grant(b'{"mweb_url":"https://wx.tenpay.com/y"}', payable(OVERSEAS, "MWEB"))

    assert grant.mweb_url == "https://wx.tenpay.com/y"


@pytest.mark.parametrize("trade_type", ANSWERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"other":"x"}',
        b"<html></html>",
        b'{"prepay_id":1,"code_url":1,"h5_url":1}',
        b'{"prepay_id":"","code_url":"","h5_url":""}',
    ],
)
def test_an_answer_without_what_the_client_needs_is_bad(trade_type, body):
    with pytest.raises(BadAnswer):
        read_grant(body, payable(MAINLAND, trade_type))


def test_a_prepay_id_that_cannot_be_kept_whole_is_no_grant():
    body = text({"prepay_id": "w" * 129}).encode()

    with pytest.raises(BadAnswer, match="prepay_id: 129 chars long"):
        read_grant(body, payable(MAINLAND, "JSAPI"))


def test_an_answer_about_the_order_asked_for_is_a_fact():
    fact = read_query(text(ORDER).encode(), REF, merchant=MAINLAND)

    assert (fact.source, fact.out_trade_no, fact.trade_state) == (
        "v3.query",
        "ORDER20240501A",
        "NOTPAY",
    )


def test_the_appid_that_an_answer_leaves_out_is_the_one_asked_with():
    bare = {name: value for name, value in ORDER.items() if name != "appid"}

    assert read_query(text(bare).encode(), REF, merchant=MAINLAND).appid == REF.appid


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "ORDER20240501B"},
        {"mchid": "1900000108"},
        {"appid": "wx7777777777777777"},
        {"sub_mchid": "1900000109"},
    ],
)
def test_an_answer_about_something_else_is_not_ours(changes):
    with pytest.raises(BadSignature):
        read_query(text(ORDER | changes).encode(), REF, merchant=MAINLAND)


def test_an_answer_about_another_sub_merchant_is_not_ours():
    ref = replace(REF, mch_id="1900000100", sub_mch_id="1900000109")
    order = {
        "sp_mchid": "1900000100",
        "sp_appid": REF.appid,
        "sub_mchid": "1900000109",
        "out_trade_no": REF.out_trade_no,
        "trade_state": "CLOSED",
    }

    assert read_query(text(order).encode(), ref, merchant=INSTITUTION).sub_mch_id == "1900000109"
    with pytest.raises(BadSignature):
        read_query(text(order | {"sub_mchid": "1"}).encode(), ref, merchant=INSTITUTION)


def test_an_answer_that_cannot_be_read_is_bad_and_not_somebody_elses():
    with pytest.raises(BadAnswer) as caught:
        read_query(b"{}", REF, merchant=MAINLAND)

    assert not isinstance(caught.value, BadSignature)


@pytest.mark.parametrize(("spelled", "word"), SHEET.items())
def test_every_code_of_the_sheet_has_a_row_that_an_answer_leads_to(spelled, word):
    error = read_error(400, text({"code": spelled, "message": "a reason"}).encode())

    assert normalised(error.code) == normalised(spelled) == spelled.replace("_", "")
    assert error.row.code == word
    refusal = error.refusal()
    assert isinstance(refusal, Refused)
    assert (refusal.err_code, refusal.kind) == (spelled, word)
    assert refusal.err_code_des == "a reason"
    assert isinstance(refusal, OrderPaid) == (word == "ORDERPAID")
    assert isinstance(refusal, OrderClosed) == (word == "ORDERCLOSED")
    assert refusal.advice == V3_TABLE[normalised(spelled)].advice
    assert refusal.advice.endswith(".")
    assert refusal.advice[0].isupper()


def test_no_row_is_invented():
    spellings = {*SHEET, *SHEET.values()}

    assert set(V3_TABLE) == {normalised(spelling) for spelling in spellings}
    assert {row.code for row in V3_TABLE.values()} == set(SHEET.values())


def test_a_kind_has_one_verdict_whichever_protocol_it_came_from():
    rows = [(row, TABLE[row.code]) for row in V3_TABLE.values()]

    assert [row.code for row, own in rows if row.verdict is not own.verdict] == []
    assert [row.code for row, own in rows if row.is_busy is not own.is_busy] == []


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (202, "USERPAYING", Verdict.UNKNOWN),
        (400, "PARAM_ERROR", Verdict.OUR_MISTAKE),
        (400, "order_paid", Verdict.FINAL),
        (401, "SIGN_ERROR", Verdict.OUR_MISTAKE),
        (401, "", Verdict.OUR_MISTAKE),
        (404, "ORDER_NOT_EXIST", Verdict.FINAL),
        (404, "", Verdict.OUR_MISTAKE),
        (405, "", Verdict.OUR_MISTAKE),
        (429, "ANYTHING", Verdict.RETRY),
        (429, "", Verdict.RETRY),
        (429, "ORDER_PAID", Verdict.RETRY),
        (500, "SYSTEM_ERROR", Verdict.RETRY),
        (500, "OPENID_MISMATCH", Verdict.OUR_MISTAKE),
        (500, "BANK_ERROR", Verdict.UNKNOWN),
        (500, "", Verdict.RETRY),
        (503, "", Verdict.RETRY),
        (400, "", Verdict.UNKNOWN),
        (403, "BRAND_NEW", Verdict.UNKNOWN),
        (404, "BRAND_NEW", Verdict.UNKNOWN),
    ],
)
def test_status_and_code_decide_together(status, code, verdict):
    assert lookup_v3(status, code).verdict is verdict


def test_a_code_that_nobody_wrote_down_counts_as_an_unknown_outcome():
    outcome = lookup_v3(400, "brand_new" + "x" * 100)

    assert outcome == ErrorCode(
        outcome.code, Verdict.UNKNOWN, outcome.advice, "protocol-v3 section 7.1"
    )
    assert outcome.code == ("BRAND_NEW" + "X" * 100)[:64]
    assert outcome.advice.startswith("This code is not in our table.")


def test_an_answer_without_a_code_is_shown_by_its_status():
    assert read_error(404, b"").row.code == read_error(404, b"").refusal().err_code == "HTTP_404"
    assert read_error(418, b"").row.code == read_error(418, b"").refusal().err_code == "HTTP_418"
    assert read_error(502, b"<html></html>").row.code == "SERVICE_UNAVAILABLE"
    assert read_error(502, b"<html></html>").refusal().err_code == "HTTP_502"
    assert read_error(404, b"") == V3Error(status=404)


def test_an_error_says_where_the_trouble_is_and_never_repeats_the_value():
    body = {
        "code": "PARAM_ERROR",
        "message": "参数错误",
        "detail": {
            "field": "/payer/openid",
            "value": OPENID_SENT,
            "issue": "too long",
            "location": "body",
        },
    }
    error = read_error(400, text(body).encode())

    assert error.detail_text == "/payer/openid too long in body"
    assert error.refusal().err_code_des == "参数错误 /payer/openid too long in body"
    assert OPENID_SENT not in repr(error)


OPENID_SENT = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


def test_a_signature_error_says_what_was_signed_there():
    body = {
        "code": "SIGN_ERROR",
        "message": "签名错误",
        "detail": {
            "detail": {"issue": "sign not match"},
            "field": "signature",
            "location": "authorization",
            "sign_information": {
                "method": "GET",
                "url": "/v3/certificates",
                "sign_message_length": 66,
                "truncated_sign_message": "GET\n/v3/cert",
            },
        },
    }
    error = read_error(401, text(body).encode())

    assert error.detail_text == (
        "signature sign not match in authorization (signed there: GET /v3/certificates)"
    )


@pytest.mark.parametrize(
    "detail",
    [
        None,
        "x",
        [],
        {},
        {"location": None, "value": ["/query/sub_mch_id"]},
        {"field": 5, "issue": {}, "detail": "x", "sign_information": []},
    ],
)
def test_a_detail_of_another_shape_is_left_out(detail):
    error = read_error(400, text({"code": "PARAM_ERROR", "message": 5, "detail": detail}).encode())

    assert (error.code, error.message, error.detail_text) == ("PARAM_ERROR", "", "")
    assert error.refusal().err_code_des == ""


def test_what_an_error_says_is_printable_and_cut_to_its_column():
    body = text({"code": "X\n" * 99, "message": "a\r\nb\x1b[31m" + "m" * 999}).encode()
    error = read_error(400, body)

    assert error.message.startswith("a  b [31m")
    assert (len(error.message), len(error.code), len(error.row.code)) == (256, 64, 64)
    assert error.message.isprintable()
    assert len(error.refusal().err_code_des) == 256


@given(status=st.integers(100, 599), body=st.binary())
def test_no_body_whatever_makes_the_reader_raise(status, body):
    error = read_error(status, body)

    assert isinstance(error.refusal(), Refused)


@given(
    st.dictionaries(
        st.sampled_from(["code", "message", "detail"]),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.dictionaries(
                st.sampled_from(["field", "issue", "location", "detail", "sign_information"]), inner
            ),
        ),
    )
)
def test_no_error_object_whatever_makes_the_reader_raise(content):
    error = read_error(400, text(content).encode(errors="replace"))

    assert isinstance(error.refusal().err_code, str)
