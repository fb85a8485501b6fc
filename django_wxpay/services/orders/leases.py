"""Leases on sales: one process at a time works on an order at WeChat Pay.

A lease is as long as one step may take, and is renewed before each. So a process that died holds
an order up for no longer than a step, and one that was suspended finds that the order is another's
before it sends or applies anything. ``next_check_at`` is written in the same UPDATE: the sweep asks
for the order as soon as no process works on it.

A reversal without an outcome may still land after its call. So long, as ``reversing_until`` says,
what WeChat Pay states of a payment proves nothing, and no lease is given but for another reversal:
that is the same request again, and no answer to it sells anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db.models import Case, DateTimeField, F, Q, Value, When

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.errors import OrderBusy, OutcomeUnknown
from django_wxpay.protocol.facts import TradeState
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.states import PAID
from django_wxpay.services import clock
from django_wxpay.services.claims import SKEW, claim, is_free, release
from django_wxpay.services.transactions import retry_on_lock

# WeChat Pay reverses nothing before (protocol-v2 section 6.3).
REVERSIBLE_AFTER_S: Final = 15
ENDED: Final = frozenset({TradeState.CLOSED, TradeState.REVOKED})
# A sale that failed is not paid under its number any more (protocol-v3 section 8.1).
DECIDED: Final = PAID | ENDED | {TradeState.PAYERROR}
_MARGIN_S: Final = 5
# Also of a clock that was hours ahead, and is put right since: the reversal is on its way all the
# same, and to wait for longer costs no money.
_BELIEVED: Final = timedelta(days=1)


@dataclass(slots=True)
class Lease:
    """The right to work on ``order`` until ``until``.

    One that ``keeps_schedule`` leaves ``next_check_at`` alone, for a query, or for the sweep, which
    has leased that column by itself. While ``is_reversing`` a reversal of an undecided sale is on
    its way; one of an earlier call may be, until ``earlier_lands_by``.
    """

    order: Order
    until: datetime
    keeps_schedule: bool = False
    is_reversing: bool = False
    earlier_lands_by: datetime | None = None

    @property
    def may_be_reversed(self) -> bool:
        """Whether a reversal without an outcome may still land, of this call or of one before."""
        lands_by = self._lands_by(self.until)
        return lands_by is not None and lands_by > clock.now()

    def renew(self) -> None:
        """Hold it for another step. Raises ``OutcomeUnknown`` if it has become another's."""
        until = next_end(self.order.merchant)
        renew = partial(self._update, until, lands_by=self._lands_by(until), next_check_at=until)
        if not retry_on_lock(renew):
            raise OutcomeUnknown(
                f"order {self.order.out_trade_no} was taken over by another call; ask again"
            )
        self.until = until

    def give_back(self, *, next_check_at: datetime | None) -> None:
        """Let others work on the order, which the sweep asks for at ``next_check_at``.

        While a reversal may still land, others may reverse it again, and nobody asks for it.
        """
        lands_by = self._lands_by(self.until)
        if lands_by and next_check_at:
            next_check_at = max(lands_by, next_check_at)
        end = partial(self._update, None, lands_by=lands_by, next_check_at=next_check_at)
        release(end, f"order {self.order.out_trade_no}")

    def _lands_by(self, until: datetime) -> datetime | None:
        return until if self.is_reversing else self.earlier_lands_by

    def _update(
        self, until: datetime | None, *, lands_by: datetime | None, next_check_at: datetime | None
    ) -> int:
        # Where the COMMIT had arrived before the connection was lost, it is run again.
        ours = {self.until, until or self.until}
        held = Order.objects.filter(pk=self.order.pk, placing_until__in=ours)
        # A check that somebody else has asked for meanwhile stays.
        is_ours = Q(next_check_at__isnull=True) | Q(next_check_at__in=ours)
        kept = Case(
            When(is_ours, then=Value(next_check_at)),
            default=F("next_check_at"),
            output_field=DateTimeField(),
        )
        schedule = {} if self.keeps_schedule else {"next_check_at": kept}
        return held.update(placing_until=until, reversing_until=lands_by, **schedule)


def next_end(alias: str) -> datetime:
    """Return when a lease ends that begins now, on an order of this merchant."""
    return clock.now() + _length(alias)


def take_lease(order: Order, *, keeps_schedule: bool = False) -> Lease | None:
    """Return a lease on ``order``; None while another call works on it, or if one has moved it.

    None as well while a reversal without an outcome may still land.
    """
    landed = is_free("reversing_until", longest=_BELIEVED, now=clock.now())
    until = next_end(order.merchant)
    if not _take(order, until, landed, keeps_schedule=keeps_schedule):
        return None
    return Lease(order, until, keeps_schedule)


def take_lease_to_reverse(order: Order) -> Lease | None:
    """Return a lease on ``order``, also while an earlier reversal may still land; else None."""
    until, lands_by = next_end(order.merchant), order.reversing_until
    if not _take(order, until, Q(reversing_until=lands_by), keeps_schedule=False):
        return None
    is_believed = lands_by is not None and lands_by <= clock.now() + _BELIEVED + SKEW
    return Lease(order, until, earlier_lands_by=lands_by if is_believed else None)


def _take(order: Order, until: datetime, condition: Q, *, keeps_schedule: bool) -> int:
    # A call that ended since the caller looked may have decided the sale, and given it back.
    as_seen = Order.objects.filter(condition, pk=order.pk, trade_state=order.trade_state)
    schedule = {} if keeps_schedule else {"next_check_at": until}
    longest = _length(order.merchant)
    take = partial(claim, as_seen, "placing_until", until, longest=longest, **schedule)
    return retry_on_lock(take)


def _length(alias: str) -> timedelta:
    # A pause and a call.
    pause_s = max(conf.current().quick_pay.poll_s, REVERSIBLE_AFTER_S)
    return timedelta(seconds=pause_s + longest_call_s(alias))


def busy(order: Order) -> OrderBusy:
    """Return what is raised for an order that another call works on."""
    return OrderBusy(
        f"another call works on order {order.out_trade_no}, or has reversed it without an outcome "
        "so far; ask again"
    )


def longest_call_s(alias: str) -> float:
    """Return the seconds that one call of this merchant takes at most, with a few to spare."""
    merchant = conf.merchant(alias)
    # Over v3 a placing may fetch certificates, and is repeated after a signature probe.
    rounds = 1 if merchant.api is Api.V2 else 3
    return rounds * len(merchant.hosts) * sum(conf.current().timeout) + _MARGIN_S
