"""Checks of the orders and refunds that WeChat Pay is asked for: overdue, or without an outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet

from django_wxpay.models import Order, Refund
from django_wxpay.protocol.facts import TradeState
from django_wxpay.services.doctor.findings import (
    COUNTED_UP_TO,
    Finding,
    Level,
    Subject,
    counted,
    local_time,
)
from django_wxpay.services.doctor.scope import Scope

# The sweep comes round in seconds, and a pause in trouble only moves what is due.
_OVERDUE: Final = timedelta(minutes=15)
# Longer than a placing takes, and than WeChat Pay needs to know the order.
_OUTCOME_WITHIN: Final = timedelta(minutes=5)


def check_orders(scope: Scope) -> Iterator[Finding]:
    """Yield by merchant how many checks are overdue, and how many placings had no outcome."""
    wrong = [
        *_overdue(Order.objects.all(), "order", scope),
        *_overdue(Refund.objects.all(), "refund", scope),
        *_without_outcome(scope),
    ]
    yield from wrong
    for alias in scope.aliases:
        if alias not in {finding.merchant for finding in wrong}:
            yield _finding(alias, Level.OK, "WeChat Pay is asked in time for all that is open.")


def _overdue(rows: QuerySet[Any], noun: str, scope: Scope) -> Iterator[Finding]:
    late = rows.filter(next_check_at__lte=scope.now - _OVERDUE)
    for alias, many, since in _by_merchant(late, "next_check_at", scope):
        verb = "is" if many == 1 else "are"
        yield _finding(
            alias,
            Level.WARNING,
            f"{counted(many, noun)} {verb} to be asked for, the first since {local_time(since)}.",
            "Run manage.py wxpay_sync: if it asks for them, no worker does; if it gets no answer, "
            "the findings about hosts say why.",
        )


def _without_outcome(scope: Scope) -> Iterator[Finding]:
    rows = Order.objects.filter(
        trade_state=TradeState.CREATED,
        next_check_at__isnull=False,
        placed_at__lte=scope.now - _OUTCOME_WITHIN,
    )
    for alias, many, since in _by_merchant(rows, "placed_at", scope):
        yield _finding(
            alias,
            Level.WARNING,
            f"The placing of {counted(many, 'order')} had no outcome, the first at "
            f"{local_time(since)}, and WeChat Pay has shown none of them since.",
            "They are asked for by themselves for two hours. Placing one again is safe.",
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
