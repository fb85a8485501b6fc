from __future__ import annotations

import itertools
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from django_wxpay.gateway import CallRecord, V2Gateway
from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    InvalidOrder,
    OutcomeUnknown,
    Refused,
    WXPayError,
)
from django_wxpay.protocol.facts import PrepayGrant, TradeState
from django_wxpay.protocol.failures import Failure
from django_wxpay.protocol.merchants import Merchant, SignType
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from tests.gateway.till import Counter
from tests.wechatpay.transport import HTML, Host, says

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
PRIMARY, STANDBY = "https://primary.test", "https://standby.test"
MOMENT = datetime(2026, 1, 1, 4, 0, tzinfo=UTC)

MERCHANT = Merchant(
    alias="default",
    mch_id="1900000109",
    appid="wx8888888888888888",
    api_key=KEY,
    hosts=(PRIMARY, STANDBY),
)
TERMS = OrderTerms(
    appid="wx8888888888888888",
    mch_id="1900000109",
    trade_type="NATIVE",
    body="茶 & <tea>",
    out_trade_no="T20260101000001",
    total_fee=100,
    spbill_create_ip="127.0.0.1",
    notify_url="https://shop.example.com/notify",
    device_info="till-7",
    product_id="tea",
)
REF = OrderRef(appid="wx8888888888888888", mch_id="1900000109", out_trade_no="T20260101000001")
ENVELOPE = {
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "appid": "wx8888888888888888",
    "mch_id": "1900000109",
    "nonce_str": "GatewaysOwnNonce",
    "result_code": "SUCCESS",
}
GRANTED = ENVELOPE | {"trade_type": "NATIVE", "prepay_id": "wx01", "code_url": "weixin://x"}
UNPAID = ENVELOPE | {
    "out_trade_no": "T20260101000001",
    "trade_state": "NOTPAY",
    "trade_state_desc": "not paid",
}


def signed(
    fields: dict[str, str], sign_type: SignType = SignType.HMAC_SHA256, key: str = KEY
) -> bytes:
    return v2.encode_xml(fields | {"sign": v2.sign(fields, key, sign_type)})


def refusal(err_code: str) -> bytes:
    return signed(ENVELOPE | {"result_code": "FAIL", "err_code": err_code, "err_code_des": "no"})


class Till(Counter):
    """A v2 gateway between two scripted hosts."""

    def __init__(self, *scripts: Any, merchant: Merchant = MERCHANT) -> None:
        super().__init__(*scripts, merchant=merchant)
        numbers = itertools.count(1)
        self.gateway = V2Gateway(
            merchant,
            transport=self.transport,
            now=lambda: MOMENT,
            nonce=lambda: f"nonce{next(numbers)}",
            record=self.records.append,
        )

    def sent(self, host: int = 0, at: int = -1) -> dict[str, str]:
        body = self.hosts[host].requests[at].body
        assert isinstance(body, bytes)
        return v2.decode_xml(body)


CALLS: list[tuple[str, Callable[[Till], object], bytes]] = [
    ("/pay/unifiedorder", lambda till: till.gateway.place(TERMS), signed(GRANTED)),
    ("/pay/orderquery", lambda till: till.gateway.query(REF), signed(UNPAID)),
    ("/pay/closeorder", lambda till: till.gateway.close(REF), signed(ENVELOPE)),
]
every_call = pytest.mark.parametrize(("path", "call", "yes"), CALLS)


@pytest.mark.parametrize("chosen", [None, SignType.MD5, SignType.HMAC_SHA256])
def test_placing_sends_what_is_sold_and_returns_what_is_granted(chosen: SignType | None) -> None:
    used = chosen or SignType.HMAC_SHA256
    till = Till([(200, signed(GRANTED, used))])
    assert till.gateway.place(TERMS, chosen) == PrepayGrant(
        prepay_id="wx01", trade_type="NATIVE", code_url="weixin://x", sign_type=used
    )
    sent = till.sent()
    assert v2.verify(sent, KEY)
    assert (sent["sign_type"], sent["nonce_str"]) == (used, "nonce1")
    assert (sent["body"], sent["total_fee"]) == ("茶 & <tea>", "100")
    (request,) = till.hosts[0].requests
    assert request.url == "https://primary.test/pay/unifiedorder"
    assert request.headers["Content-Type"] == "text/xml"


def test_the_merchants_own_sign_type_is_the_default() -> None:
    merchant = replace(MERCHANT, sign_type=SignType.MD5)
    till = Till([(200, signed(GRANTED, SignType.MD5))], merchant=merchant)
    assert till.gateway.place(TERMS).sign_type == "MD5"


def test_every_attempt_leaves_one_record() -> None:
    till = Till([(502, HTML)], [(200, signed(GRANTED))])
    till.gateway.place(TERMS)
    first, second = till.records
    assert first == CallRecord(
        api="v2",
        method="POST",
        interface_url="https://primary.test/pay/unifiedorder",
        host="primary.test",
        out_trade_no="T20260101000001",
        mch_id="1900000109",
        appid="wx8888888888888888",
        sub_mch_id="",
        device_info="till-7",
        started_at=MOMENT,
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
        interface_url="https://standby.test/pay/unifiedorder",
        host="standby.test",
        is_standby=True,
        execute_time_ms=second.execute_time_ms,
        http_status=200,
        failure="",
        return_code="SUCCESS",
        return_msg="OK",
        result_code="SUCCESS",
    )


@every_call
def test_the_same_signed_bytes_go_to_every_host(
    path: str, call: Callable[[Till], object], yes: bytes
) -> None:
    till = Till([requests.ReadTimeout()], [(200, yes)])
    call(till)
    primary, standby = (host.requests[0] for host in till.hosts)
    assert primary.body == standby.body
    assert (primary.url, standby.url) == (PRIMARY + path, STANDBY + path)
    assert till.asked == [1, 1]
    assert [record.failure for record in till.records] == ["TIMEOUT", ""]


@every_call
def test_the_next_call_has_its_own_nonce(
    path: str, call: Callable[[Till], object], yes: bytes
) -> None:
    till = Till([(200, yes)])
    call(till)
    call(till)
    assert [till.sent(at=at)["nonce_str"] for at in (0, 1)] == ["nonce1", "nonce2"]


@every_call
@pytest.mark.parametrize("err_code", ["ORDERPAID", "NOAUTH", "NO_SUCH_CODE"])
def test_a_refusal_is_one_call_and_not_repeated(
    path: str, call: Callable[[Till], object], yes: bytes, err_code: str
) -> None:
    till = Till([(200, refusal(err_code))], [(200, yes)])
    with pytest.raises(Refused) as caught:
        call(till)
    assert (caught.value.err_code, caught.value.err_code_des) == (err_code, "no")
    assert caught.value.kind == err_code
    assert caught.value.advice
    assert (till.asked, till.pauses) == ([1, 0], [])
    (record,) = till.records
    assert (record.failure, record.err_code, record.err_code_des) == ("", err_code, "no")
    assert (record.return_code, record.result_code) == ("SUCCESS", "FAIL")


BUSY = ["SYSTEMERROR", "FREQUENCY_LIMITED", "FREQ_LIMIT", "BIZERR_NEED_RETRY"]


@every_call
@pytest.mark.parametrize("err_code", BUSY)
def test_a_busy_gateway_is_asked_once_more_with_the_same_bytes_after_a_pause(
    path: str, call: Callable[[Till], object], yes: bytes, err_code: str
) -> None:
    till = Till([(200, refusal(err_code)), (200, yes)], [(200, yes)])
    call(till)
    assert (till.asked, till.pauses) == ([2, 0], [0.5])
    assert till.hosts[0].requests[0].body == till.hosts[0].requests[1].body
    first, second = till.records
    assert (first.failure, first.err_code) == ("", err_code)
    assert (second.failure, second.result_code) == ("", "SUCCESS")


@every_call
@pytest.mark.parametrize("err_code", BUSY)
def test_a_gateway_that_stays_busy_leaves_the_outcome_unknown(
    path: str, call: Callable[[Till], object], yes: bytes, err_code: str
) -> None:
    till = Till([(200, refusal(err_code))], [(200, yes)])
    with pytest.raises(OutcomeUnknown, match=f"busy .{err_code}.; calling again is safe"):
        call(till)
    assert (till.asked, till.pauses) == ([2, 0], [0.5])
    assert [record.err_code for record in till.records] == [err_code, err_code]


@every_call
@pytest.mark.parametrize("status", [200, 400])
def test_a_refusal_as_a_whole_carries_no_signature_and_is_final(
    path: str, call: Callable[[Till], object], yes: bytes, status: int
) -> None:
    body = v2.encode_xml({"return_code": "FAIL", "return_msg": "签名错误"})
    till = Till([(status, body)], [(200, yes)])
    with pytest.raises(Refused, match="签名错误"):
        call(till)
    assert till.asked == [1, 0]
    (record,) = till.records
    assert (record.return_code, record.return_msg, record.http_status) == (
        "FAIL",
        "签名错误",
        status,
    )


@every_call
@pytest.mark.parametrize(
    "spoil",
    [
        v2.encode_xml,
        lambda fields: signed(fields, key="ANOTHERkeyANOTHERkeyANOTHERkey00"),
        lambda fields: signed(fields, SignType.MD5),
        lambda fields: signed(fields | {"mch_id": "1900000110"}),
        lambda fields: signed(fields | {"appid": "wx7777777777777777"}),
        lambda fields: signed(fields).replace(b"GatewaysOwnNonce", b"AnotherNonce1234"),
        lambda fields: v2.encode_xml(fields | {"result_code": "FAIL", "err_code": "ORDERPAID"}),
    ],
)
def test_an_answer_that_is_not_ours_is_final_and_unbelieved(
    path: str,
    call: Callable[[Till], object],
    yes: bytes,
    spoil: Callable[[dict[str, str]], bytes],
) -> None:
    fields = {name: text for name, text in v2.decode_xml(yes).items() if name != "sign"}
    till = Till([(200, spoil(fields))], [(200, yes)])
    with pytest.raises(BadSignature):
        call(till)
    assert till.asked == [1, 0]
    assert [record.failure for record in till.records] == [Failure.BAD_SIGNATURE]


def test_an_institutions_answer_must_name_the_sub_merchant_asked_for() -> None:
    terms = replace(TERMS, sub_mch_id="10000200")
    till = Till(
        [
            (200, signed(GRANTED | {"sub_mch_id": "10000200"})),
            (200, signed(GRANTED | {"sub_mch_id": "10000201"})),
        ]
    )
    assert till.gateway.place(terms).prepay_id == "wx01"
    with pytest.raises(BadSignature):
        till.gateway.place(terms)
    assert [record.sub_mch_id for record in till.records] == ["10000200"] * 2


@pytest.mark.parametrize(
    ("call", "fields", "error", "failure"),
    [
        (lambda till: till.gateway.place(TERMS), ENVELOPE, BadAnswer, "BAD_ANSWER"),
        (lambda till: till.gateway.query(REF), ENVELOPE, BadSignature, "BAD_SIGNATURE"),
        (
            lambda till: till.gateway.query(REF),
            UNPAID | {"out_trade_no": "ANOTHER1"},
            BadSignature,
            "BAD_SIGNATURE",
        ),
        (
            lambda till: till.gateway.query(REF),
            UNPAID | {"trade_state": "DREAMING"},
            BadAnswer,
            "BAD_ANSWER",
        ),
        (
            lambda till: till.gateway.close(REF),
            ENVELOPE | {"return_code": "PERHAPS"},
            BadAnswer,
            "BAD_ANSWER",
        ),
    ],
)
def test_a_document_that_makes_no_sense_is_final(
    call: Callable[[Till], object],
    fields: dict[str, str],
    error: type[WXPayError],
    failure: str,
) -> None:
    till = Till([(200, signed(fields))], [(200, signed(fields))])
    with pytest.raises(WXPayError) as caught:
        call(till)
    assert type(caught.value) is error
    assert till.asked == [1, 0]
    assert [record.failure for record in till.records] == [failure]


@every_call
@pytest.mark.parametrize(
    ("last", "error"),
    [
        ((200, HTML), BadAnswer),
        ((200, b"<xml><return_code>SUCC"), BadAnswer),
        ((200, b"<!DOCTYPE xml><xml><return_code>SUCCESS</return_code></xml>"), BadAnswer),
        ((503, HTML), OutcomeUnknown),
        (requests.ConnectionError(), OutcomeUnknown),
    ],
)
def test_no_answer_from_any_host_holds_no_secret(
    path: str,
    call: Callable[[Till], object],
    yes: bytes,
    last: Any,
    error: type[WXPayError],
    caplog: pytest.LogCaptureFixture,
) -> None:
    till = Till([requests.ReadTimeout()], [last])
    with caplog.at_level(logging.DEBUG), pytest.raises(OutcomeUnknown) as caught:
        call(till)
    assert type(caught.value) is error
    assert till.asked == [1, 1]
    shown = f"{caught.value!r} {till.records!r} {caplog.text}"
    assert KEY not in shown
    assert till.sent()["sign"] not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_query_brings_the_fact() -> None:
    till = Till([(200, signed(UNPAID))])
    fact = till.gateway.query(replace(REF, transaction_id="4200", version="1.0"))
    assert (fact.source, fact.trade_state) == ("v2.orderquery", TradeState.NOTPAY)
    assert (fact.out_trade_no, fact.trade_state_desc) == ("T20260101000001", "not paid")
    sent = till.sent()
    assert (sent["transaction_id"], sent["version"]) == ("4200", "1.0")
    assert [record.out_trade_no for record in till.records] == ["T20260101000001"]
    assert till.records[0].device_info == ""


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_the_clients_parameters_are_signed_now_and_without_a_call(sign_type: str) -> None:
    till = Till([(200, HTML)])
    terms = replace(TERMS, trade_type="JSAPI", openid="oUpF8")
    grant = PrepayGrant(prepay_id="wx01", trade_type="JSAPI", sign_type=sign_type)
    parameters = till.gateway.parameters(terms, grant)
    assert parameters.pop("paySign") == v2.sign(parameters, KEY, sign_type)
    assert parameters == {
        "appId": "wx8888888888888888",
        "timeStamp": str(int(MOMENT.timestamp())),
        "nonceStr": "nonce1",
        "package": "prepay_id=wx01",
        "signType": sign_type,
    }
    assert (till.asked, till.records) == ([0], [])


def test_terms_are_checked_without_a_call() -> None:
    till = Till([(200, HTML)])
    terms = replace(TERMS, time_expire=MOMENT + timedelta(minutes=6))
    till.gateway.check(terms)
    with pytest.raises(InvalidOrder, match="time_expire"):
        till.gateway.check(replace(TERMS, time_expire=MOMENT + timedelta(minutes=5)))
    assert (till.asked, till.records) == ([0], [])


def test_closing_names_the_order_by_our_number_only() -> None:
    till = Till([(200, signed(ENVELOPE | {"result_msg": "OK"}))])
    till.gateway.close(replace(REF, transaction_id="4200"))
    sent = till.sent()
    assert sent["out_trade_no"] == "T20260101000001"
    assert "transaction_id" not in sent


def test_closing_what_is_closed_is_done() -> None:
    till = Till([(200, refusal("ORDERCLOSED"))])
    till.gateway.close(REF)
    assert till.asked == [1]
    assert [record.err_code for record in till.records] == ["ORDERCLOSED"]


def test_placing_what_is_closed_is_refused() -> None:
    till = Till([(200, refusal("ORDERCLOSED"))])
    with pytest.raises(Refused):
        till.gateway.place(TERMS)


def test_a_real_primary_may_be_dead_and_the_order_is_placed_all_the_same(
    host: Callable[..., Host], nobody: str
) -> None:
    standby = host(says(signed(GRANTED), Content_Type="text/plain; charset=gbk"))
    till = Till(merchant=replace(MERCHANT, hosts=(nobody, standby.url)))
    for _ in range(2):
        assert till.gateway.place(TERMS).prepay_id == "wx01"
    till.transport.close()
    assert [record.failure for record in till.records] == [Failure.CONNECT, "", ""]
    assert [record.user_ip for record in till.records] == ["", "127.0.0.1", "127.0.0.1"]
    assert (len(standby.requests), standby.connections) == (2, 1)


def test_many_threads_may_place_through_one_gateway(host: Callable[..., Host]) -> None:
    there = host(says(signed(GRANTED)))
    till = Till(merchant=replace(MERCHANT, hosts=(there.url,)))
    placed: list[PrepayGrant] = []

    def work() -> None:
        placed.extend(till.gateway.place(TERMS) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    till.transport.close()
    assert len(placed) == len(till.records) == len(there.requests) == 40
    assert {record.failure for record in till.records} == {""}


def test_nothing_is_asked_of_the_network_when_a_gateway_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert Till().records == []
