"""Other products of the simulated gateway: shares, transfers, combined orders, complaints.

Source: protocol-v3 section 13.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django_wxpay.simulator.state.trades import Trade


@dataclass(slots=True, kw_only=True)
class Share:
    """A request to share an order, or to unfreeze the rest of it; ``lines`` are its receivers."""

    mch_id: str
    trade: Trade
    document: dict[str, Any]
    order_id: str
    created_at: datetime
    lines: list[dict[str, Any]]
    is_finished: bool = False

    @property
    def amount(self) -> int:
        return sum(line["amount"] for line in self.lines)


@dataclass(slots=True, kw_only=True)
class ShareReturn:
    """A share, or a part of it, that its receiver gave back."""

    share: Share
    document: dict[str, Any]
    return_id: str
    created_at: datetime

    @property
    def amount(self) -> int:
        return int(self.document["amount"])


@dataclass(slots=True, kw_only=True)
class Transfer:
    """A transfer to a payee, who has to confirm it with ``package_info``."""

    mch_id: str
    document: dict[str, Any]
    transfer_bill_no: str
    package_info: str
    created_at: datetime
    updated_at: datetime
    state: str = "WAIT_USER_CONFIRM"
    fail_reason: str = ""


@dataclass(slots=True, kw_only=True)
class CombinedOrder:
    """Several orders that are paid at once, each of which is a trade of its own merchant."""

    document: dict[str, Any]
    trade_type: str
    trades: list[Trade]
    transaction_id: str = ""


@dataclass(slots=True, kw_only=True)
class Complaint:
    """A payer's complaint about a trade; ``replies`` are the merchant's."""

    complaint_id: str
    trade: Trade
    detail: str
    phone: str
    made_at: datetime
    state: str = "PENDING"
    replies: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Products:
    """Everything of these products, by the number of the merchant and its own number."""

    shares: dict[tuple[str, str], Share] = field(default_factory=dict)
    returns: dict[tuple[str, str], ShareReturn] = field(default_factory=dict)
    receivers: set[tuple[str, ...]] = field(default_factory=set)
    transfers: dict[tuple[str, str], Transfer] = field(default_factory=dict)
    combined: dict[tuple[str, str], CombinedOrder] = field(default_factory=dict)
    complaints: dict[str, Complaint] = field(default_factory=dict)
    media: set[tuple[str, str]] = field(default_factory=set)

    def shares_of(self, trade: Trade) -> list[Share]:
        """Return every request to share an order."""
        return [one for one in self.shares.values() if one.trade is trade]

    def returned(self, trade: Trade) -> int:
        """Return how much of an order came back from its receivers."""
        return sum(one.amount for one in self.returns.values() if one.share.trade is trade)

    def shared(self, trade: Trade) -> int:
        """Return how much of an order its receivers were given, whether it came back or not."""
        return sum(one.amount for one in self.shares_of(trade))
