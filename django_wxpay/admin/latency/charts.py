"""What the charts of the latency page show: a chart an interface, one a host, one of the backlog.

A step without calls is a gap where a time is asked for, and a zero where a number is; one in
which nobody counted the backlog is a gap. Every chart's figures stand in a table as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.translation import gettext as _

from django_wxpay.admin.latency import formats as words
from django_wxpay.latency import Tally
from django_wxpay.services.latency.summary import Period, TimeSeries

# The busiest of each kind stand open on the page, the others behind a click.
IN_SIGHT: Final = 6
# Nobody compares more than these; the rest is in the table.
DRAWN: Final = 24

_PERCENTS: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, or one colour of the bars; ``role`` is what latency.js draws it by."""

    name: str
    role: str
    values: Sequence[int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """``summary`` stands below the title; ``unit`` is "" where the numbers are just numbers."""

    id: str
    kind: str
    title: str
    summary: str
    series: Sequence[Series]
    steps: Sequence[words.Step]
    unit: str = ""

    @property
    def label(self) -> str:
        """What the picture shows, for those who do not see it."""
        return f"{self.title}: {self.summary}"

    @property
    def columns(self) -> list[str]:
        """The heads of the table."""
        return [f"{one.name} {self.unit}".strip() for one in self.series]

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """Return the title and the figures of each step."""
        figures = zip(*(one.values for one in self.series), strict=True)
        return [
            (step.title, [words.NOTHING if each is None else words.count(each) for each in row])
            for step, row in zip(self.steps, figures, strict=True)
        ]

    def drawing(self) -> dict[str, Any]:
        """Return what latency.js needs to draw it."""
        series = [
            {"name": one.name, "role": one.role, "values": list(one.values)} for one in self.series
        ]
        return {"id": self.id, "kind": self.kind, "unit": self.unit, "series": series}


def latency_charts(by_interface: TimeSeries, step: timedelta) -> list[Chart]:
    """Return the percentiles of each interface, the busiest first."""
    return _charts(by_interface, step, _latency_chart)


def host_charts(by_host: TimeSeries, step: timedelta) -> list[Chart]:
    """Return calls, failures and failovers of each host, the busiest first."""
    return _charts(by_host, step, _host_chart)


def backlog_chart(waiting: Mapping[datetime, int], period: Period, step: timedelta) -> Chart:
    """Return the most that waited in each step in which somebody looked."""
    begins = [period.start + n * step for n in range(-(-(period.end - period.start) // step))]
    most: list[int | None] = [None] * len(begins)
    for hour, number in waiting.items():
        place = (hour - period.start) // step
        most[place] = max(number, most[place] or 0)
    return Chart(
        id="backlog",
        kind="backlog",
        title=_("Calls that waited to be reported"),
        summary=_("%(count)s at most") % {"count": words.count(max(waiting.values(), default=0))},
        series=[Series(name=_("Waiting"), role="waiting", values=most)],
        steps=words.steps(begins, step),
    )


def data_of(charts: Sequence[Chart]) -> dict[str, Any]:
    """Return what the page hands to latency.js; all its charts have the same steps."""
    steps = charts[0].steps if charts else []
    return {
        "labels": [step.label for step in steps],
        "titles": [step.title for step in steps],
        "marks": [number for number, step in enumerate(steps) if step.is_marked],
        "charts": [chart.drawing() for chart in charts],
    }


def total_of(tallies: Iterable[Tally]) -> Tally:
    """Return what they come to together."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


_Drawer = Callable[[int, str, Sequence[Tally], Sequence[words.Step]], Chart]


def _charts(over_time: TimeSeries, step: timedelta, drawn: _Drawer) -> list[Chart]:
    steps = words.steps(over_time.buckets, step)
    lines = sorted(over_time.series.items(), key=_calls, reverse=True)[:DRAWN]
    return [drawn(number, name, line, steps) for number, (name, line) in enumerate(lines)]


def _calls(line: tuple[str, Sequence[Tally]]) -> int:
    return sum(tally.calls for tally in line[1])


def _latency_chart(
    number: int,
    name: str,
    line: Sequence[Tally],
    steps: Sequence[words.Step],
) -> Chart:
    total = total_of(line)
    return Chart(
        id=f"latency-{number}",
        kind="latency",
        title=name,
        summary=_("%(calls)s calls: p50 %(p50)s, p95 %(p95)s, p99 %(p99)s")
        % {
            "calls": words.count(total.calls),
            **{f"p{each}": words.milliseconds(total.percentile_ms(each)) for each in _PERCENTS},
        },
        series=[
            Series(
                name=f"p{percent}",
                role=f"p{percent}",
                values=[tally.percentile_ms(percent) if tally.calls else None for tally in line],
            )
            for percent in _PERCENTS
        ],
        steps=steps,
        unit="ms",
    )


def _host_chart(
    number: int,
    name: str,
    line: Sequence[Tally],
    steps: Sequence[words.Step],
) -> Chart:
    total = total_of(line)
    series = [
        Series(
            name=_("Answered"),
            role="answered",
            values=[tally.calls - tally.failed for tally in line],
        ),
        Series(name=_("Failed"), role="failed", values=[tally.failed for tally in line]),
    ]
    if total.standby_calls:
        moments = [tally.standby_calls or None for tally in line]
        series.append(Series(name=_("Failover"), role="standby", values=moments))
    return Chart(
        id=f"host-{number}",
        kind="calls",
        title=name,
        summary=_("%(calls)s calls: %(failed)s failed, %(rate)s")
        % {
            "calls": words.count(total.calls),
            "failed": words.count(total.failed),
            "rate": words.share(total.failure_rate),
        },
        series=series,
        steps=steps,
    )
