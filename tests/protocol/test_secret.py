"""Secrets: what they show, which is nothing, and what they can still be used for."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace

import pytest

from django_wxpay.protocol.merchants import KEYS, Merchant
from django_wxpay.protocol.secrets import MASK, Secret, holds_any, masked

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"


def test_a_secret_shows_a_mask_wherever_it_is_written():
    secret = Secret(KEY)
    written = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{secret:>40}",
        "%s" % secret,  # noqa: UP031 - one more way to write it
        repr([secret]),
        repr({"key": secret}),
    ]

    assert [text.strip() for text in written] == [MASK] * 6 + [f"[{MASK}]", f"{{'key': {MASK}}}"]


def test_whoever_looks_into_a_secret_sees_nothing():
    secret = Secret(KEY)

    assert not hasattr(secret, "__dict__")
    assert [repr(getattr(secret, name)).count(KEY) for name in Secret.__slots__] == [0]
    assert KEY not in repr([getattr(secret, name) for name in dir(secret)])


@pytest.mark.parametrize("value", [KEY, KEY.encode(), "密钥", "\ud800"])
def test_a_secret_gives_away_the_octets_it_was_made_of(value):
    octets = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")

    assert Secret(value).octets() == octets
    assert Secret(value).reveal() == octets.decode(errors="replace")


def test_an_empty_secret_is_false():
    assert not Secret("")
    assert not Secret(b"")
    assert Secret("0")


def test_secrets_are_compared_with_secrets_alone():
    assert Secret(KEY) == Secret(KEY.encode())
    assert Secret(KEY) != Secret(KEY[::-1])
    assert Secret(KEY) != KEY
    assert {Secret(KEY): 1}[Secret(KEY)] == 1
    assert hash(Secret(KEY)) != hash(KEY)


def test_a_secret_leaves_the_process_in_no_form():
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(Secret(KEY))
    with pytest.raises(TypeError, match="Secret is not JSON serializable"):
        json.dumps({"key": Secret(KEY)})


def test_a_copy_of_a_secret_is_that_secret():
    secret = Secret(KEY)

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert Secret.of(secret) is secret
    assert Secret.of(KEY) == secret


@pytest.mark.parametrize("value", [None, 32, [KEY]])
def test_what_is_neither_text_nor_octets_is_no_secret(value):
    with pytest.raises(AttributeError) as caught:
        Secret(value)

    assert KEY not in str(caught.value)


def test_the_keys_of_a_merchant_are_secrets_whatever_they_were_given_as():
    merchant = Merchant(
        alias="a",
        mch_id="1",
        appid="wx1",
        api_key=KEY,
        client_key=Secret("tls"),
        wechatpay_public_key="everybody may see this",
    )

    assert [type(getattr(merchant, name)) for name in KEYS] == [Secret] * 4
    assert merchant.secrets == (Secret(KEY), Secret("tls"))
    assert replace(merchant, alias="b").api_key == merchant.api_key
    assert KEY not in repr(asdict(merchant))
    assert merchant == replace(merchant)
    assert hash(merchant) == hash(replace(merchant))


def test_secrets_are_found_and_masked_in_a_text():
    secrets = [Secret(KEY), Secret(""), Secret("密钥")]

    assert masked(Secret(f"a {KEY} b 密钥 {KEY}"), secrets) == f"a {MASK} b {MASK} {MASK}"
    assert holds_any(Secret(f"a {KEY} b"), secrets)
    assert not holds_any(Secret("a"), secrets)
    assert not holds_any(Secret("a"), [])
