"""What a verified callback of APIv3 says, and what we answer (protocol-v3 section 6).

The signature over the octets has been checked before anything here looks at them. Repeats
come with new signatures and may come with new ciphertext, so a notice is known again by
what it says: its ``fingerprint``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.v3.documents import LARGEST_BODY, read_object
from django_wxpay.protocol.v3.encryption import decrypt_resource
from django_wxpay.protocol.v3.reading import Members, child, moment, text
from django_wxpay.protocol.v3.refunds import refund_fact
from django_wxpay.protocol.v3.trades import trade_fact

__all__ = ["LARGEST_BODY", "SUCCESS_REPLY", "V3Notice", "failure_reply", "read_notice"]

SUCCESS_REPLY: Final = b'{"code": "SUCCESS", "message": "OK"}'

_PAID: Final = "TRANSACTION.SUCCESS"
_REFUND: Final = "REFUND."


@dataclass(frozen=True, slots=True, kw_only=True)
class V3Notice:
    """A callback, opened. Events of other products have neither ``fact`` nor ``refund``.

    ``id`` names the envelope, ``fingerprint`` is the same for every repetition of the same
    news. ``resource`` holds personal data and stays out of the repr.
    """

    id: str
    event_type: str
    create_time: datetime | None
    resource: dict[str, Any] = field(repr=False)
    fact: TradeFact | None = None
    refund: RefundFact | None = None
    fingerprint: str


def read_notice(body: bytes, *, api_v3_key: str) -> V3Notice:
    """Return the notice in ``body``.

    Raises ``MalformedMessage`` (``MessageTooLarge`` over 1 MiB) for what is no notice,
    ``TagMismatch`` if ``api_v3_key`` does not open it, which behind a good signature is our
    own trouble, and ``ConfigurationError`` for a key that is not 32 bytes.
    """
    envelope = read_object(body)
    identity, event_type = text(envelope, "id"), text(envelope, "event_type")
    if not identity or not event_type:
        raise MalformedMessage("a notice without id or event_type")
    resource = decrypt_resource(child(envelope, "resource"), api_v3_key)
    fact = trade_fact(resource, source="v3.notice") if event_type == _PAID else None
    refund = None
    if event_type.startswith(_REFUND):
        refund = refund_fact(resource, source="v3.notice")
    return V3Notice(
        id=identity,
        event_type=event_type,
        create_time=_when(envelope),
        resource=resource,
        fact=fact,
        refund=refund,
        fingerprint=_fingerprint(fact, refund, identity),
    )


def failure_reply(message: str) -> bytes:
    """Return the body that asks for the notice again; ``message`` is a constant of ours."""
    return json.dumps({"code": "FAIL", "message": message}).encode()


def _when(envelope: Members) -> datetime | None:
    # Nothing hangs on it, so nothing may fail for it.
    try:
        return moment(envelope, "create_time")
    except MalformedMessage:
        return None


def _fingerprint(fact: TradeFact | None, refund: RefundFact | None, identity: str) -> str:
    key = ["v3", "event", identity]
    if fact is not None and fact.transaction_id:
        key = ["v3", "payment", fact.mch_id, fact.transaction_id, fact.trade_state]
    elif refund is not None:
        key = ["v3", "refund", refund.mch_id, refund.refund_id, refund.refund_status]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()
