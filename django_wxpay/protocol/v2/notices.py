"""Which payment notices are believed, and what we answer (protocol-v2 sections 7.1 and 7.2).

Anyone can post to a notify_url. A notice is authentic once it is signed under our key over
every field it holds. Whether its mch_id, appid and money are those of its order is judged
above this room, because a difference there is a conflict to keep and show, not a stranger's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage, NotAuthentic
from django_wxpay.protocol.facts import TradeFact, TradeState
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v2.signing import verify
from django_wxpay.protocol.v2.trades import read_trade
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

ACKNOWLEDGED: Final = (
    b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
    b"<return_msg><![CDATA[OK]]></return_msg></xml>"
)

# What a repetition of the same notice may change.
_PER_DELIVERY: Final = frozenset({"sign", "sign_type", "nonce_str"})


@dataclass(frozen=True, slots=True)
class PaymentNotice:
    """A believed notice. ``fact`` is None where it tells of no success (result_code FAIL).

    ``fingerprint`` is the same for every repetition of the notice. ``fields`` hold personal
    data and stay out of the repr.
    """

    fact: TradeFact | None
    fields: dict[str, str] = field(repr=False)
    fingerprint: str


def read_payment(body: bytes, *, merchant: Merchant) -> PaymentNotice:
    """Return the payment notice in ``body``, posted to the notify_url of ``merchant``.

    Raises ``MalformedMessage`` (``MessageTooLarge``) for what is no readable notice and
    ``NotAuthentic`` for what this merchant's API key has not signed.
    """
    fields = decode_xml(body)
    if fields.get("return_code") == "FAIL":
        raise MalformedMessage("a notice whose return_code is FAIL says nothing")
    if not verify(fields, merchant.api_key):
        raise NotAuthentic("the notice's signature is missing or wrong")
    return PaymentNotice(
        fact=_fact(fields),
        fields=fields,
        fingerprint=_fingerprint(fields, alias=merchant.alias),
    )


def refusal(reason: str) -> bytes:
    """Return the answer that asks WeChat Pay to send the notice again; ``reason`` is a constant."""
    return encode_xml({"return_code": "FAIL", "return_msg": reason})


def _fact(fields: Mapping[str, str]) -> TradeFact | None:
    code = fields.get("result_code")
    if fields.get("return_code") != "SUCCESS" or code not in {"SUCCESS", "FAIL"}:
        raise MalformedMessage("the notice's codes are neither SUCCESS nor FAIL")
    if code == "FAIL":
        return None
    return read_trade(fields, source="v2.notice", state=TradeState.SUCCESS)


def _fingerprint(fields: Mapping[str, str], *, alias: str) -> str:
    said = sorted((k, v) for k, v in fields.items() if v and k not in _PER_DELIVERY)
    return hashlib.sha256(json.dumps([alias, "payment", said]).encode()).hexdigest()
