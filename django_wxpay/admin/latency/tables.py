"""What stands beside the charts in rows and figures: all calls, failovers, the present backlog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_wxpay.admin.latency import formats as words
from django_wxpay.conf import LatencyLimits
from django_wxpay.latency import Tally
from django_wxpay.services import clock
from django_wxpay.services.latency.summary import Failover, Latency, Period
from django_wxpay.services.reports.queue import COUNTED_UP_TO, Backlog

# The older ones are marked in the charts.
FAILOVERS_SHOWN: Final = 20

# Makes the address of the single calls from the values they are to have.
AddressOf = Callable[..., str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One merchant's calls of one interface at one host; ``address`` leads to each of them."""

    interface: str
    merchant: str
    host: str
    calls: str
    failed: str
    rate: str
    failures: Sequence[tuple[str, str]]
    refused: str
    times: Sequence[str]
    address: str
    is_troubled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """A failover in words."""

    began: str
    ended: str
    merchant: str
    host: str
    calls: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number large enough to be read from across the room, and a few words below it."""

    name: str
    value: str
    note: str = ""
    is_bad: bool = False


def rows(summary: Sequence[Latency], period: Period, address_of: AddressOf) -> list[Row]:
    """Return the summary, row for row."""
    return [_row(each, period, address_of) for each in summary]


def standbys(failovers: Sequence[Failover], address_of: AddressOf) -> list[Standby]:
    """Return the latest failovers."""
    return [_standby(each, address_of) for each in failovers[:FAILOVERS_SHOWN]]


def figures(total: Tally, limits: LatencyLimits | None) -> list[Figure]:
    """Return what all calls together come to; what is beyond ``limits`` is bad."""
    failed = ngettext("%(count)s call", "%(count)s calls", total.failed)
    refused = ngettext("%(count)s refused", "%(count)s refused", total.refused)
    return [
        Figure(
            name=_("Calls"),
            value=words.count(total.calls),
            note=refused % {"count": words.count(total.refused)},
        ),
        Figure(
            name=_("Failed"),
            value=words.share(total.failure_rate),
            note=failed % {"count": words.count(total.failed)},
            is_bad=limits is not None and total.failure_rate > limits.failure_rate,
        ),
        Figure(name="p50", value=words.milliseconds(total.percentile_ms(50))),
        Figure(
            name="p95",
            value=words.milliseconds(total.percentile_ms(95)),
            is_bad=limits is not None and total.percentile_ms(95) > limits.p95_ms,
        ),
        Figure(name="p99", value=words.milliseconds(total.percentile_ms(99))),
        Figure(name=_("Slowest"), value=words.milliseconds(total.slowest_ms)),
    ]


def waiting_words(backlog: Backlog) -> str:
    """Return what waits to be reported at this moment, as a sentence."""
    if not backlog.waiting or backlog.oldest_at is None:
        return _("No call waits to be reported.")
    told = {
        "count": words.count(backlog.waiting),
        "time": words.since(backlog.oldest_at, clock.now()),
    }
    if backlog.waiting >= COUNTED_UP_TO:
        return _("%(count)s calls or more wait to be reported, the oldest since %(time)s.") % told
    sentence = ngettext(
        "%(count)s call waits to be reported, since %(time)s.",
        "%(count)s calls wait to be reported, the oldest since %(time)s.",
        backlog.waiting,
    )
    return sentence % told


def _row(latency: Latency, period: Period, address_of: AddressOf) -> Row:
    failed = sum(latency.failures.values())
    return Row(
        interface=urlsplit(latency.interface_url).path or latency.interface_url,
        merchant=latency.merchant,
        host=latency.host,
        calls=words.count(latency.count),
        failed=words.count(failed),
        rate=words.share(latency.failure_rate),
        failures=[(kind, words.count(number)) for kind, number in latency.failures.items()],
        refused=words.count(latency.refused),
        times=[
            words.count(each)
            for each in (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.slowest_ms)
        ],
        address=address_of(
            merchant=latency.merchant,
            host=latency.host,
            interface=latency.interface_url,
            **_between(period.start, period.end),
        ),
        is_troubled=failed > 0,
    )


def _standby(failover: Failover, address_of: AddressOf) -> Standby:
    return Standby(
        began=words.with_year(failover.began_at),
        ended=words.with_year(failover.ended_at),
        merchant=failover.merchant,
        host=failover.host,
        calls=words.count(failover.calls),
        address=address_of(
            merchant=failover.merchant,
            host=failover.host,
            **_between(failover.began_at, failover.ended_at + timedelta(milliseconds=1)),
        ),
    )


def _between(start: datetime, end: datetime) -> dict[str, Any]:
    """Return the conditions of the list of single calls."""
    return {"created_at__gte": start.isoformat(), "created_at__lt": end.isoformat()}
