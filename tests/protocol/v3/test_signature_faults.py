"""The one verification of v3 signatures, for answers and notifications: its faults, in order."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.protocol.v3.keys import PublicKey
from django_wxpay.protocol.v3.signing import SignatureFault, signature_fault, signed_headers
from tests.protocol.v3 import keys

BODY = b'{"code": "SUCCESS"}'
HEADERS = signed_headers(
    BODY,
    serial=keys.PUBLIC_KEY_ID,
    private_key=keys.PUBLIC_MODE_KEY,
    timestamp=keys.NOW,
    nonce="n" * 32,
)
PROBE = {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/x"}


def fault(
    changes: dict[str, str] | None = None,
    *,
    body: bytes = BODY,
    now: int | None = keys.NOW,
) -> tuple[SignatureFault | None, list[str]]:
    """Return the fault, and the serials whose keys were looked for."""
    asked: list[str] = []

    def key_of(serial: str) -> PublicKey | None:
        asked.append(serial)
        return keys.WECHATPAY_PUBLIC_KEY if serial == keys.PUBLIC_KEY_ID else None

    return signature_fault(HEADERS | (changes or {}), body, now=now, key_of=key_of), asked


def test_what_wechat_pay_has_signed_has_no_fault() -> None:
    assert fault() == (None, [keys.PUBLIC_KEY_ID])


@pytest.mark.parametrize(
    ("changes", "how", "expected"),
    [
        ({"Wechatpay-Serial": ""}, {}, SignatureFault.UNSIGNED),
        ({"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}, {}, SignatureFault.UNSIGNED),
        ({}, {"now": keys.NOW + 300}, SignatureFault.STALE),
        ({}, {"now": keys.NOW - 300}, SignatureFault.STALE),
        (PROBE, {}, SignatureFault.PROBE),
        (PROBE, {"now": keys.NOW + 300}, SignatureFault.STALE),
        (PROBE | {"Wechatpay-Serial": "PUB_KEY_ID_0"}, {}, SignatureFault.PROBE),
    ],
)
def test_no_key_is_looked_for_where_the_headers_are_at_fault(
    changes: dict[str, str],
    how: dict[str, Any],
    expected: SignatureFault,
) -> None:
    assert fault(changes, **how) == (expected, [])


def test_a_serial_that_names_no_key_is_an_unknown_key() -> None:
    changes = {"Wechatpay-Serial": "PUB_KEY_ID_0"}
    assert fault(changes) == (SignatureFault.UNKNOWN_KEY, ["PUB_KEY_ID_0"])


@pytest.mark.parametrize(
    ("changes", "body"),
    [({}, BODY + b" "), ({"Wechatpay-Nonce": "m" * 32}, BODY)],
)
def test_other_bytes_or_another_nonce_make_it_wrong(changes: dict[str, str], body: bytes) -> None:
    assert fault(changes, body=body)[0] is SignatureFault.WRONG


def test_without_a_time_a_message_may_be_of_any_age_and_is_verified_all_the_same() -> None:
    assert fault(now=None)[0] is None
    assert fault(PROBE, now=None)[0] is SignatureFault.PROBE
    assert fault(body=b"{}", now=None)[0] is SignatureFault.WRONG
