"""Platform certificates: read from a PEM, from a list, and held against a key."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    ConfigurationError,
)
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v3.certificates import (
    certificate_matches_key,
    read_certificate,
    read_certificate_list,
)
from django_wxpay.protocol.v3.keys import load_private_key
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import sealed, text, without

MADE = datetime(2024, 1, 1, tzinfo=UTC)


def certificate(serial: int, key=None) -> str:
    """Return the PEM of a certificate made here, TEST ONLY."""
    private = key or load_private_key(keys.PLATFORM_KEY)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST ONLY")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=private.public_key(),
        serial_number=serial,
        not_valid_before=MADE,
        not_valid_after=MADE + timedelta(days=1),
    )
    return builder.sign(private, SHA256()).public_bytes(Encoding.PEM).decode()


def entry(pem: str, serial_no: str, **changes):
    members = {
        "serial_no": serial_no,
        "effective_time": "2024-01-01T08:00:00+08:00",
        "expire_time": "2034-01-01T08:00:00+08:00",
        "encrypt_certificate": sealed(pem.encode()),
    }
    return members | changes


def listed(*entries) -> bytes:
    return text({"data": list(entries)}).encode()


GOOD = entry(keys.PLATFORM_CERTIFICATE, keys.PLATFORM_SERIAL)


def test_a_certificate_says_its_serial_its_dates_and_its_key():
    read = read_certificate(keys.MERCHANT_CERTIFICATE.encode())

    assert read.serial_no == keys.MERCHANT_SERIAL
    assert (read.not_before, read.not_after) == (MADE, datetime(2034, 1, 1, tzinfo=UTC))
    assert read.pem == keys.MERCHANT_CERTIFICATE
    assert read.public_key == load_private_key(keys.MERCHANT_KEY).public_key()
    assert read == read_certificate(keys.MERCHANT_CERTIFICATE)


def test_neither_pem_nor_key_is_in_its_repr():
    assert "BEGIN" not in repr(read_certificate(keys.MERCHANT_CERTIFICATE))
    assert "public_key" not in repr(read_certificate(keys.MERCHANT_CERTIFICATE))


@pytest.mark.parametrize(("serial", "written"), [(1, "0" * 39 + "1"), (0xAB, "0" * 38 + "AB")])
def test_a_serial_keeps_its_leading_zeros(serial, written):
    assert read_certificate(certificate(serial)).serial_no == written


@pytest.mark.parametrize("pem", ["", "x", keys.MERCHANT_KEY, keys.WECHATPAY_PUBLIC_KEY, b"\xff"])
def test_what_is_no_certificate_is_a_fault_of_the_settings(pem):
    with pytest.raises(ConfigurationError):
        read_certificate(pem)


def test_a_certificate_of_an_elliptic_key_is_one_too():
    with pytest.raises(ConfigurationError, match="not an RSA key"):
        read_certificate(certificate(1, ec.generate_private_key(ec.SECP256R1())))


def test_a_certificate_matches_its_own_key_alone():
    assert certificate_matches_key(keys.MERCHANT_CERTIFICATE, keys.MERCHANT_KEY)
    assert not certificate_matches_key(keys.MERCHANT_CERTIFICATE, keys.PLATFORM_KEY)
    with pytest.raises(ConfigurationError):
        certificate_matches_key(keys.MERCHANT_KEY, keys.MERCHANT_KEY)
    with pytest.raises(ConfigurationError):
        certificate_matches_key(keys.MERCHANT_CERTIFICATE, keys.MERCHANT_CERTIFICATE)


def test_during_a_rotation_the_list_holds_two():
    young = certificate(0xAB)
    read = read_certificate_list(
        listed(GOOD, entry(young, f"{0xAB:040x}", expire_time="2024-06-01T00:00:00+08:00")),
        keys.API_V3_KEY,
    )

    assert [each.serial_no for each in read] == [keys.PLATFORM_SERIAL, f"{0xAB:040X}"]
    assert read[1].pem == young
    assert read[1].not_after == datetime(2024, 6, 1, tzinfo=BEIJING)


def test_blanks_behind_the_names_do_not_matter():
    blank = {f"{name} ": value for name, value in GOOD.items()}
    body = text({"data ": [blank]}).encode()

    assert read_certificate_list(body, keys.API_V3_KEY) == (
        read_certificate_list(listed(GOOD), keys.API_V3_KEY)
    )


def test_where_the_list_has_no_dates_the_certificates_own_count():
    young = without(entry(certificate(5), f"{5:040X}"), "effective_time", "expire_time")
    (read,) = read_certificate_list(listed(young), keys.API_V3_KEY)

    assert (read.not_before, read.not_after) == (MADE, MADE + timedelta(days=1))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"<html></html>",
        listed(),
        text({"data": {}}).encode(),
        listed("x"),
        listed(without(GOOD, "serial_no")),
        listed(without(GOOD, "encrypt_certificate")),
        listed(GOOD | {"encrypt_certificate": "x"}),
        listed(GOOD | {"encrypt_certificate": sealed(b"x") | {"nonce": "x"}}),
        listed(GOOD | {"encrypt_certificate": sealed(b"no certificate")}),
        listed(GOOD | {"encrypt_certificate": sealed(keys.WECHATPAY_PUBLIC_KEY.encode())}),
        listed(GOOD | {"serial_no": keys.MERCHANT_SERIAL}),
        listed(GOOD | {"serial_no": 5}),
        listed(GOOD | {"expire_time": "soon"}),
        listed(entry(keys.MERCHANT_CERTIFICATE, keys.PLATFORM_SERIAL), "x"),
    ],
)
def test_a_list_without_a_readable_entry_is_not_believed(body):
    with pytest.raises(BadAnswer) as caught:
        read_certificate_list(body, keys.API_V3_KEY)

    assert not isinstance(caught.value, BadSignature)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("x", "none"),
        (GOOD | {"serial_no": 5}, "none"),
        (GOOD | {"serial_no": "\n" + "A" * 99}, repr("\n" + "A" * 63)),
        (GOOD | {"encrypt_certificate": sealed(b"no certificate")}, repr(keys.PLATFORM_SERIAL)),
        (GOOD | {"encrypt_certificate": sealed(b"x", keys.API_V3_KEY[::-1])}, None),
        (without(GOOD, "encrypt_certificate"), None),
        (entry(keys.MERCHANT_CERTIFICATE, keys.PLATFORM_SERIAL), None),
        (GOOD | {"expire_time": "soon"}, None),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_entry_that_cannot_be_read_takes_no_other_with_it(bad, named, first):
    left_out = []
    young = entry(certificate(0xAB), "AB")
    read = read_certificate_list(
        listed(bad, young) if first else listed(young, bad),
        keys.API_V3_KEY,
        on_unreadable=lambda *what: left_out.append(what),
    )

    assert [one.serial_no for one in read] == [f"{0xAB:040X}"]
    [(serial_no, problem)] = left_out
    assert serial_no == (named or repr(keys.PLATFORM_SERIAL))
    assert problem
    assert keys.API_V3_KEY not in problem


@pytest.mark.parametrize("form", [str.lower, lambda serial: serial.lstrip("0"), "00{}".format])
def test_an_entry_names_its_certificate_by_number(form):
    (read,) = read_certificate_list(
        listed(GOOD | {"serial_no": form(keys.PLATFORM_SERIAL)}), keys.API_V3_KEY
    )
    assert read.serial_no == keys.PLATFORM_SERIAL


def test_a_list_sealed_with_another_key_is_not_believed():
    foreign = GOOD | {"encrypt_certificate": sealed(b"x", keys.API_V3_KEY[::-1])}

    with pytest.raises(BadSignature, match="API_V3_KEY"):
        read_certificate_list(listed(foreign), keys.API_V3_KEY)


def test_a_wrong_key_in_the_settings_is_told_apart():
    with pytest.raises(ConfigurationError, match="32 bytes"):
        read_certificate_list(listed(GOOD), "short")


@given(st.binary())
def test_no_octets_whatever_raise_anything_else(body):
    with pytest.raises(BadAnswer):
        read_certificate_list(body, keys.API_V3_KEY)
    with pytest.raises(BadAnswer):
        hostile = GOOD | {"encrypt_certificate": sealed(body)}
        read_certificate_list(json.dumps({"data": [hostile]}).encode(), keys.API_V3_KEY)


def test_the_seal_itself_is_what_the_sheet_describes():
    raw = base64.b64decode(GOOD["encrypt_certificate"]["ciphertext"])

    assert len(raw) == len(keys.PLATFORM_CERTIFICATE) + 16
