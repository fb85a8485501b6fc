"""Which calls the latency page is asked for: when, whose, where to, and in how fine steps.

What cannot be understood is told in a sentence, and the last 24 hours are shown instead. A
chart has at most 105 steps; longer ones begin at midnight, where the clocks here are whole
hours apart from UTC and are not changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from django_wxpay.services import clock
from django_wxpay.services.latency.summary import EVERYTHING, Period, Scope

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

# A time up to so long is shown in such steps.
_STEPS: Final = (
    (timedelta(days=3), HOUR),
    (timedelta(days=14), timedelta(hours=6)),
    (timedelta(days=93), DAY),
)
_LONGEST: Final = timedelta(days=366)
# Before this there was nothing to call.
_FIRST_DAY: Final = date(2005, 1, 1)
_LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``preset`` is "" where days were asked for; ``complaint`` is "" where all was well."""

    period: Period
    step: timedelta
    scope: Scope
    preset: str = ""
    first_day: date | None = None
    last_day: date | None = None
    complaint: Any = ""


class _Nonsense(Exception):
    """What was asked for, and why it cannot be shown."""

    def __init__(self, complaint: Any) -> None:
        super().__init__(complaint)
        self.complaint = complaint


def asked(query: Mapping[str, Any]) -> Asked:
    """Return what the page's address asks for."""
    try:
        scope = Scope(merchant=_name(query, "merchant"), host=_name(query, "host"))
    except _Nonsense as nonsense:
        return _recent(DEFAULT, EVERYTHING, nonsense.complaint)
    try:
        first_day, last_day = _days(query)
    except _Nonsense as nonsense:
        return _recent(DEFAULT, scope, nonsense.complaint)
    if first_day is None or last_day is None:
        preset = query.get("range") or DEFAULT
        if preset in PRESETS:
            return _recent(preset, scope)
        return _recent(DEFAULT, scope, _("There is no such range."))
    start = _midnight(first_day)
    end = min(_midnight(last_day + DAY), clock.now())
    step = _step(end - start)
    return Asked(
        period=Period.covering(after=start, before=end, span=DAY),
        step=step,
        scope=scope,
        first_day=first_day,
        last_day=last_day,
    )


def _recent(preset: str, scope: Scope, complaint: Any = "") -> Asked:
    now = clock.now()
    span = PRESETS[preset][0]
    step = _step(span)
    after = _aligned(now - span, step)
    period = Period.covering(after=after, before=now, span=span)
    return Asked(period=period, step=step, scope=scope, preset=preset, complaint=complaint)


def _name(query: Mapping[str, Any], parameter: str) -> str:
    """Return a name that a row may have; a database is not asked for any other."""
    name = str(query.get(parameter) or "").strip()
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise _Nonsense(_("There is no such merchant or host."))
    return name


def _days(query: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """Return the first and the last day asked for; of one alone, the other follows."""
    first, last = _day(query.get("from")), _day(query.get("to"))
    if first is None and last is None:
        return None, None
    today = timezone.localdate(clock.now())
    first = first or last or today
    last = last or today
    if first > today:
        raise _Nonsense(_("These days are still to come."))
    if last < first:
        raise _Nonsense(_("The range ends before it begins."))
    if last - first > _LONGEST:
        raise _Nonsense(_("A range is a year at most."))
    if first < _FIRST_DAY:
        raise _Nonsense(_("There were no calls in those days."))
    return first, min(last, today)


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise _Nonsense(_("This is not a date. Write it like 2026-01-31."))
    return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def _step(length: timedelta) -> timedelta:
    return next((step for longest, step in _STEPS if length <= longest), WEEK)


def _aligned(moment: datetime, step: timedelta) -> datetime:
    """Return where the first step begins, so that days are days here."""
    local = timezone.localtime(moment)
    if step == HOUR:
        return local
    hours = min(step, DAY) // HOUR
    return local.replace(hour=local.hour // hours * hours, minute=0, second=0, microsecond=0)
