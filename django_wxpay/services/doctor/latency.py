"""Whether calls are answered, and in time, by ``LATENCY_LIMITS``: passed means greater than."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.conf import LatencyLimits
from django_wxpay.protocol.v2.reports import WHOLE_SALE_PATH
from django_wxpay.services.doctor.findings import Finding, Level, Subject, advice_on
from django_wxpay.services.doctor.scope import Examination
from django_wxpay.services.latency.summary import Latency, Period, measured

_SLOW: Final = (
    "Compare with the other hosts and hours under API latency in the admin: if only one is slow, "
    "the way there is; if it is always so, raise LATENCY_LIMITS."
)


def latency(seen: Examination) -> Iterator[Finding]:
    """Yield what passes the limits; a merchant without any of that gets one line."""
    period = Period.covering(span=timedelta(hours=seen.hours))
    rows = [row for row in measured(period).summary() if seen.includes(row.merchant)]
    for alias in dict.fromkeys([*seen.aliases, *(row.merchant for row in rows)]):
        of_one = [row for row in rows if row.merchant == alias]
        too_bad = [row for row in of_one if _passes(row, seen.limits)]
        if too_bad:
            yield from (_too_bad(row, seen.limits) for row in too_bad)
        else:
            yield _well(alias, of_one, hours=seen.hours)


def _passes(row: Latency, limits: LatencyLimits) -> bool:
    return row.failure_rate > limits.failure_rate or _is_slow(row, limits)


def _is_slow(row: Latency, limits: LatencyLimits) -> bool:
    # A sale as a whole is no call: it lasts as long as its customer looks for the password.
    is_call = urlsplit(row.interface_url).path != WHOLE_SALE_PATH
    return is_call and row.p95_ms > limits.p95_ms


def _too_bad(row: Latency, limits: LatencyLimits) -> Finding:
    said = []
    if row.failure_rate > limits.failure_rate:
        kinds = ", ".join(f"{kind} {count}" for kind, count in row.failures.items())
        said.append(
            f"{_percent(row.failure_rate)} failed (limit {_percent(limits.failure_rate)}): {kinds}"
        )
    if _is_slow(row, limits):
        said.append(f"p95 is {row.p95_ms} ms (limit {limits.p95_ms} ms)")
    path = urlsplit(row.interface_url).path
    calls = f"{row.count} call{'' if row.count == 1 else 's'}"
    return Finding(
        merchant=row.merchant,
        subject=Subject.LATENCY,
        level=Level.ERROR,
        message=f"{path} at {row.host}, {calls}: {'; '.join(said)}.",
        advice=_advice(row, limits),
    )


def _advice(row: Latency, limits: LatencyLimits) -> str:
    if row.failure_rate <= limits.failure_rate:
        return _SLOW
    return advice_on(max(row.failures, key=lambda kind: row.failures[kind]))


def _well(alias: str, rows: Sequence[Latency], *, hours: int) -> Finding:
    if rows:
        p95_ms = max(row.p95_ms for row in rows)
        rate = max(row.failure_rate for row in rows)
        calls = sum(row.count for row in rows)
        message = f"{calls} calls: at worst {_percent(rate)} failed and p95 is {p95_ms} ms."
    else:
        message = f"No calls in this hour and the {hours} before."
    return Finding(merchant=alias, subject=Subject.LATENCY, level=Level.OK, message=message)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
