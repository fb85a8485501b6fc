"""Which payment notices are believed, and what we answer (protocol-v2 sections 7.1 and 7.2).

Anyone can post to a notify_url. A notice is authentic once it is signed under our key over
every field it holds. Whether its mch_id, appid and money are those of its order is judged
above this room, because a difference there is a conflict to keep and show, not a stranger's.

What a v2 refund notice tells, which is a hint and not yet a fact (protocol-v2 section 7.4).

It carries no signature: it is ours because our key opens it, and whoever has seen one can
reorder its blocks. So it may say that a refund exists; how the refund stands has to be
asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage, NotAuthentic
from django_wxpay.protocol.facts import RefundFact, RefundStatus, TradeFact, TradeState
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v2.encryption import decrypt_req_info
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


_STATUSES: Final = {
    "SUCCESS": RefundStatus.SUCCESS,
    "CHANGE": RefundStatus.ABNORMAL,
    "REFUNDCLOSE": RefundStatus.CLOSED,
    "PROCESSING": RefundStatus.PROCESSING,
}
_AMOUNT: Final = re.compile("[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class RefundNotice:
    """A notice that our key opened. ``fields`` hold personal data and stay out of the repr."""

    fact: RefundFact
    fields: dict[str, str] = field(repr=False)
    fingerprint: str


def read_refund(body: bytes, *, merchant: Merchant) -> RefundNotice:
    """Return the refund notice in ``body``, posted to the refund URL of ``merchant``.

    Raises ``MalformedMessage`` (``MessageTooLarge``) for what is no readable notice and
    ``NotAuthentic`` for one that our key does not open or that is about another mch_id.
    """
    outer = decode_xml(body)
    if outer.get("return_code") != "SUCCESS" or not outer.get("req_info"):
        raise MalformedMessage("a refund notice without req_info says nothing")
    try:
        inner = decrypt_req_info(outer["req_info"], merchant.api_key)
    except MalformedMessage:
        raise NotAuthentic("req_info does not open with this merchant's API key") from None
    # The number outside is not under the seal; it must at least not contradict whose key it is.
    if outer.get("mch_id") != merchant.mch_id:
        raise NotAuthentic("the notice is for another mch_id")
    return RefundNotice(
        fact=_refund_fact(inner, outer),
        fields=inner,
        fingerprint=_refund_fingerprint(inner, alias=merchant.alias),
    )


def _refund_fact(inner: Mapping[str, str], outer: Mapping[str, str]) -> RefundFact:
    status = _STATUSES.get(inner.get("refund_status", ""))
    if status is None:
        raise MalformedMessage("there is no refund_status that we know")
    fact = RefundFact(
        source="v2.refund-notice",
        mch_id=outer.get("mch_id", ""),
        sub_mch_id=outer.get("sub_mch_id", ""),
        out_trade_no=inner.get("out_trade_no", ""),
        transaction_id=inner.get("transaction_id", ""),
        out_refund_no=inner.get("out_refund_no", ""),
        refund_id=inner.get("refund_id", ""),
        refund_status=status,
        refund_fee=_amount(inner, "refund_fee"),
        total_fee=_amount(inner, "total_fee"),
        success_time=_moment(inner.get("success_time", "")),
        user_received_account=inner.get("refund_recv_accout", ""),
    )
    if not fact.out_refund_no or not fact.out_trade_no:
        raise MalformedMessage("a refund without its numbers")
    return fact


def _amount(fields: Mapping[str, str], name: str) -> int:
    text = fields.get(name, "")
    if not _AMOUNT.fullmatch(text) or not 0 < int(text) <= LARGEST:
        raise MalformedMessage(f"{name} is not an amount")
    return int(text)


def _moment(text: str) -> datetime | None:
    """Read ``yyyy-MM-dd HH:mm:ss`` of Beijing; it is empty unless the refund succeeded."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    except ValueError:
        raise MalformedMessage("success_time is not a time") from None


def _refund_fingerprint(inner: Mapping[str, str], *, alias: str) -> str:
    said = sorted((name, value) for name, value in inner.items() if value)
    return hashlib.sha256(json.dumps([alias, "refund", said]).encode()).hexdigest()
