"""Which answers of APIv3 are believed: signatures, their time, their key, and probes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import (
    BadSignature,
    ConfigurationError,
    OutcomeUnknown,
    Refused,
    WXPayError,
)
from django_wxpay.protocol.facts import PrepayGrant, TradeFact
from django_wxpay.protocol.v3.authorization import read_authorization
from tests.gateway.till import PRIMARY, STANDBY, MemoryStore, Till
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import MAINLAND, NOW, REF, terms_for
from tests.protocol.v3.vectors import VECTORS, body, headers
from tests.wechatpay.transport import HTML, RawAnswer
from tests.wechatpay.v3 import (
    OLD,
    YOUNG,
    YOUNG_KEY,
    YOUNG_SERIAL,
    listing,
    probe,
    refusal,
    signed,
    spoilt,
)

HOSTS = (PRIMARY, STANDBY)
MERCHANT = replace(MAINLAND, hosts=HOSTS)
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
}
LIST = listing({keys.PLATFORM_SERIAL: OLD})

Call = Callable[[Till], object]
Yes = Callable[..., RawAnswer]


def grant(**how: Any) -> RawAnswer:
    return signed(GRANTED, **how)


def fact(**how: Any) -> RawAnswer:
    return signed(UNPAID, **how)


def done(**how: Any) -> RawAnswer:
    return signed(status=204, **how)


def certificates(**how: Any) -> RawAnswer:
    return signed(LIST, **how)


CALLS: list[tuple[Call, Yes]] = [
    (lambda till: till.gateway.place(TERMS), grant),
    (lambda till: till.gateway.query(REF), fact),
    (lambda till: till.gateway.close(REF), done),
    (lambda till: till.gateway.certificates(), certificates),
]
every_call = pytest.mark.parametrize(("call", "yes"), CALLS)


# Signatures

FORGED: list[Callable[[Yes], RawAnswer]] = [
    lambda yes: spoilt(yes(), Wechatpay_Signature=None),
    lambda yes: spoilt(yes(), Wechatpay_Serial=None),
    lambda yes: spoilt(yes(), Wechatpay_Nonce=None),
    lambda yes: spoilt(yes(), Wechatpay_Timestamp=None),
    lambda yes: (*yes()[:2], {}),
    lambda yes: spoilt(yes(), Wechatpay_Signature_Type="WECHATPAY2-SM2-WITH-SM3"),
    lambda yes: spoilt(yes(), Wechatpay_Signature="not base64!"),
    lambda yes: spoilt(yes(), Wechatpay_Signature="AAAA"),
    lambda yes: spoilt(yes(), Wechatpay_Nonce="another"),
    lambda yes: spoilt(yes(), Wechatpay_Timestamp=str(keys.NOW + 1)),
    lambda yes: spoilt(yes(), Wechatpay_Timestamp="soon"),
    lambda yes: yes(at=keys.NOW - 300),
    lambda yes: yes(at=keys.NOW + 300),
    lambda yes: yes(at=0),
    lambda yes: yes(key=keys.MERCHANT_KEY),
    lambda yes: yes(serial=keys.MERCHANT_SERIAL, key=keys.MERCHANT_KEY),
    lambda yes: yes(serial=YOUNG_SERIAL, key=YOUNG_KEY),
    lambda yes: yes(serial=keys.PLATFORM_SERIAL[:-1]),
    lambda yes: yes(serial=keys.PUBLIC_KEY_ID),
    lambda yes: yes(serial=keys.PUBLIC_KEY_ID, key=keys.PUBLIC_MODE_KEY),
    lambda yes: yes(serial="serial"),
]


@every_call
@pytest.mark.parametrize("forge", FORGED)
def test_a_yes_that_is_not_signed_as_it_must_be_is_final_and_unbelieved(
    call: Call, yes: Yes, forge: Callable[[Yes], RawAnswer], caplog: pytest.LogCaptureFixture
) -> None:
    till = Till([forge(yes)], [yes()], merchant=MERCHANT)
    with caplog.at_level(logging.DEBUG, "django_wxpay.gateway"), pytest.raises(BadSignature):
        call(till)
    assert till.asked == [1, 0]
    assert till.failures == ["BAD_SIGNATURE"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert till.transport.health.order(HOSTS) == HOSTS
    assert till.store.pems == [OLD]


@pytest.mark.parametrize(("call", "yes"), CALLS[:2])
@pytest.mark.parametrize(
    "change", [lambda said: said + b"\n", lambda said: said.replace(b" ", b"")]
)
def test_other_octets_than_those_signed_are_not_believed(
    call: Call, yes: Yes, change: Callable[[bytes], bytes]
) -> None:
    status, said, named = yes()
    assert json.loads(change(said)) == json.loads(said)
    till = Till([(status, change(said), named)], merchant=MERCHANT)
    with pytest.raises(BadSignature, match="the answer has a wrong signature"):
        call(till)


ACCEPTED: list[Callable[[Yes], RawAnswer]] = [
    lambda yes: yes(at=keys.NOW - 299),
    lambda yes: yes(at=keys.NOW + 299),
    lambda yes: yes(serial=keys.PLATFORM_SERIAL.lower()),
    lambda yes: spoilt(yes(), Wechatpay_Signature_Type=None),
    lambda yes: (*yes()[:2], {name.lower(): said for name, said in yes()[2].items()}),
    lambda yes: (*yes()[:2], {name.upper(): said for name, said in yes()[2].items()}),
]


@every_call
@pytest.mark.parametrize("vary", ACCEPTED)
def test_a_yes_may_be_a_little_off_in_time_and_in_the_case_of_what_has_none(
    call: Call, yes: Yes, vary: Callable[[Yes], RawAnswer]
) -> None:
    till = Till([vary(yes)], merchant=MERCHANT)
    call(till)
    assert till.failures == [""]
    assert till.asked == [1]


@every_call
def test_a_key_is_believed_under_its_own_name_alone(call: Call, yes: Yes) -> None:
    till = Till([yes(serial=keys.PUBLIC_KEY_ID)], merchant=MODERN)
    with pytest.raises(BadSignature):
        call(till)
    other = Till([yes(key=keys.PUBLIC_MODE_KEY)], merchant=MODERN)
    with pytest.raises(BadSignature):
        call(other)
    good = Till([yes(serial=keys.PUBLIC_KEY_ID, key=keys.PUBLIC_MODE_KEY)], merchant=MODERN)
    call(good)
    assert (till.asked, other.asked, good.failures) == ([1], [1], [""])


def test_a_key_we_lack_is_named_no_longer_than_a_name_is() -> None:
    till = Till([fact(serial="PUB_KEY_ID_" + "9" * 900)], merchant=MERCHANT)
    with pytest.raises(BadSignature, match=r"a key we do not have: PUB_KEY_ID_9{53}$"):
        till.gateway.query(REF)


def test_the_tampered_vectors_of_the_sheet_are_refused() -> None:
    cut = spoilt(
        (200, body("RES-6"), headers("RES-6")),
        Wechatpay_Signature=headers("RES-6")["Wechatpay-Signature"][:-1],
    )
    later = NOW + timedelta(seconds=300)
    for told, now in (
        ((200, body("RES-1") + b"\n", headers("RES-1")), NOW),
        ((200, body("RES-1"), headers("RES-1")), later),
        (cut, NOW),
    ):
        till = Till([told], merchant=MERCHANT)
        till.now = now
        with pytest.raises(BadSignature):
            till.gateway.place(TERMS)
    assert VECTORS["RES-1"]["status"] == 200


# Probes


@every_call
def test_a_probe_is_asked_again_once_and_signed_anew(
    call: Call, yes: Yes, caplog: pytest.LogCaptureFixture
) -> None:
    till = Till([probe(yes()), yes()], [yes()], merchant=MERCHANT)
    with caplog.at_level(logging.DEBUG, "django_wxpay.gateway"):
        call(till)
    assert till.asked == [2, 0]
    assert till.failures == ["PROBE", ""]
    assert caplog.records == []
    assert till.transport.health.order(HOSTS) == HOSTS
    said = [read_authorization(till.sent(at=at).headers["Authorization"]) for at in (0, 1)]
    assert [each.nonce_str for each in said if each] == ["nonce1", "nonce2"]
    assert till.sent(at=0).body == till.sent(at=1).body


@every_call
def test_a_second_probe_is_a_forgery_and_an_alarm(
    call: Call, yes: Yes, caplog: pytest.LogCaptureFixture
) -> None:
    till = Till([probe(yes())], [yes()], merchant=MERCHANT)
    with (
        caplog.at_level(logging.DEBUG, "django_wxpay.gateway"),
        pytest.raises(BadSignature, match="and so was the one before") as caught,
    ):
        call(till)
    assert type(caught.value) is BadSignature
    assert caught.value.__cause__ is None
    assert till.asked == [2, 0]
    assert till.failures == ["PROBE", "BAD_SIGNATURE"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert till.transport.health.order(HOSTS) == HOSTS


@pytest.mark.parametrize(("call", "yes"), CALLS[:3])
def test_a_probe_makes_us_download_nothing(call: Call, yes: Yes) -> None:
    till = Till([probe(yes(serial=YOUNG_SERIAL)), yes()], merchant=MERCHANT, store=MemoryStore(OLD))
    till.store.claimed_at = NOW - timedelta(minutes=5)
    call(till)
    assert till.asked == [2]
    assert "/v3/certificates" not in till.paths


def test_a_probe_from_the_sheet_is_a_probe() -> None:
    genuine = (200, body("RES-1"), headers("RES-1"))
    till = Till([(200, body("RES-6"), headers("RES-6")), genuine], merchant=MERCHANT)
    assert till.gateway.place(TERMS).code_url == "weixin://wxpay/s/An4baqw"
    assert till.failures == ["PROBE", ""]


def test_a_probe_that_is_stale_as_well_is_no_probe() -> None:
    till = Till([probe(fact(at=keys.NOW - 300)), fact()], merchant=MERCHANT)
    with pytest.raises(BadSignature):
        till.gateway.query(REF)
    assert till.asked == [1]


def test_after_a_probe_trouble_is_trouble() -> None:
    till = Till([probe(fact()), (502, HTML)], [(502, HTML)], merchant=MERCHANT)
    with pytest.raises(OutcomeUnknown):
        till.gateway.query(REF)
    assert till.failures == ["PROBE", "HTTP_5XX", "HTTP_5XX"]


# Whatever may come

NAMES = [
    "Wechatpay-Timestamp",
    "Wechatpay-Nonce",
    "Wechatpay-Serial",
    "Wechatpay-Signature",
    "Wechatpay-Signature-Type",
    "Request-ID",
    "Content-Type",
]
values = st.one_of(
    st.text(max_size=40),
    st.sampled_from([str(keys.NOW), keys.PLATFORM_SERIAL, "AAAA", "WECHATPAY/SIGNTEST/", "9" * 40]),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "message", "detail", "data", "amount", "payer", *UNPAID]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
octets = st.one_of(
    st.binary(max_size=200),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"", HTML, LIST, b"[" * 9999, b'{"code":"\\ud800"}', b"\xff{}"]),
)
calls = st.sampled_from([call for call, _ in CALLS])


def heard(call: Call, *told: tuple[Any, ...], store: MemoryStore | None = None) -> object:
    """Return what a call brings, or the error that is one of ours; anything else is raised."""
    till = Till(list(told), merchant=replace(MERCHANT, hosts=(PRIMARY,)), store=store)
    try:
        return call(till)
    except WXPayError as error:
        return error
    finally:
        assert till.records != []
        assert keys.API_V3_KEY not in repr(till.records)


@given(
    call=calls,
    status=st.integers(100, 599),
    said=octets,
    named=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=12), values, max_size=7),
)
def test_nothing_a_stranger_answers_is_believed_or_breaks_us(
    call: Call, status: int, said: bytes, named: dict[str, str]
) -> None:
    result = heard(call, (status, said, named))
    assert isinstance(result, OutcomeUnknown | Refused)
    assert not isinstance(result, Refused) or status >= 400


@given(call=calls, status=st.sampled_from([200, 201, 202, 204, 206]), said=octets)
def test_whatever_wechat_pay_signs_is_read_or_refused_by_name(
    call: Call, status: int, said: bytes
) -> None:
    result = heard(call, signed(said, status=status))
    assert result is None or isinstance(result, OutcomeUnknown | PrepayGrant | TradeFact | tuple)
    assert status != 202 or isinstance(result, OutcomeUnknown)


@given(said=octets, status=st.integers(200, 599), named=st.dictionaries(st.text(), values))
def test_no_list_of_certificates_breaks_the_call_that_needs_it(
    said: bytes, status: int, named: dict[str, str]
) -> None:
    unknown = fact(serial=YOUNG_SERIAL, key=YOUNG_KEY)
    result = heard(CALLS[1][0], unknown, (status, said, named), store=MemoryStore())
    assert isinstance(result, BadSignature)


# The list of certificates


def test_the_first_list_vouches_for_itself() -> None:
    till = Till([certificates()], merchant=MERCHANT, store=MemoryStore())
    (one,) = till.gateway.certificates()
    assert (one.serial_no, one.pem) == (keys.PLATFORM_SERIAL, OLD)
    assert till.paths == ["/v3/certificates"]
    assert till.keys.known(keys.PLATFORM_SERIAL) is None
    assert (till.store.looks, till.store.asked) == (0, [])


def test_the_sheets_own_list_is_believed() -> None:
    told = (200, body("CERT-1"), headers("CERT-1"))
    till = Till([told], merchant=MERCHANT, store=MemoryStore())
    assert [one.serial_no for one in till.gateway.certificates()] == [keys.PLATFORM_SERIAL]


@pytest.mark.parametrize(
    "told",
    [
        (200, LIST, certificates()[2] | {"Wechatpay-Nonce": "another"}),
        (200, LIST.replace(b"2034", b"2099"), certificates()[2]),
        signed(listing({YOUNG_SERIAL: YOUNG})),
        signed(LIST, serial=YOUNG_SERIAL, key=YOUNG_KEY),
        signed(LIST, key=YOUNG_KEY),
        signed(LIST, serial=keys.PUBLIC_KEY_ID, key=keys.PUBLIC_MODE_KEY),
        signed(listing({keys.PLATFORM_SERIAL: OLD}, "z" * 32)),
    ],
    ids=[
        "nonce",
        "body",
        "without signer",
        "other signer",
        "other key",
        "public key",
        "API_V3_KEY",
    ],
)
def test_a_first_list_that_does_not_vouch_for_itself_is_not_believed(told: RawAnswer) -> None:
    till = Till([told], [certificates()], merchant=MERCHANT, store=MemoryStore())
    with pytest.raises(BadSignature) as caught:
        till.gateway.certificates()
    assert keys.API_V3_KEY not in f"{caught.value!r}"
    assert till.asked == [1, 0]
    assert till.failures == ["BAD_SIGNATURE"]


def test_a_list_signed_by_a_key_that_is_known_need_not_hold_it() -> None:
    new = listing({YOUNG_SERIAL: YOUNG})
    till = Till([signed(new, serial=keys.PUBLIC_KEY_ID, key=keys.PUBLIC_MODE_KEY)], merchant=MODERN)
    assert [one.serial_no for one in till.gateway.certificates()] == [YOUNG_SERIAL]


def test_a_known_serial_is_not_vouched_for_by_a_list() -> None:
    # Somebody who has API_V3_KEY makes a certificate with the serial of a genuine one.
    fake = listing({YOUNG_SERIAL: YOUNG})
    merchant = replace(MERCHANT, platform_certificates=(OLD,))
    till = Till([signed(fake, key=YOUNG_KEY)], merchant=merchant)
    with pytest.raises(BadSignature):
        till.gateway.certificates()


def test_a_key_of_the_wrong_length_is_a_fault_of_the_settings() -> None:
    merchant = replace(MERCHANT, api_v3_key="short")
    till = Till([certificates()], merchant=merchant, store=MemoryStore())
    with pytest.raises(ConfigurationError, match="API_V3_KEY is not 32 bytes long"):
        till.gateway.certificates()


@pytest.mark.parametrize("code", ["RESOURCE_NOT_EXISTS", "NOT_FOUND"])
def test_an_account_without_certificates_is_told_what_it_needs(code: str) -> None:
    till = Till([refusal(404, code)], merchant=MODERN)
    with pytest.raises(Refused) as caught:
        till.gateway.certificates()
    assert "without platform certificates" in caught.value.advice
