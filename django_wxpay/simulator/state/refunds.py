"""Refunds, as far as notifications need them; no operation of the gateway creates one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django_wxpay.simulator.state.trades import Trade

# The results of protocol-v3 section 6.2.
STATUSES: Final = ("SUCCESS", "ABNORMAL", "CLOSED")


@dataclass(slots=True, kw_only=True, eq=False)
class Refund:
    """One refund of a trade, in minor units of the trade's currency.

    ``notification_state`` is that of its last notification.
    """

    trade: Trade
    out_refund_no: str
    refund_id: str
    refund_fee: int
    status: str
    updated_at: datetime
    notification_state: str = ""


class Refunds:
    """Every refund, indexed by merchant and out_refund_no."""

    def __init__(self) -> None:
        self._by_number: dict[tuple[str, str], Refund] = {}

    def __iter__(self) -> Iterator[Refund]:
        return iter(self._by_number.values())

    def add(self, refund: Refund) -> None:
        self._by_number[refund.trade.mch_id, refund.out_refund_no] = refund

    def find(self, mch_id: str, out_refund_no: str) -> Refund | None:
        return self._by_number.get((mch_id, out_refund_no))
