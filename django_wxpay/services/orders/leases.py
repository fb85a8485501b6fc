"""Leases on sales: one process at a time works on an order at WeChat Pay.

A lease is as long as one step may take, and is renewed before each. So a process that died holds
an order up for no longer than a step, and one that was suspended finds that the order is another's
before it sends anything. ``next_check_at`` is written in the same UPDATE: the sweep asks for the
order as soon as no process works on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.errors import OutcomeUnknown
from django_wxpay.services import clock
from django_wxpay.services.claims import claim
from django_wxpay.services.orders.placing import longest_call_s
from django_wxpay.services.transactions import retry_on_lock

# WeChat Pay reverses nothing before (protocol-v2 section 6.3).
REVERSIBLE_AFTER_S: Final = 15


@dataclass(slots=True)
class Lease:
    """The right to work on ``order`` until ``until``.

    One ``for_sweep`` leaves ``next_check_at`` alone, which the sweep has leased by itself.
    """

    order: Order
    until: datetime
    for_sweep: bool = False

    def renew(self) -> None:
        """Hold it for another step. Raises ``OutcomeUnknown`` if it has become another's."""
        until = next_end(self.order.merchant)
        if not retry_on_lock(partial(self._held_until, until, next_check_at=until)):
            raise OutcomeUnknown(
                f"order {self.order.out_trade_no} was taken over by another call; ask again"
            )
        self.until = until

    def give_back(self, *, next_check_at: datetime | None) -> None:
        """Let others work on the order, which the sweep asks for at ``next_check_at``."""
        retry_on_lock(partial(self._held_until, None, next_check_at=next_check_at))

    def _held_until(self, until: datetime | None, *, next_check_at: datetime | None) -> int:
        held = Order.objects.filter(pk=self.order.pk, placing_until=self.until)
        return held.update(placing_until=until, **_schedule(self.for_sweep, next_check_at))


def _schedule(for_sweep: bool, next_check_at: datetime | None) -> dict[str, Any]:  # noqa: FBT001
    return {} if for_sweep else {"next_check_at": next_check_at}


def next_end(alias: str) -> datetime:
    """Return when a lease ends that begins now, on an order of this merchant."""
    return clock.now() + _length(alias)


def take_lease(order: Order, *, for_sweep: bool = False) -> Lease | None:
    """Return a lease on ``order``; None while another call works on it, or if one has moved it."""
    until = next_end(order.merchant)
    # A call that ended since the caller looked may have decided the sale, and given it back.
    as_seen = Order.objects.filter(pk=order.pk, trade_state=order.trade_state)
    take = partial(
        claim,
        as_seen,
        "placing_until",
        until,
        longest=_length(order.merchant),
        **_schedule(for_sweep, until),
    )
    return Lease(order, until, for_sweep) if retry_on_lock(take) else None


def _length(alias: str) -> timedelta:
    # A pause and a call.
    pause_s = max(conf.current().quick_pay.poll_s, REVERSIBLE_AFTER_S)
    return timedelta(seconds=pause_s + longest_call_s(alias))
