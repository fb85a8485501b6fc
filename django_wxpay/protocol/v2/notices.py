"""Authenticity and content of v2 notifications (protocol-v2 sections 7.1, 7.2 and 7.4).

Anyone can post to a notify_url. A payment is authentic once it is signed under our key over
every field it holds. A refund is not signed: our key opens it, so it may say that a refund
exists, and proves nothing. From there on nothing is refused: what cannot be read becomes a
``Notice`` that says why.

Authentic is not proven. The signed string joins names and values with ``&`` and ``=`` and
escapes neither, so one signature fits every document that joins to the same string, and the
same key signs the answers to our calls. Such a payment is a ``Notice`` in doubt.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage, NotAuthentic
from django_wxpay.protocol.facts import RefundFact, RefundStatus, TradeFact, TradeState
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.notices import OTHER, PAYMENT, REFUND, Doubt, Notice
from django_wxpay.protocol.v2.encryption import unseal
from django_wxpay.protocol.v2.refunds import LONGEST_REFUND_NUMBER, STATUSES, read_moment
from django_wxpay.protocol.v2.signing import verify
from django_wxpay.protocol.v2.trades import read_amount, read_number, read_trade
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

ACKNOWLEDGED: Final = (
    b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
    b"<return_msg><![CDATA[OK]]></return_msg></xml>"
)

# What a repetition of the same notification may change.
_PER_DELIVERY: Final = frozenset({"sign", "sign_type", "nonce_str"})

_OF_A_PAYMENT: Final = ("out_trade_no", "transaction_id", "total_fee")
# Without a number it is a payment still, of which no order is known.
_LIKE_A_PAYMENT: Final = ("cash_fee", "bank_type", "time_end", "trade_type", "trade_state")
# The beginning of the document that a refund notice seals.
_OPENED: Final = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|root|xml)\b")
# Where a value could be cut into fields. A document without such a place is the only one that its
# signature fits, but for fields that WeChat Pay left out.
_CUT: Final = re.compile(r"&[A-Za-z_][A-Za-z0-9_.-]*=", re.ASCII)
_UNCUT_PER_DELIVERY: Final = ("nonce_str=", "sign_type=")
# v2 has no types of events. These are in the form of v3's (protocol-v2 section 7.5).
_CONTRACT: Final = "CONTRACT"
_CONTRACT_EVENTS: Final = {"ADD": "CONTRACT.ADD", "DELETE": "CONTRACT.DELETE"}
# What answers to other calls hold and a payment's notification does not (protocol-v2 sections
# 3.6 and 6).
_OF_AN_ANSWER: Final = ("prepay_id", "code_url", "mweb_url", "recall")
_OF_A_REFUND: Final = ("refund_", "out_refund_")


def read_notice(body: bytes, *, merchant: Merchant) -> Notice:
    """Return the notification in ``body``, posted to an address of ``merchant``.

    What it is about it says itself, whichever address it came to. Raises ``MalformedMessage``
    (``MessageTooLarge``) for what is no document of v2, and ``NotAuthentic`` for what this
    merchant's API key has not signed or does not open, or what is about another mch_id.
    """
    fields = decode_xml(body)
    # A payment names its order in the open, a refund inside req_info (protocol-v2 section 7.4).
    if fields.get("req_info") and not fields.get("out_trade_no"):
        return _refund(fields, merchant)
    return _payment(fields, merchant)


def refusal(reason: str) -> bytes:
    """Return the answer after which WeChat Pay sends again; ``reason`` is a constant."""
    return encode_xml({"return_code": "FAIL", "return_msg": reason})


def _payment(fields: Mapping[str, str], merchant: Merchant) -> Notice:
    if not verify(fields, merchant.api_key):
        cause = "WRONG" if fields.get("sign") else "UNSIGNED"
        raise NotAuthentic("the notice's signature is missing or wrong", cause=cause)
    if product := _product(fields):
        return _of_another(product, fields, merchant)
    # Whether mch_id, appid and money are the order's is not decided here: a difference there is
    # a conflict to keep and show, and no forgery.
    fact, unreadable = None, ""
    try:
        fact = _trade_fact(fields)
    except MalformedMessage as error:
        unreadable = str(error)
    return Notice(
        api=Api.V2,
        fingerprint=_fingerprint(merchant.alias, PAYMENT, _content(fields)),
        fact=fact,
        kind=PAYMENT,
        out_trade_no=_whole(fields, "out_trade_no"),
        transaction_id=_whole(fields, "transaction_id"),
        unreadable=unreadable,
        doubt=_doubt(fields),
    )


def _product(fields: Mapping[str, str]) -> str:
    """Return the event that a signed document is of if it is no payment's, "" if it is."""
    if any(map(fields.get, _OF_A_PAYMENT)):
        return ""
    if fields.get("contract_id"):
        # That a customer has signed or ended a contract comes in the same form as a payment.
        return "a contract"
    like = any(map(fields.get, (*_LIKE_A_PAYMENT, *_OF_AN_ANSWER)))
    of_a_refund = any(value and name.startswith(_OF_A_REFUND) for name, value in fields.items())
    return "" if like or of_a_refund else "an event about no order"


def _of_another(product: str, fields: Mapping[str, str], merchant: Merchant) -> Notice:
    change = fields.get("change_type", "")
    event_type = _CONTRACT_EVENTS.get(change, _CONTRACT) if fields.get("contract_id") else ""
    return Notice(
        api=Api.V2,
        fingerprint=_fingerprint(merchant.alias, PAYMENT, _content(fields)),
        fact=None,
        kind=OTHER,
        event_type=event_type,
        product=product,
        resource={name: value for name, value in fields.items() if name not in _PER_DELIVERY},
        doubt=Doubt.CAN_BE_CUT if _can_be_cut(fields.values()) else None,
    )


def _doubt(fields: Mapping[str, str]) -> Doubt | None:
    if _can_be_cut(fields.values()):
        return Doubt.CAN_BE_CUT
    if not fields.get("appid"):
        return Doubt.NO_APPID
    # The answer to an orderquery; a notification of a payment has none (protocol-v2 section 7.2).
    return Doubt.IS_AN_ANSWER if fields.get("trade_state") else None


def _content(fields: Mapping[str, str]) -> list[str]:
    """Return what tells this statement from others, in an order of its own."""
    content = [
        f"{name}={value}"
        for name in sorted(fields)
        if (value := fields[name]) and name not in _PER_DELIVERY
    ]
    if not _can_be_cut(content):
        return content
    # However it is cut, it joins to one string; else one signature could make rows without end.
    pieces = "&".join(content).split("&")
    kept = sorted(each for each in pieces if not each.startswith(_UNCUT_PER_DELIVERY))
    return ["pieces=" + "&".join(kept), "out_trade_no=" + _whole(fields, "out_trade_no")]


def _can_be_cut(texts: Iterable[str]) -> bool:
    # A text of XML holds no NUL, so nothing is found that reaches from one into the next.
    return _CUT.search("\0".join(texts)) is not None


def _refund(outer: Mapping[str, str], merchant: Merchant) -> Notice:
    try:
        document = unseal(outer["req_info"], merchant.api_key)
    except MalformedMessage:
        document = b""
    # Padding alone fits a wrong key once in 256 times; the beginning of a document does not.
    if not _OPENED.match(document):
        raise NotAuthentic(
            "req_info does not open with this merchant's API key", cause="NOT_OPENED"
        )
    # The number outside is not encrypted; it must at least not contradict whose key it is.
    if outer.get("mch_id") != merchant.mch_id:
        raise NotAuthentic("the notice is for another mch_id", cause="OTHER_MERCHANT")
    inner: Mapping[str, str] = {}
    fact, unreadable = None, ""
    try:
        inner = decode_xml(document, root="root")
        fact = _refund_fact(inner, outer)
    except MalformedMessage as error:
        unreadable = str(error)
    # Blocks of two notices, put together, open as well. So a hint is known again by what it can
    # say at all, and all that cannot be read are one.
    identity = ["unreadable="]
    if fact is not None:
        identity = [
            f"out_trade_no={fact.out_trade_no}",
            f"out_refund_no={fact.out_refund_no}",
            f"refund_status={fact.refund_status.value}",
        ]
    return Notice(
        api=Api.V2,
        fingerprint=_fingerprint(merchant.alias, REFUND, identity),
        fact=fact,
        kind=REFUND,
        out_trade_no=_whole(inner, "out_trade_no"),
        transaction_id=_whole(inner, "transaction_id"),
        unreadable=unreadable,
        # ECB without a MAC: whoever has seen one can reorder its blocks (protocol-v2 section 7.4).
        doubt=Doubt.UNSIGNED,
    )


def _trade_fact(fields: Mapping[str, str]) -> TradeFact | None:
    code = fields.get("result_code")
    if fields.get("return_code") != "SUCCESS" or code not in {"SUCCESS", "FAIL"}:
        raise MalformedMessage("return_code and result_code are neither SUCCESS nor FAIL")
    if code == "FAIL":
        return None
    refunds = [value for name, value in fields.items() if name.startswith(_OF_A_REFUND)]
    if any(refunds) or any(map(fields.get, _OF_AN_ANSWER)):
        raise MalformedMessage("it holds what only the answer to another call does")
    # A deduction under a contract states it besides; money has arrived if both say so.
    if (fields.get("trade_state") or "SUCCESS") != "SUCCESS":
        raise MalformedMessage("result_code is SUCCESS and trade_state is not")
    return read_trade(fields, source="v2.notice", state=TradeState.SUCCESS)


def _refund_fact(inner: Mapping[str, str], outer: Mapping[str, str]) -> RefundFact:
    # A hint: the amount and the numbers are kept, or held against the order. Its status and its
    # time are not believed, so in any form they do not stand in its way.
    refund_fee = read_amount(inner, "refund_fee")
    if not refund_fee:
        raise MalformedMessage("a refund without refund_fee")
    fact = RefundFact(
        source="v2.refund-notice",
        mch_id=outer.get("mch_id", ""),
        sub_mch_id=outer.get("sub_mch_id", ""),
        out_trade_no=read_number(inner, "out_trade_no"),
        transaction_id=read_number(inner, "transaction_id"),
        out_refund_no=read_number(inner, "out_refund_no", longest=LONGEST_REFUND_NUMBER),
        refund_id=read_number(inner, "refund_id"),
        refund_status=STATUSES.get(inner.get("refund_status", ""), RefundStatus.PROCESSING),
        refund_fee=refund_fee,
        total_fee=read_amount(inner, "total_fee") or None,
        success_time=read_moment(inner, "success_time"),
        user_received_account=inner.get("refund_recv_accout", ""),
    )
    if not fact.out_refund_no or not fact.out_trade_no:
        raise MalformedMessage("a refund without out_refund_no or out_trade_no")
    return fact


def _whole(fields: Mapping[str, str], name: str) -> str:
    try:
        return read_number(fields, name)
    except MalformedMessage:
        return ""


def _fingerprint(alias: str, kind: str, content: list[str]) -> str:
    # The alias belongs to it: the same statement to another alias is about another order. None of
    # these texts holds a NUL, and no name a "=", so that no two statements become one string.
    return hashlib.sha256("\0".join([alias, kind, *content]).encode()).hexdigest()
