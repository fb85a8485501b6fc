"""Check of recorded calls against ``LATENCY_LIMITS``.

A limit is passed by more than its value, and not by the value itself. Few calls are no measure:
what passes a limit by them alone is a warning, so that one lost packet wakes nobody up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.conf import LatencyLimits
from django_wxpay.protocol.v2.reports import WHOLE_SALE_PATH
from django_wxpay.services.doctor.findings import (
    Finding,
    Level,
    Subject,
    advice_for_failure,
    agreeing,
)
from django_wxpay.services.doctor.scope import Scope
from django_wxpay.services.latency.summary import Latency, Period, measure

_FAILED_CALLS: Final = 3
# The slowest of twenty is what a 95th percentile leaves out.
_SLOW_CALLS: Final = 20
_SLOW: Final = (
    "Compare with the other hosts and hours under API latency in the admin: if only one is slow, "
    "the network to it is; if it is always so, raise LATENCY_LIMITS."
)


def check_latency(scope: Scope) -> Iterator[Finding]:
    """Yield the calls that pass a limit, and one OK for each merchant that has none."""
    period = Period.covering(span=timedelta(hours=scope.hours))
    rows = [row for row in measure(period).summary() if scope.includes(row.merchant)]
    for alias in dict.fromkeys([*scope.aliases, *(row.merchant for row in rows)]):
        of_one = [row for row in rows if row.merchant == alias]
        over = [row for row in of_one if _is_over(row, scope.limits)]
        if over:
            yield from (_over(row, scope.limits) for row in over)
        else:
            yield _ok(alias, of_one, hours=scope.hours)


def _is_over(row: Latency, limits: LatencyLimits) -> bool:
    return row.failure_rate > limits.failure_rate or _is_slow(row, limits)


def _is_certain(row: Latency, limits: LatencyLimits) -> bool:
    fails = row.failure_rate > limits.failure_rate and sum(row.failures.values()) >= _FAILED_CALLS
    return fails or (_is_slow(row, limits) and row.count >= _SLOW_CALLS)


def _is_slow(row: Latency, limits: LatencyLimits) -> bool:
    # A Quick Pay sale is no call: it lasts until the customer has typed the password.
    is_call = urlsplit(row.interface_url).path != WHOLE_SALE_PATH
    return is_call and row.p95_ms > limits.p95_ms


def _over(row: Latency, limits: LatencyLimits) -> Finding:
    reasons = []
    if row.failure_rate > limits.failure_rate:
        kinds = ", ".join(f"{kind} {count}" for kind, count in row.failures.items())
        reasons.append(
            f"{_percent(row.failure_rate)} failed (limit {_percent(limits.failure_rate)}): {kinds}"
        )
    if _is_slow(row, limits):
        reasons.append(f"p95 is {row.p95_ms} ms (limit {limits.p95_ms} ms)")
    path = urlsplit(row.interface_url).path
    calls = f"{row.count} {agreeing(row.count, 'call', 'calls')}"
    return Finding(
        merchant=row.merchant,
        subject=Subject.LATENCY,
        level=Level.ERROR if _is_certain(row, limits) else Level.WARNING,
        message=f"{path} at {row.host}, {calls}: {'; '.join(reasons)}.",
        advice=_advice(row, limits),
    )


def _advice(row: Latency, limits: LatencyLimits) -> str:
    if row.failure_rate <= limits.failure_rate:
        return _SLOW
    worst = max(row.failures, key=lambda kind: row.failures[kind])
    # Of calls of the past: how the host answers now is another check's.
    return f"What these calls met, and what to do if it lasts: {advice_for_failure(worst)}"


def _ok(alias: str, rows: Sequence[Latency], *, hours: int) -> Finding:
    if rows:
        p95_ms = max(row.p95_ms for row in rows)
        rate = max(row.failure_rate for row in rows)
        calls = sum(row.count for row in rows)
        of_calls = f"{calls} {agreeing(calls, 'call', 'calls')}"
        message = f"{of_calls}: at worst {_percent(rate)} failed and p95 is {p95_ms} ms."
    else:
        message = f"No calls in this hour and the {hours} before."
    return Finding(merchant=alias, subject=Subject.LATENCY, level=Level.OK, message=message)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
