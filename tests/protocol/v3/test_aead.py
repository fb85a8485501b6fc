"""Sealed resources: what opens, what is malformed, and what is the fault of our key."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol import v3
from django_wxpay.protocol.errors import ConfigurationError, MalformedMessage, NotAuthentic
from django_wxpay.protocol.v3.encryption import (
    TagMismatch,
    decrypt_field,
    encrypt_field,
    encrypt_resource,
    unseal,
)
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import sealed, without

KEY = keys.API_V3_KEY
SEALED = sealed({"a": 1})
NONCES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=12)


def test_a_resource_opens_with_the_key_in_text_or_octets():
    assert v3.decrypt_resource(SEALED, KEY) == {"a": 1}
    assert v3.decrypt_resource(SEALED, KEY.encode()) == {"a": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "AEAD_SM4_128_GCM"},
        {"algorithm": None},
        {"algorithm": ["AEAD_AES_256_GCM"]},
        {"nonce": "short"},
        {"nonce": "a1B2c3D4e5F60"},
        {"nonce": ""},
        {"nonce": None},
        {"nonce": 123456789012},
        {"nonce": "\ud800" * 12},
        {"ciphertext": None},
        {"ciphertext": 5},
        {"ciphertext": ""},
        {"ciphertext": "AAAA"},
        {"ciphertext": "not base64"},
        {"ciphertext": "测试"},
        {"associated_data": 5},
        {"associated_data": {}},
    ],
)
def test_what_is_no_seal_is_malformed(changes):
    with pytest.raises(MalformedMessage):
        v3.decrypt_resource(SEALED | changes, KEY)


@pytest.mark.parametrize("resource", [None, [], "x", 5])
def test_what_is_no_object_is_malformed(resource):
    with pytest.raises(MalformedMessage, match="not an object"):
        v3.decrypt_resource(resource, KEY)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "a1B2c3D4e5F7"},
        {"associated_data": "refund"},
        {"associated_data": ""},
        {"associated_data": None},
        {"ciphertext": base64.b64encode(bytes(40)).decode()},
        {"ciphertext": base64.b64encode(bytes(16)).decode()},
    ],
)
def test_what_does_not_open_is_not_authentic_and_says_that_the_tag_failed(changes):
    with pytest.raises(TagMismatch) as caught:
        v3.decrypt_resource(SEALED | changes, KEY)

    assert isinstance(caught.value, NotAuthentic)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "x", "é" * 32, b"short", "测" * 11])
def test_a_key_that_is_not_32_bytes_is_a_fault_of_the_settings(key):
    with pytest.raises(ConfigurationError) as caught:
        v3.decrypt_resource(SEALED, key)

    assert str(key) not in str(caught.value) or not key


def test_a_key_is_measured_in_octets():
    key = "é" * 16

    assert v3.decrypt_resource(sealed({"a": 1}, key), key) == {"a": 1}


@pytest.mark.parametrize("plaintext", [b"[]", b"", b"no json", b'{"a":NaN}', b"\xff"])
def test_a_sealed_thing_that_is_no_object_is_malformed(plaintext):
    with pytest.raises(MalformedMessage):
        v3.decrypt_resource(sealed(plaintext), KEY)

    assert unseal(sealed(plaintext), KEY) == plaintext


def test_missing_empty_and_null_associated_data_are_the_same():
    bare = encrypt_resource(
        b"{}", api_v3_key=KEY, nonce="a1B2c3D4e5F6", associated_data="", original_type=""
    )

    assert v3.decrypt_resource(bare, KEY) == {}
    assert v3.decrypt_resource(without(bare, "associated_data"), KEY) == {}
    assert v3.decrypt_resource(bare | {"associated_data": None}, KEY) == {}


def test_a_nonce_of_another_length_seals_nothing():
    with pytest.raises(ValueError, match="12 bytes"):
        encrypt_resource(b"{}", api_v3_key=KEY, nonce="short", associated_data="", original_type="")


@given(plaintext=st.binary(max_size=300), nonce=NONCES, associated=st.text(max_size=16))
def test_what_is_sealed_opens_with_its_key_and_with_no_other(plaintext, nonce, associated):
    try:
        associated.encode()
    except UnicodeEncodeError:
        return
    resource = encrypt_resource(
        plaintext, api_v3_key=KEY, nonce=nonce, associated_data=associated, original_type="x"
    )

    assert unseal(resource, KEY) == plaintext
    with pytest.raises(TagMismatch):
        unseal(resource, KEY[::-1])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
MEMBERS = st.sampled_from(["algorithm", "nonce", "ciphertext", "associated_data"])


@given(st.dictionaries(MEMBERS, JSON))
def test_no_resource_whatever_raises_anything_else(changes):
    try:
        opened = v3.decrypt_resource(SEALED | changes, KEY)
    except (MalformedMessage, TagMismatch):
        return
    assert opened == {"a": 1}


def test_a_sealed_field_opens_for_its_owner_alone():
    first = encrypt_field("张三", public_key=keys.PLATFORM_CERTIFICATE)
    second = encrypt_field("张三", public_key=keys.PLATFORM_CERTIFICATE)

    assert first != second
    assert decrypt_field(first, private_key=keys.PLATFORM_KEY) == "张三"
    with pytest.raises(MalformedMessage):
        decrypt_field(first, private_key=keys.MERCHANT_KEY)


@pytest.mark.parametrize("text", ["", "x", "AAAA", "测试"])
def test_what_is_no_sealed_field_is_malformed(text):
    with pytest.raises(MalformedMessage):
        decrypt_field(text, private_key=keys.PLATFORM_KEY)


def test_a_text_too_long_to_be_sealed_is_refused():
    with pytest.raises(ValueError, match=r"."):
        encrypt_field("x" * 215, public_key=keys.PLATFORM_CERTIFICATE)
