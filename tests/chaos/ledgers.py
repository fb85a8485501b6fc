"""The comparison of the two ledgers, row by row: the simulator's, and what the shop knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Q

from django_wxpay.models import Notification, Order, OrderEvent, Refund
from example_project.shop.models import Purchase

_ALIASES: Final = {"1900000109": "default", "1900000110": "v3"}
_PAID: Final = {"SUCCESS", "REFUND"}


@dataclass(slots=True)
class Comparison:
    """What differs: each list must be empty. ``counts`` are what was compared."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.stuck)

    def __str__(self) -> str:
        found = {name: getattr(self, name) for name in ("lost", "doubled", "wrong", "stuck")}
        lines = [
            f"{name}: {len(each)} {'; '.join(each[:9])}".strip() for name, each in found.items()
        ]
        return "\n".join([f"compared: {_listed(self.counts)}", *lines])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


@dataclass(slots=True)
class _Effects:
    """Events by kind, and what the receivers have written for each."""

    events: Counter[tuple[str, str]]
    rows: Counter[tuple[str, str]]

    @classmethod
    def read(cls) -> _Effects:
        events: Counter[tuple[str, str]] = Counter()
        for event in OrderEvent.objects.exclude(kind="MOVED").select_related("order", "refund"):
            name, title = event.kind.lower(), event.order.out_trade_no
            if event.refund is not None and event.kind == "REFUND_SETTLED":
                name = f"refund_{event.detail['refund_status'].lower()}"
                title = event.refund.out_refund_no
            events[name, title] += 1
        return cls(events, Counter(Purchase.objects.values_list("tea", "title")))


def compare(ledger: dict[str, Any], *, at: datetime) -> Comparison:
    """Hold every order, refund, event and delivery against the ledger of the simulator.

    ``at`` is the moment at which nothing may be due any more.
    """
    found, effects = Comparison(), _Effects.read()
    _compare_orders(ledger, effects, found)
    _compare_refunds(ledger, effects, found)
    for name, title in effects.events.keys() | effects.rows.keys():
        events, rows = effects.events[name, title], effects.rows[name, title]
        if events != rows:
            where = found.doubled if rows > events else found.lost
            where.append(f"{title}: {events} {name}, {rows} rows")
    found.counts["effects"] = sum(effects.rows.values())
    _look_for_stuck(at, found)
    return found


def _key(row: dict[str, Any], name: str) -> tuple[str, str]:
    return _ALIASES[row["mch_id"]], row[name]


def _compare_orders(ledger: dict[str, Any], effects: _Effects, found: Comparison) -> None:
    there = {_key(trade, "out_trade_no"): trade for trade in ledger["trades"]}
    known = set(Refund.objects.values_list("merchant", "out_refund_no"))
    # One that is missing here is judged by itself.
    refunded = {
        _key(refund, "out_trade_no")
        for refund in ledger["refunds"]
        if refund["refund_status"] != "CLOSED" and _key(refund, "out_refund_no") in known
    }
    for order in Order.objects.all().iterator():
        trade = there.pop((order.merchant, order.out_trade_no), None)
        found.counts[f"orders {order.trade_state}"] += 1
        if trade is None:
            if order.trade_state != "CREATED":
                found.wrong.append(f"{order} is {order.trade_state}, and WeChat Pay has no such")
            continue
        if trade["trade_state"] == "REFUND" and _key(trade, "out_trade_no") not in refunded:
            # Whether a refund that was closed leaves the order REFUND is not documented for
            # certain (protocol-v3 section 8.1).
            trade["trade_state"] = order.trade_state if order.is_paid else "SUCCESS"
        _compare_order(order, trade, effects, found)
    found.lost += [f"{number} has no order" for _, number in there]


def _compare_order(
    order: Order, trade: dict[str, Any], effects: _Effects, found: Comparison
) -> None:
    number, state = order.out_trade_no, trade["trade_state"]
    paid = effects.events["paid", number]
    if order.trade_state != state:
        where = found.lost if state in _PAID else found.wrong
        where.append(f"{order.merchant} {number} is {order.trade_state} here, {state} there")
    if order.total_fee != trade["total_fee"] or (
        state in _PAID and order.transaction_id != trade["transaction_id"]
    ):
        found.wrong.append(f"{number} has another amount or transaction")
    if paid > 1:
        found.doubled.append(f"{number}: {paid} times paid")
    if state in _PAID and not paid:
        # Seen as refunded before it was seen as paid: that is handed to a person.
        if not effects.events["conflicted", number]:
            found.lost.append(f"{number} is {state}, and no receiver was called")
        found.counts["orders first seen as refunded"] += 1
    if paid and not trade["charges"]:
        found.wrong.append(f"{number} was never charged, and its receiver was called")
    kept = trade["charges"] - trade["reversals"]
    if trade["charges"] > 1 or kept != (state in _PAID):
        found.doubled.append(
            f"{number} is {state}: {trade['charges']} charges, {trade['reversals']} reversals"
        )


def _compare_refunds(ledger: dict[str, Any], effects: _Effects, found: Comparison) -> None:
    refunds, trades = ledger["refunds"], ledger["trades"]
    there = {_key(refund, "out_refund_no"): refund for refund in refunds}
    for refund in Refund.objects.select_related("order").iterator():
        other = there.pop((refund.merchant, refund.out_refund_no), None)
        found.counts[f"refunds {refund.refund_status}"] += 1
        _compare_refund(refund, other, effects, found)
    for other in there.values():
        _judge_missing(other, ledger["notifications"], effects, found)
    back: Counter[tuple[str, str]] = Counter()
    for other in refunds:
        if other["refund_status"] != "CLOSED":
            back[_key(other, "out_trade_no")] += other["refund_fee"]
    for trade in trades:
        if back[_key(trade, "out_trade_no")] > trade["total_fee"]:
            found.doubled.append(f"{trade['out_trade_no']}: more was refunded than was paid")


def _compare_refund(
    refund: Refund, other: dict[str, Any] | None, effects: _Effects, found: Comparison
) -> None:
    number = refund.out_refund_no
    settled = effects.events["refund_success", number]
    if settled > 1:
        found.doubled.append(f"refund {number} was settled {settled} times")
    if other is None:
        if refund.refund_status != "CLOSED":
            found.wrong.append(f"refund {number} is {refund.refund_status}, and not there")
        return
    ours = (refund.refund_status, refund.refund_fee, refund.refund_id, refund.order.out_trade_no)
    names = ("refund_status", "refund_fee", "refund_id", "out_trade_no")
    theirs = tuple(other[name] for name in names)
    if ours != theirs:
        found.wrong.append(f"refund {number} is {ours} here, {theirs} there")
    if settled != (other["refund_status"] == "SUCCESS"):
        found.lost.append(f"refund {number} is {other['refund_status']}, settled {settled} times")


def _judge_missing(
    refund: dict[str, Any], attempts: list[dict[str, Any]], effects: _Effects, found: Comparison
) -> None:
    number = refund["out_refund_no"]
    accepted = [
        each["fault"] for each in attempts if each["out_refund_no"] == number and each["accepted"]
    ]
    is_of_the_platform = refund["source"] == "VENDOR_PLATFORM"
    if is_of_the_platform and refund["notification"] == "lost":
        # Known by no number here, and in no list that is swept: the bills' to find.
        found.counts["refunds of the platform that were never notified"] += 1
    elif (
        is_of_the_platform
        and any(accepted)
        and effects.events["conflicted", refund["out_trade_no"]]
    ):
        # Signed, and about something else: that is handed to a person.
        found.counts["refunds of the platform that were notified wrongly"] += 1
    else:
        state = refund["notification"]
        found.lost.append(f"refund {number} is not here: {state}, accepted {accepted}")


def _look_for_stuck(at: datetime, found: Comparison) -> None:
    events = OrderEvent.objects.filter(dispatched_at__isnull=True)
    found.stuck += [f"{event.order} {event.kind} is not delivered" for event in events]
    orders = Order.objects.filter(Q(next_check_at__lte=at) | Q(placing_until__gt=at))
    found.stuck += [f"{order} is due or leased" for order in orders]
    refunds = Refund.objects.filter(Q(next_check_at__lte=at) | Q(sending_until__gt=at))
    found.stuck += [f"refund {refund} is due or leased" for refund in refunds]
    known = Order.objects.values("out_trade_no")
    failed = Notification.objects.filter(outcome="FAILED", out_trade_no__in=known)
    found.stuck += [f"a notification of {row} is undecided: {row.reason}" for row in failed]
    outcomes = Notification.objects.order_by().values_list("outcome").annotate(Count("pk"))
    found.counts.update({f"notifications {outcome}": count for outcome, count in outcomes})
