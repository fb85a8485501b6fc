"""Charging a code and reversing: sent once, or again and again, over both protocols."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from django_wxpay.gateway import Busy
from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    ConfigurationError,
    InvalidOrder,
    OutcomeUnknown,
    Refused,
    WXPayError,
)
from django_wxpay.protocol.facts import TradeState
from django_wxpay.protocol.merchants import Region
from django_wxpay.protocol.secrets import Secret
from tests.gateway.test_v2 import ENVELOPE, MERCHANT, REF, Till, refusal, signed
from tests.gateway.till import Till as V3Till
from tests.gateway.v3.test_client import MERCHANT as V3_MERCHANT
from tests.protocol.v3.samples import REF as V3_REF
from tests.protocol.v3.test_payment_codes import PAID as V3_PAID
from tests.protocol.v3.test_payment_codes import sale
from tests.wechatpay import v3
from tests.wechatpay.quick_pay import CERTIFICATE
from tests.wechatpay.transport import HTML

CODE = Secret("134567890123456789")
CERTIFIED = replace(
    MERCHANT,
    client_cert=CERTIFICATE["CLIENT_CERT"],
    client_key=Secret(CERTIFICATE["CLIENT_KEY"]),
)
TERMS = replace(
    sale(V3_MERCHANT), mch_id=REF.mch_id, appid=REF.appid, out_trade_no=REF.out_trade_no
)
PAID = ENVELOPE | {
    "out_trade_no": REF.out_trade_no,
    "trade_type": "MICROPAY",
    "total_fee": "888",
    "transaction_id": "4200000000202601010000000001",
    "time_end": "20260101000130",
}
NO_CONNECTION = requests.ConnectTimeout("no one there")

# What leaves it open whether the code was charged: asked once, whatever there is beside.
OPEN: dict[str, tuple[Any, type[WXPayError]]] = {
    "time-out": (requests.ReadTimeout("silence"), OutcomeUnknown),
    "reset": (requests.ConnectionError("reset"), OutcomeUnknown),
    "502": ((502, HTML), OutcomeUnknown),
    "HTML": ((200, HTML), BadAnswer),
    "empty": ((200, b""), BadAnswer),
    "redirect": ((302, b""), BadAnswer),
}


def test_a_charge_returns_the_payment_and_sends_the_code() -> None:
    till = Till([(200, signed(PAID))], merchant=CERTIFIED)
    fact = till.gateway.charge(TERMS, CODE)

    assert (fact.trade_state, fact.total_fee) == (TradeState.SUCCESS, 888)
    assert till.hosts[0].requests[0].path_url == "/pay/micropay"
    assert till.sent()["auth_code"] == CODE.reveal()
    assert CODE.reveal() not in repr(till.records)


@pytest.mark.parametrize("what", OPEN)
def test_a_code_that_may_have_been_charged_is_sent_to_no_other_host(what: str) -> None:
    answer, error = OPEN[what]
    till = Till([answer], [(200, signed(PAID))], merchant=CERTIFIED)
    with pytest.raises(error) as raised:
        till.gateway.charge(TERMS, CODE)

    assert till.asked == [1, 0]
    assert till.pauses == []
    # Called again, the same sale goes on (``pay_by_code``).
    assert "it may have been done" not in str(raised.value)


def test_a_code_that_cannot_have_been_sent_goes_to_the_next_host() -> None:
    till = Till([NO_CONNECTION], [(200, signed(PAID))], merchant=CERTIFIED)

    assert till.gateway.charge(TERMS, CODE).trade_state is TradeState.SUCCESS
    assert till.asked == [1, 1]


def test_a_busy_gateway_is_not_sent_the_code_again() -> None:
    till = Till([(200, refusal("SYSTEMERROR"))], [(200, signed(PAID))], merchant=CERTIFIED)
    with pytest.raises(Busy):
        till.gateway.charge(TERMS, CODE)

    assert (till.asked, till.pauses) == ([1, 0], [])


@pytest.mark.parametrize("code", ["USERPAYING", "BANKERROR", "NOTENOUGH"])
def test_a_refusal_is_one_call(code: str) -> None:
    till = Till([(200, refusal(code))], [(200, signed(PAID))], merchant=CERTIFIED)
    with pytest.raises(Refused, match=code):
        till.gateway.charge(TERMS, CODE)

    assert till.asked == [1, 0]


def test_a_payment_that_is_signed_wrongly_is_none() -> None:
    forged = signed(PAID).replace(b"888", b"889")
    till = Till([(200, forged)], [(200, signed(PAID))], merchant=CERTIFIED)
    with pytest.raises(BadSignature):
        till.gateway.charge(TERMS, CODE)

    assert till.asked == [1, 0]


@pytest.mark.parametrize("answer", [requests.ReadTimeout("silence"), (502, HTML), (200, b"")])
def test_a_reversal_goes_to_the_next_host(answer: Any) -> None:
    till = Till([answer], [(200, signed(ENVELOPE | {"recall": "N"}))], merchant=CERTIFIED)

    assert till.gateway.reverse(REF) is False
    assert till.asked == [1, 1]
    assert till.sent(1)["out_trade_no"] == REF.out_trade_no
    assert till.hosts[1].requests[0].path_url == "/secapi/pay/reverse"


def test_recall_is_passed_on() -> None:
    till = Till([(200, signed(ENVELOPE | {"recall": "Y"}))], merchant=CERTIFIED)
    assert till.gateway.reverse(REF) is True


def test_without_a_client_certificate_nothing_is_sent() -> None:
    till = Till([(200, signed(PAID))])
    with pytest.raises(ConfigurationError, match="CLIENT_CERT and CLIENT_KEY"):
        till.gateway.reverse(REF)
    with pytest.raises(ConfigurationError, match="CLIENT_CERT and CLIENT_KEY"):
        till.gateway.check_code(replace(TERMS, fee_type="CNY"), CODE)

    assert till.asked == [0]


def test_what_is_no_code_is_refused_before_a_certificate_is_looked_for() -> None:
    with pytest.raises(InvalidOrder, match="auth_code"):
        Till([]).gateway.check_code(TERMS, Secret("1"))
    Till([], merchant=CERTIFIED).gateway.check_code(TERMS, CODE)


# APIv3

V3_TERMS = sale(V3_MERCHANT)
V3_OPEN: dict[str, tuple[Any, type[WXPayError]]] = {
    **OPEN,
    "202 USERPAYING": (v3.signed({"code": "USERPAYING", "message": "..."}, 202), OutcomeUnknown),
    "202 unsigned": (v3.refusal(202, "USERPAYING"), BadSignature),
    "500 SYSTEM_ERROR": (v3.refusal(500, "SYSTEM_ERROR"), OutcomeUnknown),
    "429": (v3.refusal(429, "RATELIMIT_EXCEEDED"), OutcomeUnknown),
    "a probe": (v3.probe(v3.signed(V3_PAID)), BadSignature),
}


def test_a_code_is_charged_over_v3() -> None:
    till = V3Till([v3.signed(V3_PAID)], merchant=V3_MERCHANT)

    assert till.gateway.charge(V3_TERMS, CODE).trade_state is TradeState.SUCCESS
    assert till.paths == ["/v3/pay/transactions/codepay"]
    assert CODE.reveal() not in repr(till.records)


@pytest.mark.parametrize("what", V3_OPEN)
def test_over_v3_too_a_code_is_sent_once(what: str) -> None:
    answer, error = V3_OPEN[what]
    till = V3Till([answer], [v3.signed(V3_PAID)], merchant=V3_MERCHANT)
    with pytest.raises(error):
        till.gateway.charge(V3_TERMS, CODE)

    assert (till.asked, till.pauses) == ([1, 0], [])


def test_over_v3_too_a_code_that_was_not_sent_goes_to_the_next_host() -> None:
    till = V3Till([NO_CONNECTION], [v3.signed(V3_PAID)], merchant=V3_MERCHANT)

    assert till.gateway.charge(V3_TERMS, CODE).trade_state is TradeState.SUCCESS
    assert till.asked == [1, 1]


@pytest.mark.parametrize(
    ("region", "answer"),
    [
        (Region.GLOBAL, v3.signed(status=204)),
        (Region.MAINLAND, v3.signed({"appid": "wx8", "mchid": "19", "out_trade_no": "O"})),
    ],
)
def test_a_reversal_over_v3_is_done_at_once(region: Region, answer: Any) -> None:
    till = V3Till([(502, HTML)], [answer], merchant=replace(V3_MERCHANT, region=region))

    assert till.gateway.reverse(V3_REF) is False
    assert till.asked == [1, 1]


def test_an_unsigned_reversal_is_none() -> None:
    till = V3Till([(204, b"")], merchant=V3_MERCHANT)
    with pytest.raises(BadSignature):
        till.gateway.reverse(V3_REF)


def test_the_rules_of_v3_are_checked_before_a_call() -> None:
    till = V3Till([], merchant=V3_MERCHANT)
    till.gateway.check_code(V3_TERMS, CODE)
    with pytest.raises(InvalidOrder, match="auth_code"):
        till.gateway.check_code(V3_TERMS, Secret("134"))
