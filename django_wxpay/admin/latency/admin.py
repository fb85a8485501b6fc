"""API latency: one page of charts, figures and tables, in the place of a list of hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_wxpay.admin import display
from django_wxpay.admin.base import ReadOnlyAdmin
from django_wxpay.admin.filters import configured
from django_wxpay.admin.latency import charts, form, formats
from django_wxpay.conf import LatencyLimits
from django_wxpay.latency import Tally
from django_wxpay.models import ApiReport, HourlyLatency
from django_wxpay.services import clock
from django_wxpay.services.latency import summary
from django_wxpay.services.latency.summary import Failover, Latency, Period
from django_wxpay.services.reports import queue

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
    began: str
    ended: str
    merchant: str
    host: str
    calls: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One large number at the top of the page, with a note below it."""

    name: str
    value: str
    note: str = ""
    is_bad: bool = False


@admin.register(HourlyLatency)
class HourlyLatencyAdmin(ReadOnlyAdmin):
    ordering: ClassVar[tuple[str, ...]] = ("-hour", "-id")

    def holds(self, request: HttpRequest, verb: str) -> bool:
        """Return whether this person may see the calls, and so their summary."""
        opts = ApiReport._meta  # noqa: SLF001 - Django's documented model API
        return request.user.has_perm(f"{opts.app_label}.{verb}_{opts.model_name}")

    def get_urls(self) -> list[Any]:
        """Return the address of the page; an hour has none of its own."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        page: URLPattern = path("", self.admin_site.admin_view(self.changelist_view), name=name)
        return [page]

    def changelist_view(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = form.asked(request.GET)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": self.opts.verbose_name,
            "asked": wanted,
            **self._figures(wanted),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/django_wxpay/latency.html", context)

    def _figures(self, wanted: form.Asked) -> dict[str, Any]:
        measurements = summary.measure(wanted.period, wanted.scope)
        config = configured()
        in_sum = measurements.summary()
        failovers = measurements.failovers()
        by_hour = queue.backlog_by_hour(wanted.period)
        by_host = measurements.time_series(summary.host_of, step=wanted.step)
        by_interface = measurements.time_series(summary.interface_of, step=wanted.step)
        latency = charts.latency_charts(by_interface, wanted.step)
        hosts = charts.host_charts(by_host, wanted.step)
        total = charts.total_of(chain.from_iterable(by_host.series.values()))
        waited = (
            [charts.backlog_chart(by_hour, wanted.period, wanted.step)]
            if any(by_hour.values())
            else []
        )
        return {
            "ranges": form.ranges(wanted),
            "shown": _shown(wanted),
            "merchants": form.merchants(wanted, in_sum),
            "hosts": form.hosts(wanted, in_sum),
            "figures": figures(total, config.latency_limits if config else None),
            "groups": {
                "latency": _group(latency),
                "hosts": _group(hosts),
                "backlog": _group(waited),
            },
            "backlog_was_counted": bool(by_hour),
            "data": charts.data_of([*latency, *hosts, *waited]),
            "rows": rows(in_sum, wanted.period, self._calls_address),
            "standbys": standbys(failovers, self._calls_address),
            "failovers": len(failovers),
            "waiting": waiting_sentence(queue.backlog()),
            "calls_address": self._calls_address(),
            "retention_days": config.api_report_retention_days if config else None,
        }

    def _calls_address(self, **lookups: str) -> str:
        """Return the address of the calls with these values, or "" where this site has none."""
        return display.list_address(self.admin_site, ApiReport, **lookups)


def _group(drawn: Sequence[charts.Chart]) -> dict[str, Sequence[charts.Chart]]:
    return {"in_sight": drawn[: charts.IN_SIGHT], "others": drawn[charts.IN_SIGHT :]}


def _shown(wanted: form.Asked) -> dict[str, Any]:
    return {
        "start": formats.with_year(wanted.period.start),
        "end": formats.with_year(wanted.period.end),
        "zone": timezone.get_current_timezone_name(),
        "step": formats.length(wanted.step),
    }


def rows(summary: Sequence[Latency], period: Period, address_of: AddressOf) -> list[Row]:
    """Return one row for each row of ``summary``."""
    return [_row(each, period, address_of) for each in summary]


def standbys(failovers: Sequence[Failover], address_of: AddressOf) -> list[Standby]:
    """Return the latest failovers."""
    return [_standby(each, address_of) for each in failovers[:FAILOVERS_SHOWN]]


def figures(total: Tally, limits: LatencyLimits | None) -> list[Figure]:
    """Return the figures of all calls together; one beyond ``limits`` is bad."""
    failed = ngettext("%(count)s call", "%(count)s calls", total.failed)
    refused = ngettext("%(count)s refused", "%(count)s refused", total.refused)
    return [
        Figure(
            name=_("Calls"),
            value=formats.count(total.calls),
            note=refused % {"count": formats.count(total.refused)},
        ),
        Figure(
            name=_("Failed"),
            value=formats.share(total.failure_rate),
            note=failed % {"count": formats.count(total.failed)},
            is_bad=limits is not None and total.failure_rate > limits.failure_rate,
        ),
        Figure(name="p50", value=formats.milliseconds(total.percentile_ms(50))),
        Figure(
            name="p95",
            value=formats.milliseconds(total.percentile_ms(95)),
            is_bad=limits is not None and total.percentile_ms(95) > limits.p95_ms,
        ),
        Figure(name="p99", value=formats.milliseconds(total.percentile_ms(99))),
        Figure(name=_("Slowest"), value=formats.milliseconds(total.slowest_ms)),
    ]


def waiting_sentence(now: queue.Backlog) -> str:
    """Return the present backlog as a sentence."""
    if not now.waiting or now.oldest_at is None:
        return _("No call waits to be reported.")
    values = {
        "count": formats.count(now.waiting),
        "time": formats.since(now.oldest_at, clock.now()),
    }
    if now.waiting >= queue.COUNTED_UP_TO:
        return _("%(count)s calls or more wait to be reported, the oldest since %(time)s.") % values
    sentence = ngettext(
        "%(count)s call waits to be reported, since %(time)s.",
        "%(count)s calls wait to be reported, the oldest since %(time)s.",
        now.waiting,
    )
    return sentence % values


def _row(latency: Latency, period: Period, address_of: AddressOf) -> Row:
    failed = sum(latency.failures.values())
    return Row(
        interface=urlsplit(latency.interface_url).path or latency.interface_url,
        merchant=latency.merchant,
        host=latency.host,
        calls=formats.count(latency.count),
        failed=formats.count(failed),
        rate=formats.share(latency.failure_rate),
        failures=[(kind, formats.count(number)) for kind, number in latency.failures.items()],
        refused=formats.count(latency.refused),
        times=[
            formats.count(each)
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
        began=formats.with_year(failover.began_at),
        ended=formats.with_year(failover.ended_at),
        merchant=failover.merchant,
        host=failover.host,
        calls=formats.count(failover.calls),
        address=address_of(
            merchant=failover.merchant,
            host=failover.host,
            **_between(failover.began_at, failover.ended_at + timedelta(milliseconds=1)),
        ),
    )


def _between(start: datetime, end: datetime) -> dict[str, Any]:
    """Return the lookups of the list of calls."""
    return {"created_at__gte": start.isoformat(), "created_at__lt": end.isoformat()}
