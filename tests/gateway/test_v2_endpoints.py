"""Calls to interfaces of v2 that the package does not know."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from django_wxpay.gateway import CallRecord, Transport, V2Gateway
from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    ConfigurationError,
    InvalidParameter,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.protocol.merchants import Merchant, Mode, SignType
from tests.wechatpay.transport import ScriptedTransport

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
PRIMARY, STANDBY = "https://primary.test", "https://standby.test"
PATH = "/secapi/pay/profitsharing"
MERCHANT = Merchant(
    alias="default",
    mch_id="1900000109",
    appid="wx8888888888888888",
    api_key=KEY,
    hosts=(PRIMARY, STANDBY),
)
ENVELOPE = {
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "appid": "wx8888888888888888",
    "mch_id": "1900000109",
    "nonce_str": "GatewaysOwnNonce",
}
YES = ENVELOPE | {"order_id": "30000"}
FIELDS = {"out_order_no": "P1", "transaction_id": "42"}
SILENCE = requests.ReadTimeout()


def signed(fields: dict[str, str], sign_type: str = SignType.HMAC_SHA256, key: str = KEY) -> bytes:
    return v2.encode_xml(fields | {"sign": v2.sign(fields, key, sign_type)})


class Counter:
    """A v2 gateway between two scripted hosts."""

    def __init__(self, *scripts: list[Any], merchant: Merchant = MERCHANT) -> None:
        transport = Transport(sleep=lambda _: None)
        self.hosts = [ScriptedTransport(*script) for script in scripts]
        for url, fake in zip(merchant.hosts, self.hosts, strict=False):
            transport.mount(url, fake)
        self.records: list[CallRecord] = []
        numbers = itertools.count(1)
        self.gateway = V2Gateway(
            merchant,
            transport=transport,
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            nonce=lambda: f"nonce{next(numbers)}",
            record=self.records.append,
        )

    @property
    def asked(self) -> list[int]:
        return [len(host.requests) for host in self.hosts]

    def sent(self) -> dict[str, str]:
        return v2.decode_xml(self.hosts[0].requests[-1].body or b"")  # type: ignore[arg-type]


def test_fields_are_signed_and_the_answer_is_verified() -> None:
    counter = Counter([(200, signed(YES))])
    answer = counter.gateway.call(PATH, FIELDS | {"out_trade_no": "T1", "sub_mch_id": ""})
    assert answer["order_id"] == "30000"
    sent = counter.sent()
    assert v2.verify(sent, KEY, SignType.HMAC_SHA256)
    ours = {"appid": MERCHANT.appid, "mch_id": MERCHANT.mch_id, "nonce_str": "nonce1"}
    ours |= {"sign_type": "HMAC-SHA256", "out_trade_no": "T1", "sign": sent["sign"]}
    assert sent == FIELDS | ours
    (record,) = counter.records
    assert (record.interface_url, record.out_trade_no) == (PRIMARY + PATH, "T1")
    assert (record.appid, record.result_code) == (MERCHANT.appid, "SUCCESS")


@pytest.mark.parametrize("given", [None, "MD5", SignType.HMAC_SHA256])
def test_an_interface_may_take_one_algorithm_alone(given: Any) -> None:
    chosen = given or "MD5"
    merchant = replace(MERCHANT, sign_type=SignType.MD5)
    counter = Counter([(200, signed(YES, chosen))], merchant=merchant)
    counter.gateway.call(PATH, FIELDS, sign_type=given)
    assert counter.sent()["sign_type"] == chosen
    assert v2.verify(counter.sent(), KEY, chosen)
    other = "MD5" if chosen == "HMAC-SHA256" else "HMAC-SHA256"
    counter = Counter([(200, signed(YES, other))], merchant=merchant)
    with pytest.raises(BadSignature):
        counter.gateway.call(PATH, FIELDS, sign_type=given)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (signed(ENVELOPE | {"result_code": "FAIL", "err_code": "NOAUTH"}), Refused),
        (v2.encode_xml({"return_code": "FAIL", "return_msg": "no"}), Refused),
        (signed(ENVELOPE | {"result_code": "MAYBE"}), BadAnswer),
        (v2.encode_xml({"result_code": "SUCCESS"}), BadAnswer),
        (v2.encode_xml(YES), BadSignature),
        (signed(YES, key="another"), BadSignature),
        (signed(YES | {"mch_id": "1"}), BadSignature),
        (signed(YES | {"mchid": "1"}), BadSignature),
        (signed(YES | {"appid": "wx1"}), BadSignature),
        (signed(YES | {"sub_mch_id": "8"}), BadSignature),
    ],
)
def test_an_answer_that_is_no_yes_raises(answer: bytes, error: type[Exception]) -> None:
    counter = Counter([(200, answer)], [(200, signed(YES))])
    with pytest.raises(error) as raised:
        counter.gateway.call(PATH, FIELDS | {"sub_mch_id": "7"})
    assert type(raised.value) is error
    assert counter.asked == [1, 0]


def test_the_code_of_a_refusal_is_the_gateways() -> None:
    no = signed(ENVELOPE | {"result_code": "FAIL", "err_code": "NOT_SHARE_ORDER"})
    with pytest.raises(Refused) as refused:
        Counter([(200, no)]).gateway.call(PATH, FIELDS)
    assert refused.value.err_code == "NOT_SHARE_ORDER"


def test_an_answer_need_not_name_what_it_is_about() -> None:
    bare = {"return_code": "SUCCESS", "a": "b"}
    answer = Counter([(200, signed(bare))]).gateway.call(PATH, FIELDS)
    assert answer["a"] == "b"


def test_an_interface_may_not_sign_its_answers() -> None:
    bare = v2.encode_xml({"return_code": "SUCCESS", "result_code": "SUCCESS", "a": "b"})
    fields = {"mch_appid": MERCHANT.appid, "mchid": MERCHANT.mch_id}
    counter = Counter([(200, bare)])
    assert counter.gateway.call(PATH, fields, is_signed=False)["a"] == "b"
    assert "appid" not in counter.sent()
    no = v2.encode_xml({"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "NO"})
    with pytest.raises(Refused):
        Counter([(200, no)]).gateway.call(PATH, fields, is_signed=False)


def test_a_call_is_sent_once_unless_it_is_repeatable() -> None:
    counter = Counter([SILENCE], [(200, signed(YES))])
    with pytest.raises(OutcomeUnknown, match="it may have been done: ask for it under"):
        counter.gateway.call(PATH, FIELDS)
    assert counter.asked == [1, 0]
    counter = Counter([SILENCE], [(200, signed(YES))])
    counter.gateway.call(PATH, FIELDS, is_repeatable=True)
    assert counter.asked == [1, 1]
    with pytest.raises(OutcomeUnknown, match="calling again is safe"):
        Counter([SILENCE], [SILENCE]).gateway.call(PATH, FIELDS, is_repeatable=True)


def test_a_client_certificate_is_shown_where_it_is_asked_for() -> None:
    counter = Counter([(200, signed(YES))])
    with pytest.raises(ConfigurationError, match="CLIENT_CERT"):
        counter.gateway.call(PATH, FIELDS, client_cert=True)
    assert counter.asked == [0]


@pytest.mark.parametrize(
    ("path", "fields", "sign_type"),
    [("/v3/x", {}, None), (PATH, {"sign": "x"}, None), (PATH, {}, "SM3"), (PATH, {}, "")],
)
def test_what_cannot_be_sent_is_not(path: str, fields: Any, sign_type: Any) -> None:
    counter = Counter([(200, signed(YES))])
    with pytest.raises(InvalidParameter):
        counter.gateway.call(path, fields, sign_type=sign_type)
    assert counter.asked == [0]
    assert counter.records == []


def test_an_institution_names_its_sub_merchant() -> None:
    merchant = replace(MERCHANT, mode=Mode.INSTITUTIONAL)
    counter = Counter([(200, signed(YES | {"sub_mch_id": "7"}))], merchant=merchant)
    counter.gateway.call(PATH, FIELDS | {"sub_mch_id": "7"})
    assert counter.records[0].sub_mch_id == "7"
