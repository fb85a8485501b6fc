"""How an order that exists is named to the gateway."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRef:
    """The identity and the numbers of one order; ``transaction_id`` wins where both are sent."""

    appid: str
    mch_id: str
    out_trade_no: str
    sub_appid: str = ""
    sub_mch_id: str = ""
    transaction_id: str = ""
    version: str = ""
