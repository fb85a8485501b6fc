"""One notification of WeChat Pay's, whichever protocol sent it and whatever it is about."""

from __future__ import annotations

from dataclasses import dataclass

from django_wxpay.protocol.facts import RefundFact, TradeFact
from django_wxpay.protocol.merchants import Api


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notification that was verified and read.

    ``fingerprint`` is the same for every delivery of the same statement to the same alias.
    ``fact`` is None where there is nothing to apply: a payment that failed, or an event of
    another product. ``is_proven`` says whether the protocol proves the fact; one that is not
    proven may make a refund known and moves nothing.
    """

    api: Api
    fingerprint: str
    fact: TradeFact | RefundFact | None
    out_trade_no: str = ""
    transaction_id: str = ""
    event_id: str = ""
    event_type: str = ""
    is_proven: bool = True
