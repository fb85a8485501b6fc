"""Identifiers that the gateway assigns, in the shapes seen in practice.

Sources: protocol-v2 section 3.6, protocol-v3 section 12.
"""

from __future__ import annotations

import base64
import hashlib
import string
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from django_wxpay.protocol.times import to_t14

_ALPHABET: Final = string.digits + string.ascii_letters


class Identifiers:
    """Makes identifiers from ``entropy``, a source of random bytes."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy

    def nonce(self) -> str:
        """Return a nonce_str of 32 characters."""
        return self._entropy(16).hex().upper()

    def bytes(self, count: int) -> bytes:
        """Return ``count`` random bytes."""
        return self._entropy(count)

    def happens(self, share: float) -> bool:
        """Say whether something happens that does so in this ``share`` of all cases, 0 to 1."""
        return int.from_bytes(self._entropy(8)) < share * 2**64

    def event_id(self) -> str:
        """Return the id of a v3 callback: a UUID."""
        return str(UUID(bytes=self._entropy(16), version=4))

    def seal_nonce(self) -> str:
        """Return the 12 characters of a nonce for AES-GCM."""
        return self._entropy(6).hex()

    def request_id(self, result: int) -> str:
        """Return a v3 ``Request-ID``; ``result`` is the internal number, 0 for success."""
        return f"08{self._entropy(16).hex().upper()}-{result}"

    def prepay_id(self, now: datetime) -> str:
        """Return ``wx``, 14 digits of Beijing time and 20 hexadecimal digits."""
        return f"wx{to_t14(now)}{self._entropy(10).hex()}"

    def code(self) -> str:
        """Return the seven characters after ``pr=`` in a code_url."""
        number = int.from_bytes(self._entropy(8))
        return "".join(_ALPHABET[number // 62**place % 62] for place in range(7))

    def payment_code(self) -> str:
        """Return the 18 digits of a payment code; its first two are 10 to 15."""
        number = int.from_bytes(self._entropy(8))
        return f"{10 + number % 6}{number // 6 % 10**16:016d}"

    def transaction_id(self, now: datetime) -> str:
        """Return 28 digits, the day among them."""
        number = int.from_bytes(self._entropy(8)) % 10**16
        digits = f"{number:016d}"
        return f"4200{digits[:6]}{to_t14(now)[:8]}{digits[6:]}"

    def refund_id(self, now: datetime) -> str:
        """Return 29 digits, the day among them."""
        number = int.from_bytes(self._entropy(8)) % 10**18
        return f"503{to_t14(now)[:8]}{number:018d}"


def openid_of(appid: str, *, customer: str = "customer") -> str:
    """Return the 28-character openid of one person under one appid: always the same."""
    digest = hashlib.sha256(f"{appid}:{customer}".encode()).digest()
    return "o" + base64.urlsafe_b64encode(digest).decode("ascii")[:27]
