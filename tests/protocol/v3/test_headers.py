"""The headers of both directions: Authorization of ours, Wechatpay-* of theirs."""

from __future__ import annotations

import pytest
from django.http.request import HttpHeaders
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from django_wxpay.protocol import v3
from django_wxpay.protocol.v3.authorization import read_authorization, request_message
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.signing import (
    SCHEME,
    SignatureHeaders,
    is_fresh,
    is_signed_by,
    read_signature_headers,
    signed_headers,
)
from tests.protocol.v3 import keys

ASKED = {
    "method": "GET",
    "url_path": "/v3/certificates",
    "body": b"",
    "mchid": "1900000109",
    "serial_no": keys.MERCHANT_SERIAL,
    "private_key": keys.MERCHANT_KEY,
    "timestamp": keys.NOW,
    "nonce": "593BEC0C930BF1AFEB40B4A08C8FB242",
}
GIVEN = {
    "Wechatpay-Timestamp": "1714554000",
    "Wechatpay-Nonce": "nonce",
    "Wechatpay-Serial": keys.PLATFORM_SERIAL,
    "Wechatpay-Signature": "c2ln",
    "Wechatpay-Signature-Type": SCHEME,
}
READ = SignatureHeaders(
    timestamp="1714554000", nonce="nonce", serial=keys.PLATFORM_SERIAL, signature="c2ln"
)


def test_the_method_is_signed_in_capitals_and_text_is_as_good_as_octets():
    lower = v3.build_authorization(
        **ASKED | {"method": "get", "body": "", "timestamp": "1714554000"}
    )

    assert lower == v3.build_authorization(**ASKED)


@pytest.mark.parametrize("url", ["", "v3/certificates", "https://api.example/v3", "/v3#part"])
def test_an_url_that_is_not_path_and_query_alone_is_refused(url):
    with pytest.raises(ValueError, match="url_path"):
        v3.build_authorization(**ASKED | {"url_path": url})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mchid", ""),
        ("mchid", '1",serial_no="2'),
        ("serial_no", "A\nB"),
        ("nonce", "é"),
        ("timestamp", ""),
    ],
)
def test_a_value_that_the_header_cannot_hold_is_refused(name, value):
    with pytest.raises(ValueError, match=r"empty or holds|nonce"):
        v3.build_authorization(**ASKED | {name: value})


def test_the_query_is_part_of_what_is_signed():
    asked = {"method": "GET", "body": "", "timestamp": 1, "nonce": "n"}

    assert request_message(url_path="/a?b=c", **asked) == b"GET\n/a?b=c\n1\nn\n\n"


def test_the_pairs_may_come_in_any_order():
    scheme, pairs = v3.build_authorization(**ASKED).split(" ")
    turned = ",".join(reversed(pairs.split(",")))

    assert read_authorization(f"{scheme} {turned}") == read_authorization(f"{scheme} {pairs}")
    assert read_authorization(f"{scheme} {turned}").mchid == "1900000109"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda header: "",
        lambda header: header.replace(SCHEME, "WECHATPAY2-SM2-WITH-SM3"),
        lambda header: header.replace("mchid", "mch_id"),
        lambda header: header.replace('"', ""),
        lambda header: header + ',mchid="1"',
        lambda header: header.rsplit(",", 1)[0],
        lambda header: header.replace('mchid="1900000109"', 'mchid=""'),
        lambda header: header.replace("nonce_str", "serial_no"),
        lambda header: header.replace(",", ", "),
    ],
)
def test_a_malformed_authorization_is_none(spoil):
    assert read_authorization(spoil(v3.build_authorization(**ASKED))) is None


@given(st.text())
def test_no_header_whatever_makes_the_reader_raise(header):
    assert read_authorization(header) is None
    assert read_authorization(f"{SCHEME} {header}") is None


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title, str])
def test_header_names_count_in_any_case(case):
    assert read_signature_headers({case(name): value for name, value in GIVEN.items()}) == READ


def of_django(headers):
    return HttpHeaders(
        {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    )


@pytest.mark.parametrize("kind", [dict, of_django, CaseInsensitiveDict])
def test_every_kind_of_mapping_is_read_with_and_without_the_algorithm(kind):
    bare = {name: value for name, value in GIVEN.items() if name != "Wechatpay-Signature-Type"}
    lower = {name.lower(): value for name, value in bare.items()}

    for headers in (GIVEN, bare, lower):
        assert read_signature_headers(kind(headers)) == READ
    for headers in (bare, lower):
        for name in ("Wechatpay-Signature-Type", "wechatpay-signature-type"):
            spoilt = headers | {name: "WECHATPAY2-SM2-WITH-SM3"}
            assert read_signature_headers(kind(spoilt)) is None
        assert read_signature_headers(kind(dict(list(headers.items())[1:]))) is None


def test_no_value_reaches_into_the_place_of_another():
    one, two = "Wechatpay-Nonce", "Wechatpay-Serial"

    assert read_signature_headers(GIVEN | {one: "a\nb", two: ""}) is None
    assert read_signature_headers(GIVEN | {one: "", two: "a\nb"}) is None


@pytest.mark.parametrize("name", [name for name in GIVEN if name != "Wechatpay-Signature-Type"])
@pytest.mark.parametrize("value", [None, "", "a b", "a\nb", "é", "x" * 1025])
def test_a_header_that_is_missing_or_no_plain_text_is_no_signature(name, value):
    changed = GIVEN | {name: value}
    given_ = {name: value for name, value in changed.items() if value is not None}

    assert read_signature_headers(given_) is None


@pytest.mark.parametrize("kind", ["WECHATPAY2-SM2-WITH-SM3", "", "rsa", SCHEME.lower()])
def test_another_algorithm_is_no_signature(kind):
    assert read_signature_headers(GIVEN | {"Wechatpay-Signature-Type": kind}) is None


@given(st.dictionaries(st.text(), st.text()))
def test_no_headers_whatever_make_the_reader_raise(given_headers):
    assert read_signature_headers(given_headers) is None


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "x",
        "-1714554000",
        "+1714554000",
        "1714554000.0",
        " 1714554000",
        "１７１４５５４０００",
        "1714554000\n",
        "9" * 5000,
        "1e9",
    ],
)
def test_a_timestamp_that_is_no_plain_number_is_not_fresh(timestamp):
    assert is_fresh(timestamp, keys.NOW) is False


@given(now=st.integers(0, 2**36), offset=st.integers(-1000, 1000))
def test_less_than_three_hundred_seconds_is_fresh(now, offset):
    stamp = now + offset

    assert is_fresh(str(stamp), now) is (stamp >= 0 and abs(offset) < 300)


def test_serials_are_filed_in_capitals_and_key_ids_as_they_are():
    number = "0" * 36 + "0C5D"
    assert {key_name(text) for text in ("c5d", "0c5d", "0C5D", number, f"00{number}")} == {number}
    assert key_name("0") == key_name("0" * 40) == "0" * 40
    for name in ("PUB_KEY_ID_01ab", "", "0x0c5d", "c_5d", " c5d", "c5d\n", "-c5d", "٠"):
        assert key_name(name) == name


@given(st.binary(max_size=300))
def test_what_their_side_signs_ours_believes_and_not_with_another_key(body):
    made = signed_headers(
        body,
        serial=keys.PLATFORM_SERIAL,
        private_key=keys.PLATFORM_KEY,
        timestamp=keys.NOW,
        nonce="nonce",
    )
    read = read_signature_headers(made)

    assert is_signed_by(read, body, public_key=keys.PLATFORM_CERTIFICATE)
    assert not is_signed_by(read, body + b"\n", public_key=keys.PLATFORM_CERTIFICATE)
    assert not is_signed_by(read, body, public_key=keys.WECHATPAY_PUBLIC_KEY)
