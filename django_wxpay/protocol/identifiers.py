"""How numbers and nonces of ours are made, from a clock and entropy that are passed in."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django_wxpay.protocol.times import to_t14

ENTROPY_BYTES: Final = 16

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH: Final = 18


def new_out_trade_no(now: datetime, entropy: bytes) -> str:
    """Return 32 characters: 14 Beijing digits, so that numbers sort by time, and 18 random ones.

    ``now`` is aware, ``entropy`` at least 16 random bytes. 18 characters hold 107 bits, so
    no rate of orders within one second brings two numbers together (protocol-v2 section 3.2).
    """
    number = int.from_bytes(_enough(entropy), "big")
    random = ""
    for _ in range(_RANDOM_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        random += _DIGITS[digit]
    return to_t14(now) + random


def new_nonce(entropy: bytes) -> str:
    """Return a ``nonce_str`` of 32 letters and digits from at least 16 random bytes."""
    return _enough(entropy).hex()


def _enough(entropy: bytes) -> bytes:
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"{ENTROPY_BYTES} random bytes are needed")
    return entropy[:ENTROPY_BYTES]
