"""A client nobody here wrote, wechatpy, and our codec: each believes the other."""

from __future__ import annotations

from dataclasses import replace

from wechatpy.pay.utils import (
    _check_signature,
    calculate_signature,
    calculate_signature_hmac,
    dict_to_xml,
)

from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.v2 import decode_xml, verify
from django_wxpay.protocol.v2.requests import unifiedorder
from tests.protocol.samples import EVERY_OPTION, KEY, NONCE, PAID, TERMS


def test_an_order_of_ours_passes_its_signature_check():
    wire = unifiedorder(
        replace(TERMS, **EVERY_OPTION), sign_type=SignType.MD5, key=KEY, nonce=NONCE
    )

    assert _check_signature(wire, KEY)


def test_an_order_of_ours_under_hmac_gets_the_signature_it_would_give():
    wire = unifiedorder(TERMS, sign_type=SignType.HMAC_SHA256, key=KEY, nonce=NONCE)
    signature = wire.pop("sign")

    assert signature == calculate_signature_hmac(wire, KEY)


def test_its_documents_are_let_in_and_its_signature_is_believed():
    body = dict_to_xml(PAID, sign=calculate_signature(PAID, KEY)).encode()

    received = decode_xml(body)

    assert verify(received, KEY)
    assert received.pop("sign")
    assert received == PAID
