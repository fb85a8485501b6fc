"""An order's parameters, its references, and the numbers and nonces that we make.

The names are unifiedorder's (protocol-v2 section 3.1); APIv3 maps them at its edge. Every call
about an order is built from its ``OrderTerms``, which never change and do not depend on the
protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from django_wxpay.protocol.times import to_t14

# Not part of "the same order again": the payer's address may differ from request to request,
# and notify_url is ours, not the caller's (protocol-v2 section 3.8).
_CIRCUMSTANCE = frozenset({"spbill_create_ip", "time_start", "notify_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """Every business parameter of unifiedorder; "" and None mean absent.

    ``total_fee`` is in minor units of ``fee_type``. ``detail`` and ``scene_info`` are JSON
    text, byte for byte as they go on the wire. Times are aware.
    """

    appid: str
    mch_id: str
    sub_appid: str = ""
    sub_mch_id: str = ""
    trade_type: str
    body: str
    out_trade_no: str
    total_fee: int
    fee_type: str = "CNY"
    spbill_create_ip: str = ""
    notify_url: str = ""
    device_info: str = ""
    version: str = ""
    detail: str = ""
    attach: str = ""
    time_start: datetime | None = None
    time_expire: datetime | None = None
    goods_tag: str = ""
    product_id: str = ""
    limit_pay: str = ""
    openid: str = ""
    sub_openid: str = ""
    receipt: str = ""
    profit_sharing: str = ""
    scene_info: str = ""
    fingerprint: str = ""
    user_type: str = ""
    user_creid: str = field(default="", repr=False)
    user_truename: str = field(default="", repr=False)

    def differences(self, other: OrderTerms) -> tuple[str, ...]:
        """Return the names in which ``other`` is not the same order again."""
        return tuple(name for name in _compared() if getattr(self, name) != getattr(other, name))


def _compared() -> tuple[str, ...]:
    return tuple(f.name for f in fields(OrderTerms) if f.name not in _CIRCUMSTANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRef:
    """The identity and the numbers of one order; ``transaction_id`` wins where both are sent."""

    appid: str
    mch_id: str
    out_trade_no: str
    sub_appid: str = ""
    sub_mch_id: str = ""
    transaction_id: str = ""
    version: str = ""


ENTROPY_BYTES: Final = 16

# Read out over a phone and typed again: one case, without 0 and O, 1, I and L, and without vowels,
# so that no number spells a word.
_ALPHABET: Final = "23456789BCDFGHJKMNPQRSTVWXYZ"
_RANDOM_LENGTH: Final = 18


def new_out_trade_no(now: datetime, entropy: bytes) -> str:
    """Return 32 characters: 14 Beijing digits, so that numbers sort by time, and 18 random ones.

    ``now`` is aware, ``entropy`` at least 16 random bytes. 18 characters hold 86 bits: a million
    orders within one second share a number once in 10^14 such seconds (protocol-v2 section 3.2).
    """
    number = int.from_bytes(_enough(entropy), "big")
    random = ""
    for _ in range(_RANDOM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        random += _ALPHABET[digit]
    return to_t14(now) + random


def new_nonce(entropy: bytes) -> str:
    """Return a ``nonce_str`` of 32 letters and digits from at least 16 random bytes."""
    return _enough(entropy).hex()


def _enough(entropy: bytes) -> bytes:
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"{ENTROPY_BYTES} random bytes are needed")
    return entropy[:ENTROPY_BYTES]
