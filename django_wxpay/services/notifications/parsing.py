"""How a call of notify_url becomes news, whichever protocol and kind it is.

Above this file nobody knows whether an XML or a JSON notice brought it. Verification comes
first, over the bytes as received; what fails it is a stranger's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django_wxpay.models.choices import NotificationKinds
from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge, NotAuthentic
from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.v2.notices import read_payment, read_refund
from django_wxpay.protocol.v3.notices import LARGEST_BODY, read_notice
from django_wxpay.protocol.v3.signing import is_fresh, is_signed_by, read_signature_headers
from django_wxpay.services import clock, gateways
from django_wxpay.services.notifications.responses import protocol_of

# What is kept of a v3 notice's headers: enough to verify its bytes again.
_KEPT: Final = frozenset(
    {
        "wechatpay-timestamp",
        "wechatpay-nonce",
        "wechatpay-serial",
        "wechatpay-signature",
        "wechatpay-signature-type",
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A verified notice; ``subject`` is None where it tells of nothing to settle.

    ``is_hint`` marks a refund that its protocol cannot prove.
    """

    api: Api
    fingerprint: str
    out_trade_no: str
    transaction_id: str
    event_id: str = ""
    event_type: str = ""
    subject: TradeFact | RefundFact | None
    is_hint: bool = False


def read(
    account: Merchant,
    kind: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    replayed: bool = False,
) -> News:
    """Return the news in one notification; a ``replayed`` one may be old.

    Raises ``MalformedMessage`` (``MessageTooLarge``), ``NotAuthentic``, and
    ``ConfigurationError`` or ``TagMismatch`` where our own v3 key is wrong. Sources:
    protocol-v2 section 7, protocol-v3 section 6.
    """
    if protocol_of(headers) is Api.V3:
        return _read_v3(account, headers, body, replayed=replayed)
    if not account.api_key:
        raise NotAuthentic("this merchant has no v2 key")
    if kind == NotificationKinds.REFUND:
        return _read_v2_refund(account, body)
    return _read_v2_payment(account, body)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a stored notification needs to be verified again."""
    return {name: value for name, value in headers.items() if name.lower() in _KEPT}


def _read_v2_payment(account: Merchant, body: bytes) -> News:
    notice = read_payment(body, merchant=account)
    return News(
        api=Api.V2,
        fingerprint=notice.fingerprint,
        out_trade_no=notice.fields.get("out_trade_no", ""),
        transaction_id=notice.fields.get("transaction_id", ""),
        subject=notice.fact,
    )


def _read_v2_refund(account: Merchant, body: bytes) -> News:
    notice = read_refund(body, merchant=account)
    return News(
        api=Api.V2,
        fingerprint=notice.fingerprint,
        out_trade_no=notice.fact.out_trade_no,
        transaction_id=notice.fact.transaction_id,
        subject=notice.fact,
        is_hint=True,
    )


def _read_v3(
    account: Merchant,
    headers: Mapping[str, str],
    body: bytes,
    *,
    replayed: bool,
) -> News:
    _verify_v3(account, headers, body, replayed=replayed)
    notice = read_notice(body, api_v3_key=account.api_v3_key)
    about = notice.fact or notice.refund
    if about is not None and not about.out_trade_no:
        raise MalformedMessage("a notice that names no order")
    # The same news to another alias is other news: orders belong to aliases.
    named = f"{account.alias}:{notice.fingerprint}"
    return News(
        api=Api.V3,
        fingerprint=hashlib.sha256(named.encode()).hexdigest(),
        out_trade_no=about.out_trade_no if about else "",
        transaction_id=about.transaction_id if about else "",
        event_id=notice.id,
        event_type=notice.event_type,
        subject=about,
    )


def _verify_v3(
    account: Merchant,
    headers: Mapping[str, str],
    body: bytes,
    *,
    replayed: bool,
) -> None:
    # Before anything else, so that what is too large is said to be that and not forged.
    if len(body) > LARGEST_BODY:
        raise MessageTooLarge(f"a notice is at most {LARGEST_BODY} bytes long")
    if not account.api_v3_key:
        raise NotAuthentic("this merchant has no APIv3 key")
    signature = read_signature_headers(headers)
    if signature is None:
        raise NotAuthentic("the signature headers are missing or not ours to check")
    if not replayed and not is_fresh(signature.timestamp, int(clock.now().timestamp())):
        raise NotAuthentic("the timestamp is not of this time")
    key = gateways.platform_key(account.alias, signature.serial)
    if key is None or not is_signed_by(signature, body, public_key=key):
        raise NotAuthentic("the signature is wrong, or its key is not WeChat Pay's")
