"""Contents of a day's bill: every payment and every refund, with its fee.

A payment is of the day on which it was made. A refund is of the day on which it was accepted, and
has the status that it has when the bill is made; the documents leave that open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from django_wxpay.protocol.money import decimals
from django_wxpay.protocol.times import parse_t14
from django_wxpay.simulator.bills.days import is_on
from django_wxpay.simulator.state.refunds import CLOSED, Refund, share
from django_wxpay.simulator.state.trades import PAID_STATES, REVOKED, Trade
from django_wxpay.simulator.state.world import World

_BASIS: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a bill: a payment, or a refund of one. ``fee`` is in minor units."""

    at: datetime
    trade: Trade
    refund: Refund | None = None
    fee: int

    @property
    def currency(self) -> str:
        return self.trade.terms.get("fee_type", "CNY")

    @property
    def total(self) -> int:
        return int(self.trade.terms["total_fee"])


def entries_of(world: World, mch_id: str, day: date | None, *, sub_mch_id: str = "") -> list[Entry]:
    """Return the entries of one merchant on ``day`` (None: of every day), the oldest first.

    The caller holds the lock.
    """
    every = [*_payments(world, mch_id), *_refunds(world, mch_id)]
    chosen = (
        entry
        for entry in every
        if (day is None or is_on(entry.at, day))
        and sub_mch_id in {"", entry.trade.terms.get("sub_mch_id", "")}
    )
    return sorted(chosen, key=lambda entry: entry.at)


def _payments(world: World, mch_id: str) -> Iterator[Entry]:
    now = world.clock.now()
    for trade in world.trades:
        trade.lapse(now)
        if trade.mch_id != mch_id or not trade.payment:
            continue
        if trade.state in PAID_STATES or trade.state == REVOKED:
            yield Entry(at=paid_at(trade), trade=trade, fee=fee_of(world, trade))


def _refunds(world: World, mch_id: str) -> Iterator[Entry]:
    for refund in world.refunds:
        # Of one that was closed, nothing was paid back.
        if refund.trade.mch_id == mch_id and refund.status != CLOSED:
            total = int(refund.trade.terms["total_fee"])
            back = share(fee_of(world, refund.trade), refund.refund_fee, of=total)
            yield Entry(at=refund.created_at, trade=refund.trade, refund=refund, fee=-back)


def paid_at(trade: Trade) -> datetime:
    """Return when a trade was paid."""
    return parse_t14(trade.payment["time_end"])


def fee_of(world: World, trade: Trade) -> int:
    """Return WeChat Pay's fee for a payment, in minor units, rounded half up."""
    product = int(trade.terms["total_fee"]) * world.options.fee_basis_points
    return (2 * product + _BASIS) // (2 * _BASIS)


def printed(amount: int, currency: str, *, extra: int = 0) -> str:
    """Print minor units in the major unit; ``extra`` more decimals, as fees have."""
    digits = decimals(currency)
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), 10**digits)
    decimal = (f"{fraction:0{digits}d}" if digits else "") + "0" * extra
    return f"{sign}{whole}.{decimal}" if decimal else f"{sign}{whole}"
