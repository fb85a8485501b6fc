"""Refunding: whether a refund is accepted, its amounts, and the way it ends.

The rules are the same for both protocols and the merchant platform; each puts a problem into its
own words. Sources: protocol-v2 section 6.4, protocol-v3 sections 4.4, 7.3 and 8.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.times import parse_t14
from django_wxpay.simulator.faults.catalogue import Stage
from django_wxpay.simulator.faults.script import REFUND
from django_wxpay.simulator.notifications.sending import queue_refund_notice, wake
from django_wxpay.simulator.state.refunds import (
    ABNORMAL,
    BY_API,
    CLOSED,
    PROCESSING,
    SUCCESS,
    CouponRefund,
    Refund,
    share,
)
from django_wxpay.simulator.state.trades import PAID_STATES, Trade
from django_wxpay.simulator.state.world import World

WINDOW: Final = timedelta(days=365)
MOST_REFUNDS: Final = 50

_ENDS: Final = {"refund_abnormal": ABNORMAL, "refund_closed": CLOSED}


class Problem(StrEnum):
    """A reason why a refund is not accepted."""

    UNPAID = "the order has not been paid"
    OVERDUE = "the payment is more than a year old"
    WRONG_TOTAL = "the total is not the order's"
    WRONG_CURRENCY = "the currency is not the order's"
    TOO_MUCH = "the refunds would be more than the payment"
    SHARED = "a part is shared and has to come back first"
    TOO_MANY = "the order has been refunded 50 times"
    TOO_SOON = "the last refund of the order was a moment ago"
    OTHER_AMOUNT = "the number was used for another amount"
    OTHER_ORDER = "the number was used for another order"
    NOT_ENOUGH = "the merchant has not enough money"


class RefundProblem(Exception):
    """A refund that is not accepted, and the reason."""

    def __init__(self, reason: Problem) -> None:
        self.reason = reason
        super().__init__(reason.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A refund as it is asked for. ``total_fee`` None is not compared, nor is currency ""."""

    api: Api
    out_refund_no: str
    refund_fee: int
    total_fee: int | None = None
    currency: str = ""
    reason: str = ""
    notify_url: str = ""
    funds: str = ""
    source: str = BY_API
    host: str = ""


def accept(world: World, trade: Trade, asked: Asked) -> Refund:
    """Accept a refund of ``trade``, or return the one that was accepted; lock held.

    A number asked for again is compared by order and amounts: the reason and the address may
    differ, for no document forbids that. Raises ``RefundProblem``.
    """
    known = world.refunds.find(trade.mch_id, asked.out_refund_no)
    if known is not None:
        _check_same(known, trade, asked)
        return known
    _check_payment(world, trade, asked)
    _check_sum(world, trade, asked)
    fault = world.script.take(Stage.REFUND, REFUND, api=asked.api, host=asked.host)
    name = "" if fault is None else fault.name
    _check_balance(world, trade, asked, is_empty=name == "not_enough")
    refund = new_refund(world, trade, asked)
    refund.settles_as = _ENDS.get(name, SUCCESS)
    world.add_refund(refund)
    wake(world)
    return refund


def settle(world: World, refund: Refund, status: str) -> None:
    """End ``refund`` as ``status`` now, and queue its notification; lock held."""
    world.settle_refund(refund, status, at=world.clock.now())
    queue_refund_notice(world, refund)


def restart(world: World, refund: Refund, *, received_by: str, channel: str) -> None:
    """Send the money of an abnormal refund to another account; lock held."""
    now = world.clock.now()
    refund.status, refund.updated_at = PROCESSING, now
    refund.settles_at, refund.settles_as = now + _settling_time(world), SUCCESS
    refund.received_by, refund.channel = received_by, channel
    world.refunds.watch(refund)
    wake(world)


def _check_same(known: Refund, trade: Trade, asked: Asked) -> None:
    if known.trade is not trade:
        raise RefundProblem(Problem.OTHER_ORDER)
    _check_terms(trade, asked, wrong_total=Problem.OTHER_AMOUNT)
    if known.refund_fee != asked.refund_fee:
        raise RefundProblem(Problem.OTHER_AMOUNT)


def _check_terms(trade: Trade, asked: Asked, *, wrong_total: Problem) -> None:
    if asked.total_fee not in {None, _total(trade)}:
        raise RefundProblem(wrong_total)
    if asked.currency not in {"", trade.terms.get("fee_type", "CNY")}:
        raise RefundProblem(Problem.WRONG_CURRENCY)


def _check_payment(world: World, trade: Trade, asked: Asked) -> None:
    if trade.state not in PAID_STATES:
        raise RefundProblem(Problem.UNPAID)
    if world.clock.now() > parse_t14(trade.payment["time_end"]) + WINDOW:
        raise RefundProblem(Problem.OVERDUE)
    _check_terms(trade, asked, wrong_total=Problem.WRONG_TOTAL)


def _check_sum(world: World, trade: Trade, asked: Asked) -> None:
    before = world.refunds.of(trade)
    if asked.refund_fee > refundable(world, trade):
        raise RefundProblem(Problem.TOO_MUCH)
    shared = world.products.shared(trade) - world.products.returned(trade)
    if shared and asked.refund_fee > refundable(world, trade) - shared:
        raise RefundProblem(Problem.SHARED)
    if len(before) >= MOST_REFUNDS:
        raise RefundProblem(Problem.TOO_MANY)
    interval = timedelta(seconds=world.options.refund_interval_s)
    if before and world.clock.now() < before[-1].created_at + interval:
        raise RefundProblem(Problem.TOO_SOON)


def refundable(world: World, trade: Trade) -> int:
    """Return what is left of a payment; a closed refund has taken nothing."""
    return _total(trade) - sum(one.refund_fee for one in _kept(world, trade))


def _kept(world: World, trade: Trade) -> list[Refund]:
    return [refund for refund in world.refunds.of(trade) if refund.status != CLOSED]


def _check_balance(world: World, trade: Trade, asked: Asked, *, is_empty: bool) -> None:
    balance = world.balances[trade.mch_id]
    if is_empty or (balance is not None and balance < asked.refund_fee):
        raise RefundProblem(Problem.NOT_ENOUGH)


def _settling_time(world: World) -> timedelta:
    return timedelta(seconds=world.options.refund_settles_s)


def new_refund(world: World, trade: Trade, asked: Asked) -> Refund:
    """Return the refund that is asked for, in process and not entered yet; lock held."""
    now = world.clock.now()
    payer_refund = _payer_refund(world, trade, asked.refund_fee)
    return Refund(
        trade=trade,
        api=asked.api,
        out_refund_no=asked.out_refund_no,
        refund_id=world.identifiers.refund_id(now),
        refund_fee=asked.refund_fee,
        payer_refund=payer_refund,
        coupons=_coupons(trade, asked.refund_fee, payer_refund),
        created_at=now,
        updated_at=now,
        settles_at=now + _settling_time(world),
        reason=asked.reason,
        notify_url=asked.notify_url,
        funds=asked.funds,
        source=asked.source,
    )


def _payer_refund(world: World, trade: Trade, refund_fee: int) -> int:
    """Return the payer's part; the last refund brings exactly what is left of it."""
    left = int(trade.payment["cash_fee"]) - sum(one.payer_refund for one in _kept(world, trade))
    if refund_fee == refundable(world, trade):
        return left
    return min(share(int(trade.payment["cash_fee"]), refund_fee, of=_total(trade)), left)


def _coupons(trade: Trade, refund_fee: int, payer_refund: int) -> tuple[CouponRefund, ...]:
    payment = trade.payment
    count, worth = int(payment.get("coupon_count", 0)), int(payment.get("coupon_fee", 0))
    one_currency = int(payment["cash_fee"]) + worth == _total(trade)
    left = refund_fee - payer_refund if one_currency else share(worth, refund_fee, of=_total(trade))
    refunds = []
    for n in range(count):
        fee = int(payment[f"coupon_fee_{n}"])
        # Of what is left and not of the whole, so that the parts make up the sum.
        part = share(fee, left, of=worth)
        left, worth = left - part, worth - fee
        refunds.append(
            CouponRefund(
                coupon_id=payment[f"coupon_id_{n}"],
                coupon_type=payment.get(f"coupon_type_{n}", ""),
                refund_fee=part,
            )
        )
    return tuple(refunds)


def _total(trade: Trade) -> int:
    return int(trade.terms["total_fee"])
