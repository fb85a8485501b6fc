"""Checks of orders and refunds: contradicted, paid twice, overdue, stuck, or without an outcome.

Each finding is a state: it stands until its cause ends, whatever its age.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from django_wxpay.models import Order, Refund
from django_wxpay.models.choices import Attentions
from django_wxpay.services.attention.cases import (
    open_conflicts,
    overdue,
    paid_twice,
    stuck_refunds,
    without_outcome,
)
from django_wxpay.services.doctor.findings import (
    COUNTED_UP_TO,
    Finding,
    Level,
    Subject,
    agreeing,
    counted,
    local_time,
    where,
)
from django_wxpay.services.doctor.scope import Scope

# Enough to begin with; the admin has the rest.
_NAMED: Final = 3


def check_orders(scope: Scope) -> Iterator[Finding]:
    """Yield by merchant what of its orders and refunds needs a person, or a worker."""
    wrong = [
        *_conflicts(scope),
        *_paid_twice(scope),
        *_stuck(scope),
        *_overdue(Order.objects.all(), "order", scope),
        *_overdue(Refund.objects.all(), "refund", scope),
        *_without_outcome(scope),
    ]
    yield from wrong
    for alias in scope.aliases:
        if alias not in {finding.merchant for finding in wrong}:
            yield _finding(alias, Level.OK, "WeChat Pay is asked in time for all that is open.")


def _conflicts(scope: Scope) -> Iterator[Finding]:
    for alias, numbers in _numbers(open_conflicts(), scope):
        yield _finding(
            alias,
            Level.WARNING,
            f"WeChat Pay contradicts {counted(len(numbers), 'order')} in amount, currency, "
            f"merchant or state: {_named(numbers)}.",
            "Hand over no goods before a person has compared them with the merchant platform; "
            f"then resolve the conflict with a note.{where(Attentions.CONFLICT)}",
        )


def _paid_twice(scope: Scope) -> Iterator[Finding]:
    for alias, numbers in _numbers(paid_twice(), scope):
        verb = agreeing(len(numbers), "is", "are")
        yield _finding(
            alias,
            Level.WARNING,
            f"{counted(len(numbers), 'order')} {verb} paid beside another one of the same "
            f"reference: {_named(numbers)}.",
            "Refund one of the two, or resolve it with a note if the customer owes both."
            f"{where(Attentions.PAID_TWICE)}",
        )


def _stuck(scope: Scope) -> Iterator[Finding]:
    for alias, numbers in _numbers(stuck_refunds(), scope):
        yield _finding(
            alias,
            Level.WARNING,
            f"WeChat Pay could not pay back {counted(len(numbers), 'refund')}, of "
            f"{agreeing(len(numbers), 'order', 'orders')} {_named(numbers)}.",
            "The page of the refund offers to pay it back to another account."
            f"{where(Attentions.REFUND_ABNORMAL)}",
        )


def _numbers(rows: QuerySet[Any], scope: Scope) -> Iterator[tuple[str, list[str]]]:
    """Yield each merchant with the numbers of its orders, the newest first."""
    numbers: defaultdict[str, dict[str, None]] = defaultdict(dict)
    found = rows.filter(**scope.lookups("order__merchant")).order_by("-created_at")
    columns = "order__merchant", "order__out_trade_no"
    for alias, number in found.values_list(*columns)[:COUNTED_UP_TO]:
        numbers[alias][number] = None
    for alias, of_one in numbers.items():
        yield alias, list(of_one)


def _named(numbers: list[str]) -> str:
    more = len(numbers) - _NAMED
    return ", ".join(numbers[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _overdue(rows: QuerySet[Any], noun: str, scope: Scope) -> Iterator[Finding]:
    late = overdue(rows, scope.now)
    for alias, many, since in _by_merchant(late, "next_check_at", scope):
        verb = agreeing(many, "is", "are")
        yield _finding(
            alias,
            Level.WARNING,
            f"{counted(many, noun)} {verb} to be asked for, the first since {local_time(since)}.",
            "Run manage.py wxpay_sync: if it asks for them, no worker does; if it gets no answer, "
            f"the findings about hosts say why.{where(Attentions.OVERDUE)}",
        )


def _without_outcome(scope: Scope) -> Iterator[Finding]:
    rows = without_outcome(scope.now)
    for alias, many, since in _by_merchant(rows, "placed_at", scope):
        yield _finding(
            alias,
            Level.WARNING,
            f"The placing of {counted(many, 'order')} had no outcome, the first at "
            f"{local_time(since)}, and WeChat Pay has shown none of them since.",
            "They are asked for by themselves for two hours. Placing one again is safe."
            f"{where(Attentions.OUTCOME_UNKNOWN)}",
        )


def _by_merchant(
    rows: QuerySet[Any], column: str, scope: Scope
) -> Iterator[tuple[str, int, datetime]]:
    moments: defaultdict[str, list[datetime]] = defaultdict(list)
    found = rows.filter(**scope.lookups("merchant")).order_by(column)
    for alias, moment in found.values_list("merchant", column)[:COUNTED_UP_TO]:
        moments[alias].append(moment)
    for alias, of_one in moments.items():
        yield alias, len(of_one), of_one[0]


def _finding(alias: str, level: Level, message: str, advice: str = "") -> Finding:
    return Finding(
        merchant=alias, subject=Subject.ORDERS, level=level, message=message, advice=advice
    )
