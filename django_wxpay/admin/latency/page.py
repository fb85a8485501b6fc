"""API latency: the page that shows how well WeChat Pay answers, and what stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from django_wxpay.admin.base import Ledger
from django_wxpay.admin.latency import charts, tables
from django_wxpay.admin.latency import formats as words
from django_wxpay.admin.latency import query as choices
from django_wxpay.admin.latency.ranges import Asked, asked
from django_wxpay.models import ApiReport, HourlyLatency
from django_wxpay.services.latency import summary
from django_wxpay.services.reports import queue


@admin.register(HourlyLatency)
class HourlyLatencyAdmin(Ledger):
    """One page instead of a list: the hours say nothing one by one."""

    ordering: ClassVar[tuple[str, ...]] = ("-hour", "-id")

    def holds(self, request: HttpRequest, verb: str) -> bool:
        """Say whether this person may see the calls, and so what they come to."""
        opts = ApiReport._meta  # noqa: SLF001 - Django's documented model API
        return request.user.has_perm(f"{opts.app_label}.{verb}_{opts.model_name}")

    def get_urls(self) -> list[Any]:
        """Return the address of the page; a row has none."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        page: URLPattern = path("", self.admin_site.admin_view(self.changelist_view), name=name)
        return [page]

    def changelist_view(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the charts and their tables."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = asked(request.GET)
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

    def _figures(self, wanted: Asked) -> dict[str, Any]:
        measurements = summary.measure(wanted.period, wanted.scope)
        in_sum = measurements.summary()
        failovers = measurements.failovers()
        by_hour = queue.backlog_by_hour(wanted.period)
        by_host = measurements.time_series(summary.host_of, step=wanted.step)
        by_interface = measurements.time_series(summary.interface_of, step=wanted.step)
        latency = charts.latency_charts(by_interface, wanted.step)
        hosts = charts.host_charts(by_host, wanted.step)
        total = charts.total_of(chain.from_iterable(by_host.series.values()))
        # Of nothing there is no picture.
        waited = (
            [charts.backlog_chart(by_hour, wanted.period, wanted.step)]
            if any(by_hour.values())
            else []
        )
        return {
            "ranges": choices.ranges(wanted),
            "shown": _shown(wanted),
            "merchants": choices.merchants(wanted, in_sum),
            "hosts": choices.hosts(wanted, in_sum),
            "figures": tables.figures(total, choices.limits()),
            "groups": {
                "latency": _group(latency),
                "hosts": _group(hosts),
                "backlog": _group(waited),
            },
            "backlog_was_counted": bool(by_hour),
            "data": charts.data_of([*latency, *hosts, *waited]),
            "rows": tables.rows(in_sum, wanted.period, self._calls_address),
            "standbys": tables.standbys(failovers, self._calls_address),
            "failovers": len(failovers),
            "waiting": tables.waiting_words(queue.backlog()),
            "calls_address": self._calls_address(),
            "retention_days": choices.retention_days(),
        }

    def _calls_address(self, **lookups: str) -> str:
        """Return where the single calls with these values are listed."""
        opts = ApiReport._meta  # noqa: SLF001 - Django's documented model API
        name = f"admin:{opts.app_label}_{opts.model_name}_changelist"
        address = reverse(name, current_app=self.admin_site.name)
        return f"{address}?{urlencode(lookups)}" if lookups else address


def _group(drawn: Sequence[charts.Chart]) -> dict[str, Sequence[charts.Chart]]:
    return {"in_sight": drawn[: charts.IN_SIGHT], "others": drawn[charts.IN_SIGHT :]}


def _shown(wanted: Asked) -> dict[str, Any]:
    """Return the time that is shown, in words."""
    return {
        "start": words.with_year(wanted.period.start),
        "end": words.with_year(wanted.period.end),
        "zone": timezone.get_current_timezone_name(),
        "step": words.length(wanted.step),
    }
