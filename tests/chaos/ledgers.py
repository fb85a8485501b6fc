"""The comparison of the two ledgers: what the simulator holds, and what the shop believes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django_wxpay.models import Order, OrderEvent
from example_project.shop.models import Purchase

_ALIASES = {"1900000109": "default", "1900000110": "v3"}


@dataclass(slots=True)
class Comparison:
    """What differs. All three must be empty."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        found = {"lost": self.lost, "doubled": self.doubled, "wrong": self.wrong}
        lines = [
            f"{name}: {len(each)} {'; '.join(each[:5])}".strip() for name, each in found.items()
        ]
        return "\n".join(lines)


def key_of(trade: dict[str, Any]) -> tuple[str, str]:
    return _ALIASES[trade["mch_id"]], trade["out_trade_no"]


def unsettled(trades: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the orders that are paid there and not here."""
    paid = {key_of(trade) for trade in trades if trade["trade_state"] == "SUCCESS"}
    here = Order.objects.filter(trade_state="SUCCESS").values_list("merchant", "out_trade_no")
    return sorted(paid - set(here))


def compare(trades: list[dict[str, Any]]) -> Comparison:
    """Hold every order, event and delivery against the trades of the simulator."""
    found = Comparison()
    there = {key_of(trade): trade for trade in trades}
    delivered = Counter(
        Purchase.objects.filter(tea="paid").values_list("title", flat=True).iterator()
    )
    events = Counter(OrderEvent.objects.filter(kind="PAID").values_list("order_id", flat=True))
    for order in Order.objects.all().iterator():
        trade = there.pop((order.merchant, order.out_trade_no), None)
        _compare(order, trade, delivered[order.out_trade_no], events[order.pk], found)
    found.lost += [f"{number} has no order" for _, number in there]
    return found


def _compare(
    order: Order, trade: dict[str, Any] | None, delivered: int, events: int, found: Comparison
) -> None:
    number = order.out_trade_no
    is_paid = trade is not None and trade["trade_state"] == "SUCCESS"
    if delivered > 1 or events > 1:
        found.doubled.append(f"{number}: {events} events, {delivered} deliveries")
    if not is_paid:
        if order.is_paid or delivered or events:
            found.wrong.append(f"{number} is {order.trade_state} and was not paid")
        return
    if not order.is_paid or not delivered:
        found.lost.append(f"{number} is {order.trade_state}, delivered {delivered} times")
    elif order.transaction_id != trade["transaction_id"]:
        found.wrong.append(f"{number} has another transaction")
    elif order.total_fee != trade["total_fee"]:
        found.wrong.append(f"{number} has another amount")
