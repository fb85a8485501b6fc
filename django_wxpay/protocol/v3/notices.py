"""Content of verified v3 notifications, and our answers (protocol-v3 section 6).

The signature over the bytes has been checked before anything here looks at them, so nothing
here refuses: what cannot be read becomes a ``Notice`` that says why. Repeats come with new
signatures and may come with new ciphertext, so a notification is recognised by what it says:
its ``fingerprint``.

Many products send to one address, some of them under ``TRANSACTION.SUCCESS``. The content
decides what an event is about, the names whether it is another product's (protocol-v3
section 6.2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from django_wxpay.protocol.errors import ConfigurationError, MalformedMessage, MessageTooLarge
from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.notices import OTHER, PAYMENT, REFUND, Doubt, Notice
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.documents import LARGEST_BODY, check_marks, read_with_marks
from django_wxpay.protocol.v3.encryption import TagMismatch, unseal
from django_wxpay.protocol.v3.reading import Members, child, optional_number
from django_wxpay.protocol.v3.refunds import refund_fact
from django_wxpay.protocol.v3.trades import trade_fact

SUCCESS_REPLY: Final = b'{"code": "SUCCESS", "message": "OK"}'

_SOURCE: Final = "v3.notice"
_PAID: Final = "TRANSACTION.SUCCESS"
_REFUND: Final = "REFUND."
# Twice what the sheet allows (protocol-v3 section 6.1), and what a row has room for.
_LONGEST_NAME: Final = 64
# Made once. What was parsed holds no cycle, and where it holds no JSON there are marks.
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, check_circular=False, default=str)
_ORIGINAL: Final = frozenset({"transaction", "refund"})
# One payment for several orders, which have numbers of their own in ``sub_orders``.
_COMBINED: Final = ("combine_out_trade_no", "combine_mchid", "sub_orders")


@dataclass(slots=True)
class _Letter:
    """A notification as far as it could be opened; ``trouble`` says what kept the rest shut."""

    plain: bytes
    envelope: Members = field(default_factory=dict)
    original_type: str = ""
    resource: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""


def read_notice(body: bytes, *, merchant: Merchant) -> Notice:
    """Return the notification in ``body``, whose signature holds; never raises for its content.

    Content that cannot be read is ``unreadable``, also where our APIv3 key does not open it,
    which behind a good signature is our own fault. Raises ``MessageTooLarge`` over 1 MiB alone.
    """
    if len(body) > LARGEST_BODY:
        raise MessageTooLarge(f"a notice is at most {LARGEST_BODY} bytes long")
    letter = _opened(body, merchant.api_v3_key)
    resource = letter.resource
    event_id = optional_number(letter.envelope, "id", longest=_LONGEST_NAME)
    event_type = optional_number(letter.envelope, "event_type", longest=_LONGEST_NAME)
    content = _kind_of(resource)
    product = "" if letter.trouble else _product(event_type, letter.original_type, resource)
    # A payment whose state and number are both missing is one by its name still.
    kind = content or (OTHER if product else _kind_by_name(event_type))
    fact, unreadable = (None, letter.trouble) if letter.trouble else _fact(kind, resource)
    incomplete = _incomplete(resource) if product else ""
    return Notice(
        api=Api.V3,
        fingerprint=_fingerprint(merchant.alias, _about(kind, product, event_id), letter, event_id),
        fact=fact,
        kind=kind,
        out_trade_no=fact.out_trade_no if fact else optional_number(resource, "out_trade_no"),
        transaction_id=fact.transaction_id if fact else optional_number(resource, "transaction_id"),
        event_id=event_id,
        event_type=event_type,
        product=product,
        resource=resource if product and not incomplete else {},
        # What it holds is another product's to understand, but it is handed on whole or not at all.
        unreadable="" if product else unreadable,
        incomplete=incomplete,
        doubt=_doubt(fact),
    )


def failure_reply(message: str) -> bytes:
    """Return the body after which WeChat Pay sends again; ``message`` is a constant of ours."""
    return json.dumps({"code": "FAIL", "message": message}).encode()


def _opened(body: bytes, api_v3_key: Secret) -> _Letter:
    letter = _Letter(plain=body)
    try:
        letter.envelope = read_with_marks(body)
        sealed = child(letter.envelope, "resource")
        letter.original_type = optional_number(sealed, "original_type", longest=_LONGEST_NAME)
        letter.plain = unseal(sealed, api_v3_key)
        letter.resource = read_with_marks(letter.plain)
    except TagMismatch:
        letter.trouble = "API_V3_KEY does not open it: it is another one, or was changed"
    except (ConfigurationError, MalformedMessage) as error:
        letter.trouble = str(error)
    return letter


def _kind_of(resource: Members) -> str:
    """Return the kind that the content is of, "" for neither; ``null`` is absence."""
    held = {name for name, value in resource.items() if value is not None}
    if held.intersection(_COMBINED):
        return ""
    # A refund names the order too, so the order's number comes last.
    if "trade_state" in held:
        return PAYMENT
    if held & {"refund_status", "out_refund_no"}:
        return REFUND
    return PAYMENT if "out_trade_no" in held else ""


def _kind_by_name(event_type: str) -> str:
    if event_type.startswith(_REFUND):
        return REFUND
    if event_type == _PAID:
        return PAYMENT
    return OTHER if event_type else ""


def _product(event_type: str, original_type: str, resource: Members) -> str:
    """Return the type of an event that is another product's, "" for one of payment or refund."""
    if any(resource.get(name) is not None for name in _COMBINED):
        return f"{event_type}, a combined order"
    if original_type and original_type.lower() not in _ORIGINAL:
        return f"{event_type} of {original_type}"
    if _kind_by_name(event_type) == OTHER:
        return event_type
    # original_type may be missing; then nothing but the content tells (protocol-v3 section 6.1).
    if not original_type and not _kind_of(resource):
        return f"{event_type} about no order"
    return ""


_READERS: Final[dict[str, Callable[..., TradeFact | RefundFact]]] = {
    PAYMENT: trade_fact,
    REFUND: refund_fact,
}


def _fact(kind: str, resource: Members) -> tuple[TradeFact | RefundFact | None, str]:
    """Return the fact, or None and why there is none."""
    read = _READERS.get(kind)
    if read is None:
        return None, "neither its names nor its content say what it is about"
    try:
        fact = read(resource, source=_SOURCE)
    except MalformedMessage as error:
        return None, str(error)
    return (fact, "") if fact.out_trade_no else (None, "out_trade_no is missing")


def _incomplete(resource: dict[str, Any]) -> str:
    try:
        check_marks(resource)
    except MalformedMessage as error:
        return str(error)
    return ""


def _about(kind: str, product: str, event_id: str) -> str:
    # A payment is a state, which is the same however often it is stated. What another product says
    # may be an occurrence: a customer answers a complaint twice, in the same words.
    return f"{kind} {product} {event_id}" if product else kind


def _doubt(fact: TradeFact | RefundFact | None) -> Doubt | None:
    # Required in a payment (protocol-v3 section 3.3): without it nothing says whose app was paid.
    return Doubt.NO_APPID if isinstance(fact, TradeFact) and not fact.appid else None


def _fingerprint(alias: str, about: str, letter: _Letter, event_id: str) -> str:
    """Return the same text for every repeat, and another one for whatever is judged otherwise."""
    if letter.resource:
        # Sealed again for a repeat it says the same, in whichever order of members.
        statement = _CANONICAL.encode(letter.resource)
    elif event_id:
        about, statement = "event", event_id
    else:
        about, statement = "content", hashlib.sha256(letter.plain).hexdigest()
    # The alias belongs to it: the same statement to another alias is about another order. No part
    # but the last can hold what separates them.
    return hashlib.sha256(f"v3\0{alias}\0{about}\0{statement}".encode()).hexdigest()
