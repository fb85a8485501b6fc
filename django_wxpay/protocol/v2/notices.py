"""Authenticity and content of v2 notifications (protocol-v2 sections 7.1, 7.2 and 7.4).

Anyone can post to a notify_url. A payment is authentic once it is signed under our key over
every field it holds. A refund is not signed: our key opens it, so it may say that a refund
exists, and proves nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage, NotAuthentic
from django_wxpay.protocol.facts import RefundFact, RefundStatus, TradeFact, TradeState
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.notices import Notice
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v2.encryption import decrypt_req_info
from django_wxpay.protocol.v2.signing import verify
from django_wxpay.protocol.v2.trades import read_trade
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

ACKNOWLEDGED: Final = (
    b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
    b"<return_msg><![CDATA[OK]]></return_msg></xml>"
)

# What a repetition of the same notification may change.
_PER_DELIVERY: Final = frozenset({"sign", "sign_type", "nonce_str"})

_STATUSES: Final = {
    "SUCCESS": RefundStatus.SUCCESS,
    "CHANGE": RefundStatus.ABNORMAL,
    "REFUNDCLOSE": RefundStatus.CLOSED,
    "PROCESSING": RefundStatus.PROCESSING,
}
_AMOUNT: Final = re.compile("[0-9]{1,10}")


def read_payment(body: bytes, *, merchant: Merchant) -> Notice:
    """Return the payment notification in ``body``, posted to the notify_url of ``merchant``.

    Its fact is None where the payment failed (result_code FAIL). Raises ``MalformedMessage``
    (``MessageTooLarge``) for what cannot be read and ``NotAuthentic`` for what this merchant's
    API key has not signed.
    """
    fields = decode_xml(body)
    if fields.get("return_code") == "FAIL":
        # It carries no signature, so nothing in it is data (protocol-v2 section 7.1).
        raise MalformedMessage("a notice whose return_code is FAIL says nothing")
    if not verify(fields, merchant.api_key):
        raise NotAuthentic("the notice's signature is missing or wrong")
    # Whether mch_id, appid and money are the order's is not decided here: a difference there is
    # a conflict to keep and show, and no forgery.
    content = sorted((k, v) for k, v in fields.items() if v and k not in _PER_DELIVERY)
    return Notice(
        api=Api.V2,
        fingerprint=_fingerprint(merchant.alias, "payment", content),
        fact=_trade_fact(fields),
        out_trade_no=fields.get("out_trade_no", ""),
        transaction_id=fields.get("transaction_id", ""),
    )


def read_refund(body: bytes, *, merchant: Merchant) -> Notice:
    """Return the refund notification in ``body``, posted to the refund URL of ``merchant``.

    It is not proven. Raises ``MalformedMessage`` (``MessageTooLarge``) for what cannot be read
    and ``NotAuthentic`` for one that our key does not open or that is about another mch_id.
    """
    outer = decode_xml(body)
    if outer.get("return_code") != "SUCCESS" or not outer.get("req_info"):
        raise MalformedMessage("a refund notice without req_info says nothing")
    try:
        inner = decrypt_req_info(outer["req_info"], merchant.api_key)
    except MalformedMessage:
        raise NotAuthentic("req_info does not open with this merchant's API key") from None
    # The number outside is not encrypted; it must at least not contradict whose key it is.
    if outer.get("mch_id") != merchant.mch_id:
        raise NotAuthentic("the notice is for another mch_id")
    fact = _refund_fact(inner, outer)
    content = sorted((name, value) for name, value in inner.items() if value)
    return Notice(
        api=Api.V2,
        fingerprint=_fingerprint(merchant.alias, "refund", content),
        fact=fact,
        out_trade_no=fact.out_trade_no,
        transaction_id=fact.transaction_id,
        # ECB without a MAC: whoever has seen one can reorder its blocks (protocol-v2 section 7.4).
        is_proven=False,
    )


def refusal(reason: str) -> bytes:
    """Return the answer after which WeChat Pay sends again; ``reason`` is a constant."""
    return encode_xml({"return_code": "FAIL", "return_msg": reason})


def _trade_fact(fields: Mapping[str, str]) -> TradeFact | None:
    code = fields.get("result_code")
    if fields.get("return_code") != "SUCCESS" or code not in {"SUCCESS", "FAIL"}:
        raise MalformedMessage("the notice's codes are neither SUCCESS nor FAIL")
    if code == "FAIL":
        return None
    return read_trade(fields, source="v2.notice", state=TradeState.SUCCESS)


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


def _fingerprint(alias: str, kind: str, content: list[tuple[str, str]]) -> str:
    # The alias belongs to it: the same statement to another alias is about another order.
    return hashlib.sha256(json.dumps([alias, kind, content]).encode()).hexdigest()
