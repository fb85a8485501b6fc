"""Keys of every accepted form, read once, and signatures that nothing else passes for."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol import v3
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.v3 import keys as room
from django_wxpay.protocol.v3.keys import (
    certified_key,
    load_certificate,
    load_private_key,
    load_public_key,
)
from django_wxpay.protocol.v3.signing import lines
from tests.protocol.v3 import keys

KEY = load_pem_private_key(keys.MERCHANT_KEY.encode(), password=None)
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
SIGNATURE = v3.sign("message", keys.MERCHANT_KEY)


def pem_of(key, form=PrivateFormat.TraditionalOpenSSL, encryption=None):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def public_pem_of(key, form=PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(Encoding.PEM, form)


PRIVATE_FORMS = {
    "PKCS#8 text": keys.MERCHANT_KEY,
    "PKCS#8 bytes": keys.MERCHANT_KEY.encode(),
    "PKCS#1 bytes": pem_of(KEY),
    "PKCS#1 text": pem_of(KEY).decode(),
    "a key": KEY,
}
PUBLIC_FORMS = {
    "SPKI bytes": public_pem_of(KEY),
    "SPKI text": public_pem_of(KEY).decode(),
    "PKCS#1": public_pem_of(KEY, PublicFormat.PKCS1),
    "certificate text": keys.MERCHANT_CERTIFICATE,
    "certificate bytes": keys.MERCHANT_CERTIFICATE.encode(),
    "a key": KEY.public_key(),
}
NO_PRIVATE_KEYS = {
    "nothing": "",
    "noise": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "None": None,
    "a public key": keys.WECHATPAY_PUBLIC_KEY,
    "a certificate": keys.MERCHANT_CERTIFICATE,
    "an encrypted key": pem_of(KEY, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
    "an elliptic key": pem_of(ELLIPTIC, PrivateFormat.PKCS8),
    "half a character": "\ud800",
}
NO_PUBLIC_KEYS = {
    "nothing": "",
    "noise": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "a broken certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "a private key": keys.MERCHANT_KEY,
    "an elliptic key": public_pem_of(ELLIPTIC),
    "half a character": "\ud800",
}


@pytest.mark.parametrize("key", PRIVATE_FORMS.values(), ids=PRIVATE_FORMS.keys())
def test_a_private_key_may_come_in_every_form(key):
    assert v3.sign("message", key) == SIGNATURE


@pytest.mark.parametrize("key", PUBLIC_FORMS.values(), ids=PUBLIC_FORMS.keys())
def test_a_public_key_may_come_in_every_form(key):
    assert v3.verify("message", SIGNATURE, key)
    assert not v3.verify("another message", SIGNATURE, key)


@pytest.mark.parametrize("key", NO_PRIVATE_KEYS.values(), ids=NO_PRIVATE_KEYS.keys())
def test_what_is_no_private_key_is_a_fault_of_the_settings(key):
    with pytest.raises(ConfigurationError) as caught:
        v3.sign("message", key)

    assert "BEGIN" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("key", NO_PUBLIC_KEYS.values(), ids=NO_PUBLIC_KEYS.keys())
def test_what_is_no_public_key_is_a_fault_of_the_settings_and_verifies_nothing(key):
    with pytest.raises(ConfigurationError):
        load_public_key(key)

    assert v3.verify("message", SIGNATURE, key) is False


def test_a_certificate_for_another_kind_of_key_is_refused():
    class Foreign:
        def __init__(self, error=None):
            self.error = error

        def public_key(self):
            if self.error:
                raise self.error
            return ELLIPTIC.public_key()

    with pytest.raises(ConfigurationError, match="not an RSA key"):
        certified_key(Foreign())
    with pytest.raises(ConfigurationError, match="cannot be read"):
        certified_key(Foreign(ValueError("an odd curve")))


def test_what_is_no_certificate_is_a_fault_of_the_settings():
    with pytest.raises(ConfigurationError):
        load_certificate(keys.MERCHANT_KEY)


def test_a_pem_is_read_once_however_often_it_is_used(monkeypatch):
    read = []
    monkeypatch.setattr(
        room,
        "load_pem_private_key",
        lambda pem, password: read.append(pem) or load_pem_private_key(pem, password),
    )
    room._private_key.cache_clear()

    first = load_private_key(keys.PLATFORM_KEY)
    for _ in range(5):
        v3.sign("message", keys.PLATFORM_KEY)

    assert len(read) == 1
    assert load_private_key(keys.PLATFORM_KEY) is first


def test_a_public_key_is_read_once_too():
    first = load_public_key(keys.PLATFORM_CERTIFICATE)

    assert load_public_key(keys.PLATFORM_CERTIFICATE) is first


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "not base64",
        "WECHATPAY/SIGNTEST/x",
        "AAAA",
        "é",
        SIGNATURE[:-1],
        SIGNATURE + "AAAA",
        SIGNATURE + "\n",
        " " + SIGNATURE,
        None,
        5,
    ],
)
def test_an_odd_signature_is_false_and_never_an_exception(signature):
    assert v3.verify("message", signature, keys.MERCHANT_CERTIFICATE) is False


@pytest.mark.parametrize("message", [None, 5, "\ud800"])
def test_an_odd_message_is_false_and_never_an_exception(message):
    assert v3.verify(message, SIGNATURE, keys.MERCHANT_CERTIFICATE) is False


def test_text_is_signed_as_utf_8():
    assert v3.sign("测试", KEY) == v3.sign("测试".encode(), KEY)


def test_every_line_is_ended_the_last_one_too():
    assert lines("GET", b"/x", "") == b"GET\n/x\n\n"


@given(message=st.binary(max_size=200), other=st.binary(max_size=200))
def test_what_is_signed_is_believed_and_nothing_else(message, other):
    signature = v3.sign(message, KEY)

    assert v3.verify(message, signature, KEY.public_key())
    assert v3.verify(other, signature, KEY.public_key()) is (message == other)
    assert not v3.verify(message, signature, keys.PLATFORM_CERTIFICATE)


@given(index=st.integers(0, 255), bit=st.integers(0, 7))
def test_one_bit_of_the_signature_changed_is_not_believed(index, bit):
    raw = bytearray(base64.b64decode(SIGNATURE))
    raw[index] ^= 1 << bit

    assert not v3.verify("message", base64.b64encode(raw).decode(), KEY.public_key())


@given(st.one_of(st.text(), st.binary()))
def test_no_signature_whatever_makes_verify_raise(signature):
    assert v3.verify("message", signature, keys.MERCHANT_CERTIFICATE) is False


@pytest.mark.parametrize("key", [None, 5, "", b"no key", object(), ELLIPTIC.public_key()])
def test_nothing_is_signed_by_what_is_no_key(key):
    assert not v3.verify("message", SIGNATURE, key)
