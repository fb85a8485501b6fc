"""Content of verified v3 notifications, and our answers (protocol-v3 section 6).

The signature over the bytes has been checked before anything here looks at them. Repeats
come with new signatures and may come with new ciphertext, so a notification is recognised by
what it says: its ``fingerprint``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.notices import Notice
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.encryption import decrypt_resource
from django_wxpay.protocol.v3.reading import inner, text
from django_wxpay.protocol.v3.refunds import refund_fact
from django_wxpay.protocol.v3.trades import trade_fact

SUCCESS_REPLY: Final = b'{"code": "SUCCESS", "message": "OK"}'

_PAID: Final = "TRANSACTION.SUCCESS"
_REFUND: Final = "REFUND."


def read_notice(body: bytes, *, merchant: Merchant) -> Notice:
    """Return the notification in ``body``; the event of another product has no fact.

    Raises ``MalformedMessage`` (``MessageTooLarge`` over 1 MiB) for what cannot be read,
    ``TagMismatch`` if the APIv3 key does not open it, which behind a good signature is our own
    fault, and ``ConfigurationError`` for a key that is not 32 bytes.
    """
    envelope = read_object(body)
    event_id, event_type = text(envelope, "id"), text(envelope, "event_type")
    if not event_id or not event_type:
        raise MalformedMessage("a notice without id or event_type")
    resource = decrypt_resource(inner(envelope, "resource"), merchant.api_v3_key)
    fact: TradeFact | RefundFact | None = None
    if event_type == _PAID:
        fact = trade_fact(resource, source="v3.notice")
    elif event_type.startswith(_REFUND):
        fact = refund_fact(resource, source="v3.notice")
    if fact is not None and not fact.out_trade_no:
        raise MalformedMessage("a notice that names no order")
    return Notice(
        api=Api.V3,
        fingerprint=_fingerprint(merchant.alias, fact, event_id),
        fact=fact,
        out_trade_no=fact.out_trade_no if fact else "",
        transaction_id=fact.transaction_id if fact else "",
        event_id=event_id,
        event_type=event_type,
    )


def failure_reply(message: str) -> bytes:
    """Return the body after which WeChat Pay sends again; ``message`` is a constant of ours."""
    return json.dumps({"code": "FAIL", "message": message}).encode()


def _fingerprint(alias: str, fact: TradeFact | RefundFact | None, event_id: str) -> str:
    key = ["v3", "event", event_id]
    if isinstance(fact, RefundFact):
        key = ["v3", "refund", fact.mch_id, fact.refund_id, fact.refund_status]
    elif fact is not None and fact.transaction_id:
        key = ["v3", "payment", fact.mch_id, fact.transaction_id, fact.trade_state]
    content = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    # The alias belongs to it: the same statement to another alias is about another order.
    return hashlib.sha256(f"{alias}:{content}".encode()).hexdigest()
