"""Refunds: their amounts and states, and the index that finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.state.trades import Trade

# The states of protocol-v3 section 8.2.
PROCESSING: Final = "PROCESSING"
SUCCESS: Final = "SUCCESS"
ABNORMAL: Final = "ABNORMAL"
CLOSED: Final = "CLOSED"
# The results of protocol-v3 section 6.2.
STATUSES: Final = (SUCCESS, ABNORMAL, CLOSED)
FINAL_STATUSES: Final = frozenset({SUCCESS, CLOSED})

# Who asked for a refund (protocol-v2 section 7.4).
BY_API: Final = "API"
BY_PLATFORM: Final = "VENDOR_PLATFORM"

WALLET: Final = "支付用户零钱"


def share(amount: int, refund_fee: int, *, of: int) -> int:
    """Return the part of ``amount`` that ``refund_fee`` brings back out of a total ``of``.

    Rounded half up (protocol-v3 section 4.4 says only that it is rounded).
    """
    return (2 * refund_fee * amount + of) // (2 * of) if of else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponRefund:
    """The part of a refund that goes back into one coupon of the payment."""

    coupon_id: str
    coupon_type: str
    refund_fee: int


@dataclass(slots=True, kw_only=True, eq=False)
class Refund:
    """One refund of a trade, in minor units of the trade's currency.

    ``api`` is the protocol that asked for it, and that of its notification. ``payer_refund`` is
    the payer's part, in the currency that was paid in, ``coupons`` are the others. A refund in
    process ends at ``settles_at`` as ``settles_as``. ``funds`` is the account named in the
    request. ``notification_state`` is that of its last notification.
    """

    trade: Trade
    api: Api
    out_refund_no: str
    refund_id: str
    refund_fee: int
    payer_refund: int
    coupons: tuple[CouponRefund, ...] = ()
    status: str = PROCESSING
    created_at: datetime
    updated_at: datetime
    settles_at: datetime | None = None
    settles_as: str = SUCCESS
    reason: str = ""
    notify_url: str = ""
    funds: str = ""
    source: str = BY_API
    channel: str = "ORIGINAL"
    received_by: str = WALLET
    notification_state: str = ""
    notification_attempts: int = 0

    @property
    def success_time(self) -> datetime | None:
        """The moment at which the money was back, None if it is not."""
        return self.updated_at if self.status == SUCCESS else None

    @property
    def coupon_refund_fee(self) -> int:
        """The part of all coupons together."""
        return sum(coupon.refund_fee for coupon in self.coupons)

    @property
    def settlement_refund_fee(self) -> int:
        """The refund without the coupons that were never settled (protocol-v2 section 10)."""
        free = (one.refund_fee for one in self.coupons if one.coupon_type == "NO_CASH")
        return self.refund_fee - sum(free)

    def settle(self, status: str, now: datetime) -> None:
        """Put the refund into ``status``; it does not change by itself afterwards."""
        self.status, self.updated_at, self.settles_at = status, now, None


class Refunds:
    """Every refund, indexed by its numbers and its trade."""

    def __init__(self) -> None:
        self._by_number: dict[tuple[str, str], Refund] = {}
        self._by_id: dict[tuple[str, str], Refund] = {}
        self._by_trade: dict[int, list[Refund]] = {}
        self._in_process: set[Refund] = set()

    def __iter__(self) -> Iterator[Refund]:
        return iter(self._by_number.values())

    def add(self, refund: Refund) -> None:
        mch_id = refund.trade.mch_id
        self._by_number[mch_id, refund.out_refund_no] = refund
        self._by_id[mch_id, refund.refund_id] = refund
        self._by_trade.setdefault(id(refund.trade), []).append(refund)
        self.watch(refund)

    def find(self, mch_id: str, out_refund_no: str) -> Refund | None:
        return self._by_number.get((mch_id, out_refund_no))

    def find_id(self, mch_id: str, refund_id: str) -> Refund | None:
        """Return the refund with the gateway's number."""
        return self._by_id.get((mch_id, refund_id))

    def of(self, trade: Trade) -> list[Refund]:
        """Return every refund of ``trade``, the oldest first."""
        return list(self._by_trade.get(id(trade), ()))

    def watch(self, refund: Refund) -> None:
        """Settle ``refund`` when its moment comes, if it has one."""
        if refund.settles_at is not None:
            self._in_process.add(refund)

    def next_settles_at(self) -> datetime | None:
        """Return when the next refund ends, None if none will by itself."""
        return min((moment for _, moment in self._waiting()), default=None)

    def take_due(self, now: datetime) -> list[tuple[Refund, datetime]]:
        """Return the refunds that have come to their end, with its moment, the oldest first."""
        due = [(refund, moment) for refund, moment in self._waiting() if moment <= now]
        self._in_process -= {refund for refund, _ in due}
        return sorted(due, key=lambda each: each[1])

    def _waiting(self) -> list[tuple[Refund, datetime]]:
        known = ((refund, refund.settles_at) for refund in self._in_process)
        return [(refund, moment) for refund, moment in known if moment is not None]
