"""The form of the latency page: which calls, of which time, in how fine steps.

An error is one sentence on the page, above the last 24 hours. A chart has at most 105 steps;
longer steps begin at midnight, where the clocks here are whole hours apart from UTC and are not
changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin.filters import configured_hosts, configured_merchants
from django_wxpay.services import clock
from django_wxpay.services.latency.summary import EVERYTHING, Latency, Period, Scope

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)

DEFAULT: Final = "24h"
PRESETS: Final[dict[str, tuple[timedelta, Any]]] = {
    "24h": (timedelta(hours=24), _("24 hours")),
    "7d": (timedelta(days=7), _("7 days")),
    "30d": (timedelta(days=30), _("30 days")),
    "90d": (timedelta(days=90), _("90 days")),
}

# A time of at most so much is shown in such steps.
_STEPS: Final = (
    (timedelta(days=3), HOUR),
    (timedelta(days=14), timedelta(hours=6)),
    (timedelta(days=93), DAY),
)
_LONGEST: Final = timedelta(days=366)
# WeChat Pay is younger, and no time zone has surprises here.
_FIRST_DAY: Final = date(2005, 1, 1)
_LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``preset`` is "" where days were asked for; ``complaint`` is "" where nothing is wrong."""

    period: Period
    step: timedelta
    scope: Scope
    preset: str = ""
    first_day: date | None = None
    last_day: date | None = None
    complaint: str = ""


class NameField(forms.CharField):
    """A name that a row may have; no other reaches the database."""

    def clean(self, value: Any) -> str:
        name = str(value or "").strip()
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise forms.ValidationError(_("There is no such merchant or host."))
        return name


class DayField(forms.DateField):
    default_error_messages = {  # noqa: RUF012 - as Django declares it
        "invalid": _("This is not a date. Write it like 2026-01-31.")
    }


class LatencyForm(forms.Form):
    """The first error is the one that is shown, so the order of the fields matters."""

    merchant = NameField(required=False)
    host = NameField(required=False)
    first_day = DayField(required=False, input_formats=["%Y-%m-%d"])
    last_day = DayField(required=False, input_formats=["%Y-%m-%d"])
    range = forms.ChoiceField(
        choices=[(preset, label) for preset, (_span, label) in PRESETS.items()],
        required=False,
        error_messages={"invalid_choice": _("There is no such range.")},
    )

    def add_prefix(self, field_name: str) -> str:
        # "from" is a keyword of Python, and no attribute can have that name.
        return {"first_day": "from", "last_day": "to"}.get(field_name, field_name)

    def clean(self) -> dict[str, Any]:
        """Complete the days: where one alone is given, the other follows from it."""
        today = timezone.localdate(clock.now())
        first: date | None = self.cleaned_data.get("first_day") or self.cleaned_data.get("last_day")
        last: date = self.cleaned_data.get("last_day") or today
        if first is None:
            return self.cleaned_data
        if first > today:
            raise forms.ValidationError(_("These days are still to come."))
        if last < first:
            raise forms.ValidationError(_("The range ends before it begins."))
        if last - first > _LONGEST:
            raise forms.ValidationError(_("A range is a year at most."))
        if first < _FIRST_DAY:
            raise forms.ValidationError(_("There were no calls in those days."))
        return self.cleaned_data | {"first_day": first, "last_day": min(last, today)}


def asked(query: Mapping[str, Any]) -> Asked:
    """Return what the address of the page asks for; the last 24 hours where it is wrong."""
    form = LatencyForm(query)
    complaint = "" if form.is_valid() else str(next(iter(form.errors.values()))[0])
    given = form.cleaned_data
    scope = EVERYTHING
    if "merchant" in given and "host" in given:
        scope = Scope(merchant=given["merchant"], host=given["host"])
    if complaint:
        return _recent(DEFAULT, scope, complaint)
    first_day, last_day = given["first_day"], given["last_day"]
    if first_day is None:
        return _recent(given["range"] or DEFAULT, scope)
    start = _midnight(first_day)
    end = min(_midnight(last_day + DAY), clock.now())
    return Asked(
        period=Period.covering(after=start, before=end, span=DAY),
        step=_step(end - start),
        scope=scope,
        first_day=first_day,
        last_day=last_day,
    )


def ranges(wanted: Asked) -> list[tuple[str, Any, bool]]:
    """Return the address and label of each preset, and whether it is the present one."""
    kept = {"merchant": wanted.scope.merchant, "host": wanted.scope.host}
    lookups = {name: value for name, value in kept.items() if value}
    return [
        (f"?{urlencode({'range': preset, **lookups})}", label, preset == wanted.preset)
        for preset, (_span, label) in PRESETS.items()
    ]


def merchants(wanted: Asked, summary: Sequence[Latency]) -> list[str]:
    """Return those of the settings and those that called; none where there is no choice."""
    called = {row.merchant for row in summary}
    return _several(configured_merchants() | called, wanted.scope.merchant)


def hosts(wanted: Asked, summary: Sequence[Latency]) -> list[str]:
    """Return those of the settings and those that were called; none where there is no choice."""
    return _several(configured_hosts() | {row.host for row in summary}, wanted.scope.host)


def _several(names: set[str], chosen: str) -> list[str]:
    every = sorted({*names, chosen} - {""})
    return every if len(every) > 1 or chosen else []


def _recent(preset: str, scope: Scope, complaint: str = "") -> Asked:
    now = clock.now()
    span = PRESETS[preset][0]
    step = _step(span)
    after = _aligned(now - span, step)
    period = Period.covering(after=after, before=now, span=span)
    return Asked(period=period, step=step, scope=scope, preset=preset, complaint=complaint)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def _step(length: timedelta) -> timedelta:
    return next((step for longest, step in _STEPS if length <= longest), WEEK)


def _aligned(moment: datetime, step: timedelta) -> datetime:
    """Return the begin of the first step, so that a day begins at midnight here."""
    local = timezone.localtime(moment)
    if step == HOUR:
        return local
    hours = min(step, DAY) // HOUR
    return local.replace(hour=local.hour // hours * hours, minute=0, second=0, microsecond=0)
