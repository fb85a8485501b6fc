"""Signatures: the published vectors, and everything a signature must not let pass."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.v2 import decode_xml, encode_xml, sign, verify
from tests.protocol.samples import KEY, OTHER_KEY
from tests.protocol.v2.vectors import BASE, IDS, K1, MISTAKES, SIGNATURES

WRITABLE = st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"])
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,15}", fullmatch=True)
FIELDS = st.dictionaries(
    NAMES.filter(lambda name: name not in {"sign", "sign_type"}),
    st.one_of(st.text(WRITABLE), st.integers()),
)
SIGN_TYPES = st.sampled_from(SignType)


@pytest.mark.parametrize(("name", "params", "key", "sign_type", "expected"), SIGNATURES, ids=IDS)
def test_every_vector_of_the_sheet_gets_its_signature(name, params, key, sign_type, expected):
    assert sign(params, key, sign_type) == expected


@pytest.mark.parametrize(("name", "params", "key", "sign_type", "expected"), SIGNATURES, ids=IDS)
def test_every_vector_is_still_believed_after_a_journey_as_xml(
    name, params, key, sign_type, expected
):
    received = decode_xml(encode_xml({**params, "sign": expected}))

    assert verify(received, key, sign_type)
    assert verify(received, key)


@pytest.mark.parametrize(("name", "params", "wrong"), MISTAKES)
def test_the_signature_of_a_known_mistake_is_not_believed(name, params, wrong):
    assert not verify(params | {"sign": wrong}, K1)


def test_every_vector_of_the_sheet_is_here():
    names = {name for name, *_ in SIGNATURES}

    assert names == {f"P{n}" for n in range(1, 6)} | {f"M{n}" for n in range(1, 24)}


def test_the_default_algorithm_is_md5():
    assert sign(BASE, K1) == "9A0A8659F005D6984697E2CA0A9CF3B7"


def test_an_integer_zero_is_signed_like_its_text():
    assert sign(BASE | {"coupon_count": 0}, K1) == "53F51266D1D7EDD1B52A46CC7CDC245A"


def test_none_is_not_signed():
    assert sign(BASE | {"attach": None}, K1) == sign(BASE, K1)


def test_sign_itself_is_not_signed():
    assert sign(BASE | {"sign": "anything"}, K1) == sign(BASE, K1)


@pytest.mark.parametrize("value", [True, False, 1.0, b"1", ["1"]])
def test_values_that_every_language_writes_differently_are_refused(value):
    with pytest.raises(TypeError, match="a parameter is text or a whole number"):
        sign(BASE | {"total_fee": value}, K1)


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ValueError, match="SHA1"):
        sign(BASE, K1, "SHA1")


def test_an_empty_key_signs_nothing():
    with pytest.raises(ValueError, match="the API key is empty"):
        sign(BASE, "")


def test_an_empty_key_believes_nothing():
    forged = "&".join(f"{name}={BASE[name]}" for name in sorted(BASE)) + "&key="
    digest = hashlib.md5(forged.encode(), usedforsecurity=False).hexdigest().upper()

    assert not verify(BASE | {"sign": digest}, "")


@pytest.mark.parametrize("sign_type", ["SHA1", "md5", "RSA", "HMAC-SHA512", "HMAC_SHA256"])
def test_a_message_that_names_an_unknown_algorithm_is_not_believed(sign_type):
    params = BASE | {"sign_type": sign_type}

    assert not verify(params | {"sign": sign(params, K1)}, K1)


def test_an_unknown_algorithm_asked_for_believes_nothing():
    assert not verify(BASE | {"sign": sign(BASE, K1)}, K1, "SHA1")


def test_the_messages_own_sign_type_decides():
    params = BASE | {"sign_type": "HMAC-SHA256"}

    assert verify(params | {"sign": sign(params, K1, "HMAC-SHA256")}, K1)
    assert not verify(params | {"sign": sign(params, K1, "MD5")}, K1)


def test_the_algorithm_asked_for_wins_over_the_length():
    signed_with_md5 = BASE | {"sign": sign(BASE, K1, "MD5")}

    assert verify(signed_with_md5, K1)
    assert not verify(signed_with_md5, K1, "HMAC-SHA256")


def test_an_empty_sign_type_counts_as_none():
    hmac_signed = BASE | {"sign_type": "", "sign": sign(BASE, K1, "HMAC-SHA256")}

    assert verify(hmac_signed, K1)
    assert verify(hmac_signed, K1, "")


@pytest.mark.parametrize(
    "given_sign",
    [None, "", 0, b"9A0A", "9a0a8659f005d6984697e2ca0a9cf3b7", "签名", "\ud800", " " * 32,
     "9A0A8659F005D6984697E2CA0A9CF3B7 ", "9A0A8659F005D6984697E2CA0A9CF3B", ["9A0A"]],
)  # fmt: skip
def test_a_sign_that_is_not_exactly_right_is_false_and_nothing_is_raised(given_sign):
    assert verify(BASE | {"sign": given_sign}, K1) is False


def test_a_message_without_sign_is_not_believed():
    assert verify(BASE, K1) is False


@pytest.mark.parametrize("odd", [True, 1.5, "\ud800", {"a": 1}, b""])
def test_odd_values_in_a_message_make_it_false_and_nothing_is_raised(odd):
    assert verify(BASE | {"attach": odd, "sign": "0" * 32}, K1) is False


def test_odd_names_in_a_message_make_it_false_and_nothing_is_raised():
    assert verify(BASE | {3: "x", "sign": "0" * 32}, K1) is False


def test_an_odd_sign_type_in_a_message_makes_it_false_and_nothing_is_raised():
    assert verify(BASE | {"sign_type": ["MD5"], "sign": "0" * 32}, K1) is False


def test_the_key_is_not_in_the_exception_of_a_refused_value():
    with pytest.raises(TypeError) as caught:
        sign(BASE | {"total_fee": 1.0}, K1)

    assert K1 not in str(caught.value)


@given(params=FIELDS, sign_type=SIGN_TYPES)
def test_what_is_signed_is_believed_and_by_no_other_key(params, sign_type):
    signed = params | {"sign": sign(params, KEY, sign_type)}

    assert verify(signed, KEY, sign_type)
    assert verify(signed, KEY)
    assert not verify(signed, OTHER_KEY, sign_type)


@given(params=FIELDS, name=NAMES, value=st.text(WRITABLE, min_size=1), sign_type=SIGN_TYPES)
def test_any_field_added_or_changed_breaks_the_signature(params, name, value, sign_type):
    signed = params | {"sign": sign(params, KEY, sign_type)}
    tampered = signed | {name: value}

    assert verify(tampered, KEY, sign_type) is (str(signed.get(name, "")) == value)


@given(params=FIELDS, sign_type=SIGN_TYPES)
def test_the_order_of_the_fields_does_not_matter(params, sign_type):
    backwards = dict(reversed(params.items()))

    assert sign(backwards, KEY, sign_type) == sign(params, KEY, sign_type)


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.text(), st.floats(), st.binary())))
def test_no_message_whatever_makes_verify_raise(params):
    assert verify(params, KEY) is False
