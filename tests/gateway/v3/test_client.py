"""The calls of APIv3: what is sent, how it is signed, and what comes of every answer."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.gateway import Busy, CallRecord
from django_wxpay.gateway.http.transport import USER_AGENT
from django_wxpay.protocol.errors import (
    BadAnswer,
    ConfigurationError,
    InvalidOrder,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.protocol.facts import PrepayGrant, TradeState
from django_wxpay.protocol.failures import Failure
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.authorization import read_authorization
from django_wxpay.protocol.v3.encryption import decrypt_field
from django_wxpay.protocol.v3.signing import lines, verify
from tests.gateway.till import PRIMARY, STANDBY, Till, is_signed_by_us
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import (
    INSTITUTION,
    MAINLAND,
    MERCHANTS,
    NOW,
    OVERSEAS,
    PARTNER,
    REF,
    payable,
    terms_for,
)
from tests.protocol.v3.vectors import VECTORS, body, headers
from tests.wechatpay.transport import HTML, Host, RawAnswer, says
from tests.wechatpay.v3 import REQUEST_ID, refusal, signed

HOSTS = (PRIMARY, STANDBY)
MERCHANT = replace(MAINLAND, hosts=HOSTS)
ABROAD = replace(OVERSEAS, hosts=HOSTS)
MODERN = replace(
    MERCHANT,
    wechatpay_public_key=keys.WECHATPAY_PUBLIC_KEY,
    wechatpay_public_key_id=keys.PUBLIC_KEY_ID,
)
TERMS = terms_for(MAINLAND)
GRANTED = {"code_url": "weixin://wxpay/s/An4baqw"}
UNPAID = {
    "mchid": MAINLAND.mch_id,
    "appid": REF.appid,
    "out_trade_no": REF.out_trade_no,
    "trade_state": "NOTPAY",
    "trade_state_desc": "not paid",
}

Call = Callable[[Till], object]
CALLS: list[tuple[str, Call, RawAnswer]] = [
    ("native", lambda till: till.gateway.place(TERMS), signed(GRANTED)),
    ("?mchid=", lambda till: till.gateway.query(REF), signed(UNPAID)),
    ("/close", lambda till: till.gateway.close(REF), signed(status=204)),
]
every_call = pytest.mark.parametrize(("path", "call", "yes"), CALLS)


def vector(name: str) -> RawAnswer:
    return VECTORS[name].get("status", 200), body(name), headers(name)


# What is sent


@every_call
@pytest.mark.parametrize("merchant", [MERCHANT, MODERN], ids=["certificate", "public key"])
def test_every_request_is_signed_with_our_key_over_what_is_sent(
    path: str, call: Call, yes: RawAnswer, merchant: Merchant
) -> None:
    till = Till([yes], merchant=merchant)
    call(till)
    sent = till.sent()
    content = sent.body or b""
    assert path in sent.path_url
    assert isinstance(content, bytes)
    authorization = sent.headers["Authorization"]
    assert is_signed_by_us(str(sent.method), sent.path_url, content, authorization)
    assert not is_signed_by_us(str(sent.method), sent.path_url, content + b" ", authorization)
    said = read_authorization(authorization)
    assert said is not None
    assert (said.mchid, said.serial_no) == (MAINLAND.mch_id, keys.MERCHANT_SERIAL)
    assert (said.timestamp, said.nonce_str) == (str(keys.NOW), "nonce1")


@pytest.mark.parametrize(
    ("name", "merchant", "changes"),
    [
        ("REQ-1", OVERSEAS, {}),
        ("REQ-3", MAINLAND, {"out_trade_no": "A_b-c|d*e"}),
        (
            "REQ-4",
            INSTITUTION,
            {"sub_mch_id": "1900000109", "transaction_id": "4200752501201407033233368018"},
        ),
    ],
)
def test_the_sheets_queries_leave_us_as_they_stand_there(
    name: str, merchant: Merchant, changes: dict[str, str]
) -> None:
    row = VECTORS[name]
    till = Till([refusal(404, "ORDER_NOT_EXIST")], merchant=replace(merchant, hosts=HOSTS))
    till.gateway._nonce = lambda: row["nonce_str"]
    with pytest.raises(Refused):
        till.gateway.query(replace(REF, **changes))
    sent = till.sent()
    assert (sent.method, sent.path_url, sent.body) == ("GET", row["canonical_url"], None)
    assert sent.headers["Authorization"] == row["authorization"]


def test_the_authorization_is_written_as_the_sheet_has_it() -> None:
    till = Till([signed(UNPAID)], merchant=MERCHANT)
    till.gateway.query(REF)
    scheme, _, pairs = till.sent().headers["Authorization"].partition(" ")
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    assert [pair.partition("=")[0] for pair in pairs.split(",")] == [
        "mchid",
        "nonce_str",
        "signature",
        "timestamp",
        "serial_no",
    ]


@pytest.mark.parametrize("serial", ["c5d1f" + "7" * 34, "0c5d1f" + "7" * 34])
def test_a_serial_is_sent_as_forty_capitals_however_it_is_configured(serial: str) -> None:
    merchant = replace(MERCHANT, cert_serial_no=serial)
    till = Till([signed(UNPAID)], merchant=merchant)
    till.gateway.query(REF)
    assert f'serial_no="0C5D1F{"7" * 34}"' in till.sent().headers["Authorization"]


@pytest.mark.parametrize(
    ("merchant", "language", "named"),
    [(MERCHANT, "zh-CN", None), (ABROAD, "en", None), (MODERN, "zh-CN", keys.PUBLIC_KEY_ID)],
)
def test_the_headers_are_those_of_the_sheet_and_name_a_key_in_public_key_mode_alone(
    merchant: Merchant, language: str, named: str | None
) -> None:
    till = Till([signed(UNPAID)], [signed(status=204)], merchant=merchant)
    till.gateway.query(REF)
    sent = till.sent().headers
    assert sent["Accept"] == "application/json"
    assert sent["Accept-Language"] == language
    assert sent["User-Agent"] == USER_AGENT
    assert sent.get("Wechatpay-Serial") == named
    assert "Content-Type" not in sent
    till.transport.health.failed(PRIMARY)
    till.gateway.close(REF)
    assert till.sent(host=1).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("merchant", "created", "asked", "closed"),
    [
        (
            MAINLAND,
            "/v3/pay/transactions/native",
            "/v3/pay/transactions/id/42?mchid=1900000109",
            {"mchid": "1900000109"},
        ),
        (
            PARTNER,
            "/v3/pay/partner/transactions/native",
            "/v3/pay/partner/transactions/id/42?sp_mchid=1900000100&sub_mchid=1900000109",
            {"sp_mchid": "1900000100", "sub_mchid": "1900000109"},
        ),
        (
            OVERSEAS,
            "/v3/global/transactions/native",
            "/v3/global/transactions/id/42?mchid=1900000109",
            {"mchid": "1900000109"},
        ),
        (
            INSTITUTION,
            "/v3/global/transactions/native",
            "/v3/global/transactions/id/42?sp_mchid=1900000100&sub_mchid=1900000109",
            {"sp_mchid": "1900000100", "sub_mchid": "1900000109"},
        ),
    ],
)
def test_every_region_and_mode_has_its_addresses_and_one_identity(
    merchant: Merchant, created: str, asked: str, closed: dict[str, str]
) -> None:
    terms = terms_for(merchant)
    ref = replace(REF, mch_id=merchant.mch_id, sub_mch_id=merchant.sub_mch_id, transaction_id="42")
    fact = {
        **closed,
        "out_trade_no": ref.out_trade_no,
        "trade_state": "NOTPAY",
    }
    till = Till(
        [signed(GRANTED), signed(fact), signed(status=204)], merchant=replace(merchant, hosts=HOSTS)
    )
    till.gateway.place(terms)
    assert till.gateway.query(ref).trade_state is TradeState.NOTPAY
    till.gateway.close(ref)
    home = created.removesuffix("/native")
    assert till.paths == [created, asked, f"{home}/out-trade-no/{ref.out_trade_no}/close"]
    assert [request.method for request in till.hosts[0].requests] == ["POST", "GET", "POST"]
    assert json.loads(till.sent().body or b"") == closed
    caller = read_authorization(till.sent().headers["Authorization"])
    assert caller is not None
    assert caller.mchid == merchant.mch_id
    assert [record.sub_mch_id for record in till.records] == [merchant.sub_mch_id] * 3


@given(
    out_trade_no=st.text("0123456789ABCXYZabcxyz_-|*", min_size=6, max_size=32),
    transaction_id=st.text(st.characters(codec="utf-8"), max_size=32).filter(
        lambda text: set(text) != {"."}
    ),
)
def test_whatever_the_number_holds_the_signed_address_is_the_one_that_is_sent(
    out_trade_no: str, transaction_id: str
) -> None:
    till = Till([(403, b'{"code":"NO_AUTH"}')], merchant=MERCHANT)
    with pytest.raises(Refused):
        till.gateway.query(replace(REF, out_trade_no=out_trade_no, transaction_id=transaction_id))
    sent = till.sent()
    assert is_signed_by_us("GET", sent.path_url, b"", sent.headers["Authorization"])


@every_call
def test_the_standby_host_gets_the_same_authorization_and_the_same_bytes(
    path: str, call: Call, yes: RawAnswer
) -> None:
    till = Till([requests.ReadTimeout()], [yes], merchant=MERCHANT)
    call(till)
    primary, standby = till.sent(0), till.sent(1)
    assert primary.headers == standby.headers
    assert primary.body == standby.body
    assert (primary.url, standby.url) == (PRIMARY + primary.path_url, STANDBY + primary.path_url)
    assert till.failures == ["TIMEOUT", ""]


@every_call
def test_the_next_call_is_signed_anew(path: str, call: Call, yes: RawAnswer) -> None:
    till = Till([yes], merchant=MERCHANT)
    call(till)
    till.now += timedelta(seconds=9)
    call(till)
    said = [read_authorization(till.sent(at=at).headers["Authorization"]) for at in (0, 1)]
    assert [each.nonce_str for each in said if each] == ["nonce1", "nonce2"]
    assert [each.timestamp for each in said if each] == [str(keys.NOW), str(keys.NOW + 9)]


def test_what_arrives_at_a_socket_is_what_was_signed(host: Callable[..., Host]) -> None:
    status, granted, said = signed(GRANTED)
    there = host(says(granted, status, **{n.replace("-", "_"): v for n, v in said.items()}))
    till = Till(merchant=replace(MERCHANT, hosts=(there.url,)))
    till.gateway.place(TERMS)
    till.transport.close()
    (came,) = there.requests
    authorization = came.headers["Authorization"]
    assert is_signed_by_us(came.command, came.path, came.body, authorization)
    assert came.body.decode().count(TERMS.body) == 1
    assert (came.headers["Accept"], came.headers["User-Agent"]) == ("application/json", USER_AGENT)
    assert [record.user_ip for record in till.records] == ["127.0.0.1"]
    assert [record.request_id for record in till.records] == [REQUEST_ID]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cert_serial_no": ""}, "serial_no"),
        ({"cert_serial_no": 'A"B'}, "serial_no"),
        ({"private_key": ""}, "not the PEM of an unencrypted private key"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nTOP-SECRET"}, "not the PEM"),
    ],
)
@every_call
def test_a_merchant_that_cannot_sign_sends_nothing(
    path: str, call: Call, yes: RawAnswer, change: dict[str, str], problem: str
) -> None:
    till = Till([yes], merchant=replace(MERCHANT, **change))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=problem) as caught:
        call(till)
    assert (till.asked, till.records) == ([0], [])
    assert "TOP-SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nothing_is_asked_of_the_network_when_a_gateway_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    till = Till(merchant=MERCHANT)
    assert till.records == []
    assert (till.store.looks, till.store.asked) == (0, [])


# What comes back


@pytest.mark.parametrize("merchant", MERCHANTS, ids=lambda merchant: merchant.alias)
@pytest.mark.parametrize(
    ("trade_type", "said"),
    [
        ("NATIVE", {"code_url": "weixin://x"}),
        ("JSAPI", {"prepay_id": "wx01"}),
        ("APP", {"prepay_id": "wx01"}),
    ],
)
def test_placing_returns_what_is_granted(
    merchant: Merchant, trade_type: str, said: dict[str, str]
) -> None:
    till = Till([signed(said)], merchant=replace(merchant, hosts=HOSTS))
    assert till.gateway.place(payable(merchant, trade_type)) == PrepayGrant(
        prepay_id=said.get("prepay_id", ""),
        trade_type=trade_type,
        code_url=said.get("code_url", ""),
        sign_type="RSA",
    )
    assert till.failures == [""]


def test_the_sheets_own_answers_are_believed() -> None:
    native = Till([vector("RES-1")], merchant=MERCHANT)
    assert native.gateway.place(TERMS).code_url == "weixin://wxpay/s/An4baqw"
    jsapi = Till([vector("RES-2")], merchant=MODERN)
    grant = jsapi.gateway.place(payable(MAINLAND, "JSAPI"))
    assert grant.prepay_id == "wx01170000000000abcdef0123456789ab0000"
    closed = Till([vector("RES-3")], merchant=MERCHANT)
    closed.gateway.close(REF)
    query = Till([vector("RES-4")], merchant=ABROAD)
    fact = query.gateway.query(REF)
    assert (fact.source, fact.trade_state) == ("v3.query", TradeState.SUCCESS)
    assert (fact.total_fee, fact.fee_type) == (888, "HKD")
    assert [till.failures for till in (native, jsapi, closed, query)] == [[""]] * 4


def test_during_a_migration_either_key_is_believed_under_its_own_name() -> None:
    till = Till([vector("RES-1"), vector("RES-2")], merchant=MODERN)
    till.gateway.place(TERMS)
    till.gateway.place(payable(MAINLAND, "JSAPI"))
    assert till.failures == ["", ""]
    assert [request.headers["Wechatpay-Serial"] for request in till.hosts[0].requests] == [
        keys.PUBLIC_KEY_ID
    ] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"out_trade_no": "ANOTHER1"},
        {"mchid": "1900000110"},
        {"appid": "wx7777777777777777"},
        {"sub_mchid": "1900000111"},
    ],
)
def test_an_answer_about_another_order_or_merchant_is_not_believed(change: dict[str, str]) -> None:
    till = Till([signed(UNPAID | change)], [signed(UNPAID)], merchant=MERCHANT)
    with pytest.raises(BadAnswer, match=r"the answer is (about|for) another"):
        till.gateway.query(REF)
    assert till.asked == [1, 0]
    assert till.failures == ["BAD_SIGNATURE"]


@pytest.mark.parametrize(
    ("call", "content"),
    [
        (lambda till: till.gateway.place(TERMS), {}),
        (lambda till: till.gateway.place(TERMS), {"prepay_id": "wx01"}),
        (lambda till: till.gateway.query(REF), UNPAID | {"trade_state": "DREAMING"}),
        (lambda till: till.gateway.query(REF), {}),
    ],
)
def test_a_signed_answer_that_makes_no_sense_is_final(call: Call, content: dict[str, str]) -> None:
    till = Till([signed(content)], [signed(content)], merchant=MERCHANT)
    with pytest.raises(BadAnswer) as caught:
        call(till)
    assert type(caught.value) is BadAnswer
    assert till.asked == [1, 0]
    assert till.failures == ["BAD_ANSWER"]


@pytest.mark.parametrize("call", [CALLS[0][1], CALLS[1][1]])
def test_an_empty_yes_is_no_answer_where_something_was_asked_for(call: Call) -> None:
    till = Till([signed(status=204)], merchant=MERCHANT)
    with pytest.raises(BadAnswer):
        call(till)
    assert till.asked == [1]


def test_the_clients_parameters_are_signed_now_and_without_a_call() -> None:
    till = Till([(200, HTML)], merchant=MERCHANT)
    grant = PrepayGrant(prepay_id="wx01", trade_type="JSAPI")
    said = till.gateway.parameters(payable(MAINLAND, "JSAPI"), grant)
    message = lines(MAINLAND.appid, str(keys.NOW), "nonce1", "prepay_id=wx01")
    assert verify(message, said.pop("paySign"), keys.MERCHANT_CERTIFICATE)
    assert said == {
        "appId": MAINLAND.appid,
        "timeStamp": str(keys.NOW),
        "nonceStr": "nonce1",
        "package": "prepay_id=wx01",
        "signType": "RSA",
    }
    assert (till.asked, till.records) == ([0], [])


def test_terms_are_checked_without_a_call() -> None:
    till = Till([(200, HTML)], merchant=MERCHANT)
    till.gateway.check(TERMS)
    with pytest.raises(InvalidOrder, match="fee_type"):
        till.gateway.check(replace(TERMS, fee_type="USD"))
    with pytest.raises(InvalidOrder, match="time_expire"):
        till.gateway.check(replace(TERMS, time_expire=NOW))
    assert (till.asked, till.records) == ([0], [])


# What says no, and what says nothing


@every_call
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "PARAM_ERROR", "PARAM_ERROR"),
        (400, "ORDER_PAID", "ORDERPAID"),
        (403, "OUT_TRADE_NO_USED", "OUT_TRADE_NO_USED"),
        (404, "ORDER_NOT_EXIST", "ORDERNOTEXIST"),
        (404, "ORDERNOTEXIST", "ORDERNOTEXIST"),
        (403, "NO_AUTH", "NOAUTH"),
        (403, "Never_Heard", "NEVER_HEARD"),
    ],
)
def test_a_refusal_is_one_call_in_the_gateways_own_word_and_its_kind_is_v2s(
    path: str, call: Call, yes: RawAnswer, status: int, code: str, kind: str
) -> None:
    till = Till([refusal(status, code, "不行")], [yes], merchant=MERCHANT)
    till.transport.health.failed(STANDBY)
    with pytest.raises(Refused) as caught:
        call(till)
    assert (caught.value.err_code, caught.value.err_code_des) == (code, "不行")
    assert caught.value.kind == kind
    assert caught.value.advice
    assert (till.asked, till.pauses) == ([1, 0], [])
    (record,) = till.records
    assert (record.failure, record.http_status) == ("", status)
    assert (record.return_code, record.result_code) == ("SUCCESS", "FAIL")
    assert (record.err_code, record.err_code_des) == (kind, "不行")
    assert record.request_id == "08D0-7"


@every_call
@pytest.mark.parametrize("said", [b"", HTML, b"[]", b'{"message":"slow down"}'])
def test_too_many_requests_is_busy_whatever_it_says(
    path: str, call: Call, yes: RawAnswer, said: bytes
) -> None:
    till = Till([(429, said)], [yes], merchant=MERCHANT)
    with pytest.raises(Busy, match=r"HTTP_429.*calling again is safe") as caught:
        call(till)
    assert caught.value.refusal.kind == "FREQUENCY_LIMITED"
    assert "Wait a moment" in caught.value.refusal.advice
    assert (till.asked, till.pauses) == ([2, 0], [0.5])
    assert [record.err_code for record in till.records] == ["FREQUENCY_LIMITED"] * 2


@every_call
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "RATELIMIT_EXCEEDED", "FREQUENCY_LIMITED"),
        (429, "NEVER_HEARD", "FREQUENCY_LIMITED"),
        (400, "SYSTEM_ERROR", "SYSTEMERROR"),
        (403, "FREQUENCY_LIMITED", "FREQUENCY_LIMITED"),
    ],
)
def test_a_busy_gateway_is_asked_once_more_with_the_same_body_signed_anew(
    path: str, call: Call, yes: RawAnswer, status: int, code: str, kind: str
) -> None:
    till = Till([refusal(status, code), yes], [yes], merchant=MERCHANT)
    call(till)
    assert (till.asked, till.pauses) == ([2, 0], [0.5])
    first, second = till.hosts[0].requests
    assert (first.method, first.url, first.body) == (second.method, second.url, second.body)
    assert first.headers["Authorization"] != second.headers["Authorization"]
    assert is_signed_by_us(
        str(second.method), second.path_url, second.body or b"", second.headers["Authorization"]
    )
    assert [record.err_code for record in till.records] == [kind, ""]
    assert till.failures == ["", ""]


@every_call
def test_a_system_error_under_500_of_the_only_host_is_asked_for_again(
    path: str, call: Call, yes: RawAnswer
) -> None:
    alone = replace(MERCHANT, hosts=(PRIMARY,))
    till = Till([refusal(500, "SYSTEM_ERROR"), yes], merchant=alone)
    call(till)
    assert (till.asked, till.pauses, till.failures) == ([2], [0.5], ["HTTP_5XX", ""])
    down = Till([refusal(500, "SYSTEM_ERROR")], merchant=alone)
    with pytest.raises(OutcomeUnknown):
        call(down)
    assert (down.asked, down.pauses, down.failures) == ([2], [0.5], ["HTTP_5XX"] * 2)
    broken = Till([(502, HTML)], merchant=alone)
    with pytest.raises(OutcomeUnknown):
        call(broken)
    assert (broken.asked, broken.pauses) == ([1], [])


@every_call
def test_a_refused_signature_tells_what_the_gateway_thought_was_signed(
    path: str, call: Call, yes: RawAnswer
) -> None:
    detail = {
        "field": "signature",
        "detail": {"issue": "sign not match"},
        "location": "authorization",
        "sign_information": {
            "method": "GET",
            "url": "/v3/pay/transactions",
            "truncated_sign_message": f"GET\n{keys.API_V3_KEY}",
        },
    }
    till = Till([refusal(401, "SIGN_ERROR", "签名错误", detail=detail)], [yes], merchant=MERCHANT)
    with pytest.raises(Refused) as caught:
        call(till)
    assert (caught.value.err_code, caught.value.kind) == ("SIGN_ERROR", "SIGNERROR")
    assert caught.value.err_code_des == (
        "签名错误 signature sign not match in authorization "
        "(signed there: GET /v3/pay/transactions)"
    )
    assert keys.API_V3_KEY not in repr(caught.value) + repr(till.records)
    assert "PRIVATE_KEY" in caught.value.advice
    assert till.asked == [1, 0]


@every_call
@pytest.mark.parametrize(
    "nothing",
    [
        (200, HTML),
        (200, b""),
        (200, b'["a list"]'),
        (200, b'{"code_url":"weixin://wx'),
        (202, HTML),
        (302, b"{}"),
        (404, b""),
        (405, b""),
        (401, HTML),
        (403, b"{}"),
        (400, b'{"code":7}'),
    ],
)
def test_what_is_no_document_of_wechat_pays_is_for_the_next_host(
    path: str, call: Call, yes: RawAnswer, nothing: tuple[int, bytes]
) -> None:
    till = Till([nothing], [yes], merchant=MERCHANT)
    call(till)
    assert till.asked == [1, 1]
    assert till.failures == ["UNREADABLE", ""]
    assert till.transport.health.order(HOSTS) == (STANDBY, PRIMARY)
    record = till.records[0]
    assert (record.http_status, record.return_code, record.result_code) == (nothing[0], "", "")
    assert (record.err_code, record.err_code_des) == ("", "")
    alone = Till([nothing], merchant=replace(MERCHANT, hosts=(PRIMARY,)))
    with pytest.raises(BadAnswer, match=f"UNREADABLE, HTTP {nothing[0]}.*calling again is safe"):
        call(alone)


@every_call
@pytest.mark.parametrize(
    ("nothing", "failure", "err_code"),
    [
        (refusal(500, "SYSTEM_ERROR"), "HTTP_5XX", "SYSTEMERROR"),
        (refusal(503, "SERVICE_UNAVAILABLE"), "HTTP_5XX", "SERVICE_UNAVAILABLE"),
        (signed({"code_url": "x"}, status=500), "HTTP_5XX", ""),
        ((502, HTML), "HTTP_5XX", ""),
        (requests.ConnectionError(), "RESET", ""),
        (requests.ConnectTimeout(), "CONNECT", ""),
    ],
)
def test_trouble_is_for_the_next_host_and_without_one_the_outcome_is_unknown(
    path: str, call: Call, yes: RawAnswer, nothing: Any, failure: str, err_code: str
) -> None:
    till = Till([nothing], [yes], merchant=MERCHANT)
    call(till)
    assert till.asked == [1, 1]
    assert till.failures == [failure, ""]
    assert [record.err_code for record in till.records] == [err_code, ""]
    down = Till([nothing], [nothing], merchant=MERCHANT)
    with pytest.raises(OutcomeUnknown) as caught:
        call(down)
    assert type(caught.value) is OutcomeUnknown
    assert (down.asked, down.pauses) == ([1, 1], [])


@every_call
@pytest.mark.parametrize(
    ("content", "err_code"),
    [
        (b"", ""),
        ({"code": "USERPAYING", "message": "wait"}, "USERPAYING"),
        (GRANTED | UNPAID, ""),
    ],
)
def test_what_is_taken_but_not_done_is_neither_a_grant_nor_a_fact(
    path: str, call: Call, yes: RawAnswer, content: object, err_code: str
) -> None:
    till = Till([signed(content, status=202)], [yes], merchant=MERCHANT)
    with pytest.raises(OutcomeUnknown, match="query it") as caught:
        call(till)
    assert type(caught.value) is OutcomeUnknown
    assert till.asked == [1, 0]
    (record,) = till.records
    assert (record.failure, record.http_status, record.err_code) == ("", 202, err_code)
    assert record.result_code == ("FAIL" if err_code else "")
    assert till.transport.health.order(HOSTS) == HOSTS


def test_closing_what_a_signed_query_calls_closed_is_done() -> None:
    closed = UNPAID | {"trade_state": "CLOSED"}
    till = Till([refusal(400, "ORDER_CLOSED"), signed(closed)], merchant=MERCHANT)
    till.gateway.close(REF)
    assert [record.err_code for record in till.records] == ["ORDERCLOSED", ""]
    assert [record.method for record in till.records] == ["POST", "GET"]


@pytest.mark.parametrize("state", ["NOTPAY", "USERPAYING", "REVOKED"])
def test_a_refusal_that_nobody_signed_closes_no_order(state: str) -> None:
    still = signed(UNPAID | {"trade_state": state})
    till = Till([refusal(400, "ORDER_CLOSED"), still], merchant=MERCHANT)
    with pytest.raises(Refused) as caught:
        till.gateway.close(REF)
    assert (caught.value.err_code, caught.value.kind) == ("ORDER_CLOSED", "ORDERCLOSED")
    assert till.asked == [2]


def test_without_a_signed_word_it_is_unknown_whether_an_order_is_closed() -> None:
    till = Till([refusal(400, "ORDER_CLOSED"), (502, HTML)], [(502, HTML)], merchant=MERCHANT)
    with pytest.raises(OutcomeUnknown):
        till.gateway.close(REF)
    assert till.asked == [2, 1]


def test_placing_what_is_closed_is_refused_and_asks_nothing_more() -> None:
    till = Till([refusal(400, "ORDER_CLOSED")], merchant=MERCHANT)
    with pytest.raises(Refused):
        till.gateway.place(TERMS)
    assert till.asked == [1]


# What is written down


def test_every_attempt_leaves_one_record() -> None:
    terms = replace(TERMS, device_info="till-7")
    till = Till([(502, HTML)], [signed(GRANTED)], merchant=MERCHANT)
    till.gateway.place(terms)
    first, second = till.records
    assert first == CallRecord(
        api="v3",
        method="POST",
        interface_url="https://primary.test/v3/pay/transactions/native",
        host="primary.test",
        out_trade_no="ORDER20240501A",
        mch_id="1900000109",
        appid="wx8888888888888888",
        sub_mch_id="",
        device_info="till-7",
        started_at=NOW,
        execute_time_ms=first.execute_time_ms,
        http_status=502,
        failure=Failure.HTTP_5XX,
        return_code="",
        return_msg="",
        result_code="",
        err_code="",
        err_code_des="",
    )
    assert second == replace(
        first,
        interface_url="https://standby.test/v3/pay/transactions/native",
        host="standby.test",
        is_standby=True,
        execute_time_ms=second.execute_time_ms,
        http_status=200,
        failure="",
        return_code="SUCCESS",
        result_code="SUCCESS",
        request_id=REQUEST_ID,
    )


@pytest.mark.parametrize(
    ("call", "method", "interface"),
    [
        (CALLS[1][1], "GET", "/v3/pay/transactions/out-trade-no/{out_trade_no}"),
        (
            lambda till: till.gateway.query(replace(REF, transaction_id="4200")),
            "GET",
            "/v3/pay/transactions/id/{transaction_id}",
        ),
        (CALLS[2][1], "POST", "/v3/pay/transactions/out-trade-no/{out_trade_no}/close"),
        (lambda till: till.gateway.certificates(), "GET", "/v3/certificates"),
    ],
)
def test_the_interface_is_written_without_what_names_one_order(
    call: Call, method: str, interface: str
) -> None:
    till = Till([refusal(403, "RULE_LIMIT")], merchant=MERCHANT)
    with pytest.raises(Refused):
        call(till)
    (record,) = till.records
    assert (record.method, record.interface_url) == (method, PRIMARY + interface)
    named = {"out_trade_no": REF.out_trade_no, "appid": REF.appid}
    if "certificates" in interface:
        named = {"out_trade_no": "", "appid": ""}
    assert {"out_trade_no": record.out_trade_no, "appid": record.appid} == named
    assert (record.mch_id, record.device_info) == (MAINLAND.mch_id, "")


def test_what_an_answer_says_is_cut_to_the_report_apis_widths() -> None:
    told = refusal(403, "X" * 99, "长" * 300)
    odd = (*told[:2], {"request-id": "R" * 99})
    till = Till([odd], merchant=MERCHANT)
    with pytest.raises(Refused):
        till.gateway.query(REF)
    (record,) = till.records
    assert (record.err_code, record.err_code_des) == ("X" * 32, "长" * 128)
    assert record.request_id == "R" * 64


def test_a_request_id_that_cannot_be_read_is_left_out() -> None:
    told = refusal(403, "RULE_LIMIT")
    till = Till([(*told[:2], {"Request-ID": "a\x00b"})], merchant=MERCHANT)
    with pytest.raises(Refused):
        till.gateway.query(REF)
    assert [record.request_id for record in till.records] == [""]


@pytest.mark.parametrize(
    "answer",
    [
        signed(GRANTED, key=keys.MERCHANT_KEY),
        signed(GRANTED, serial="F" * 40),
        refusal(401, "SIGN_ERROR"),
        (200, HTML),
        (502, HTML),
        requests.ConnectionError(keys.API_V3_KEY),
        signed(b"{}", status=202),
    ],
)
@every_call
def test_no_trouble_shows_a_secret(
    path: str, call: Call, yes: RawAnswer, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    till = Till([answer], [answer], merchant=MERCHANT)
    with caplog.at_level(logging.DEBUG), pytest.raises((OutcomeUnknown, Refused)) as caught:
        call(till)
    shown = f"{caught.value!r} {caught.value} {till.records!r} {caplog.text} {till.keys!r}"
    authorization = read_authorization(till.sent().headers["Authorization"])
    assert authorization is not None
    assert authorization.signature not in shown
    assert keys.API_V3_KEY not in shown
    assert "PRIVATE KEY" not in shown
    assert keys.MERCHANT_KEY.splitlines()[1] not in shown


# Many at once


def test_many_threads_may_place_through_one_gateway(host: Callable[..., Host]) -> None:
    status, granted, said = signed(GRANTED)
    there = host(says(granted, status, **{n.replace("-", "_"): v for n, v in said.items()}))
    till = Till(merchant=replace(MERCHANT, hosts=(there.url,)))
    placed: list[PrepayGrant] = []

    def work() -> None:
        placed.extend(till.gateway.place(TERMS) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    till.transport.close()
    assert len(placed) == len(till.records) == len(there.requests) == 40
    assert {record.failure for record in till.records} == {""}


# What an order has no column for

IDENTITY = {"type": "IDCARD", "number": "110101199003070000", "name": "张三"}
SUBSIDY = {
    "subsidy_detail": [
        {
            "subsidy_period_type": "PERIOD",
            "subsidy_plan": [{"subsidy_installment_num": 3, "subsidy_percent": 100}],
        }
    ]
}


@pytest.mark.parametrize(
    ("merchant", "serial", "key"),
    [
        (MODERN, keys.PUBLIC_KEY_ID, keys.PUBLIC_MODE_KEY),
        (MERCHANT, keys.PLATFORM_SERIAL, keys.PLATFORM_KEY),
    ],
    ids=["public key", "certificate"],
)
def test_a_payers_identity_is_sealed_and_its_key_named(
    merchant: Merchant, serial: str, key: str
) -> None:
    till = Till([signed(GRANTED)], merchant=merchant)
    members = {"payer": {"identity": IDENTITY}, "subsidy_info": SUBSIDY}
    till.gateway.place(TERMS, members)
    assert till.sent().headers["Wechatpay-Serial"] == serial
    sent = json.loads(till.sent().body or b"")
    identity = sent["payer"]["identity"]
    opened = {name: decrypt_field(identity[name], private_key=key) for name in ("number", "name")}
    assert opened | {"type": identity["type"]} == IDENTITY
    assert sent["subsidy_info"] == SUBSIDY
    # The caller's own is left as it was, for the next call.
    assert members["payer"]["identity"] == IDENTITY


def test_members_stand_beside_those_of_the_order() -> None:
    terms = replace(TERMS, trade_type="JSAPI", openid="o1", product_id="", profit_sharing="Y")
    till = Till([signed({"prepay_id": "wx01"})], merchant=MERCHANT)
    till.gateway.place(terms, {"settle_info": {"subsidy_amount": 10}})
    sent = json.loads(till.sent().body or b"")
    assert sent["settle_info"] == {"profit_sharing": True, "subsidy_amount": 10}
    assert sent["payer"] == {"openid": "o1"}
    assert "Wechatpay-Serial" not in till.sent().headers


@pytest.mark.parametrize(
    "members",
    [
        {},
        [],
        {"unknown": 1},
        {"payer": {"openid": "o1"}},
        {"payer": {"identity": {"type": "IDCARD", "number": "1"}}},
        {"payer": {"identity": IDENTITY | {"type": "PASSPORT"}}},
        {"payer": {"identity": IDENTITY | {"name": "x" * 65}}},
        {"payer": {"identity": IDENTITY | {"number": 1}}},
        {"subsidy_info": {}},
        {"subsidy_info": {"subsidy_detail": []}},
        {"settle_info": {"subsidy_amount": "10"}},
        {"settle_info": {"profit_sharing": True}},
    ],
)
def test_members_that_have_no_place_are_refused(members: Any) -> None:
    till = Till([signed(GRANTED)], merchant=MERCHANT)
    with pytest.raises(InvalidOrder, match=r"^members: ") as refused:
        till.gateway.place(TERMS, members)
    assert "xxx" not in str(refused.value)
    assert till.asked == [0]


def test_the_global_api_has_no_such_members() -> None:
    till = Till([signed(GRANTED)], merchant=ABROAD)
    with pytest.raises(InvalidOrder, match="members"):
        till.gateway.place(terms_for(OVERSEAS), {"settle_info": {"subsidy_amount": 10}})
