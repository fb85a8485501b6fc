"""One authentic notification of WeChat Pay's, whichever protocol sent it, read or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.merchants import Api

PAYMENT: Final = "payment"
REFUND: Final = "refund"
OTHER: Final = "other"


class Doubt(StrEnum):
    """Why a fact is not proven although its notification is authentic."""

    CAN_BE_CUT = "CAN_BE_CUT"
    NO_APPID = "NO_APPID"
    IS_AN_ANSWER = "IS_AN_ANSWER"
    UNSIGNED = "UNSIGNED"
    OTHER_ATTACH = "OTHER_ATTACH"
    OTHER_TRADE_TYPE = "OTHER_TRADE_TYPE"
    BY_CODE = "BY_CODE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notification that is WeChat Pay's, read as far as it can be.

    ``fingerprint`` is the same for every delivery of the same statement to the same alias.
    ``kind`` is ``PAYMENT`` or ``REFUND`` by what the document says, ``OTHER`` for an event of
    another product, "" where it says nothing.
    ``fact`` is None where there is nothing to apply: a payment that failed, the event of another
    product, or content that cannot be read. ``unreadable`` then says why, and names the member;
    it repeats nothing of what was sent. The numbers are "" unless they are whole.

    ``product`` names the type of an event that is another product's by its name. A fact that it
    holds all the same is for an order that is known, and for no other. ``resource`` is what such
    an event says, as plain values of JSON, {} of a payment or refund; it is not in the repr.
    ``incomplete`` says why not all of it can be read: then it is not handed on, and a fact counts.

    ``doubt`` says why the fact is not proven although the notification is authentic, None where it
    is. A fact in doubt moves nothing by itself: it may make a refund known, or have the order
    asked for.
    """

    api: Api
    fingerprint: str
    fact: TradeFact | RefundFact | None
    kind: str = ""
    out_trade_no: str = ""
    transaction_id: str = ""
    event_id: str = ""
    event_type: str = ""
    product: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict, repr=False)
    unreadable: str = ""
    incomplete: str = ""
    doubt: Doubt | None = None
