"""Numbers and times on the latency page: grouped, with their units, in local time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format, get_format, number_format
from django.utils.translation import gettext as _

from django_wxpay.admin.latency.form import DAY, HOUR, WEEK

NOTHING: Final = "–"

# A step that begins an hour off midnight, after clocks were changed, is still of its day.
_NOON: Final = timedelta(hours=12)
# An hour in so many has its time written below the chart.
_MARKED_HOURS: Final = 6


@dataclass(frozen=True, slots=True)
class Step:
    """``label`` stands below a chart where ``is_marked``; ``title`` names the whole step."""

    label: str
    title: str
    is_marked: bool


def count(number: int) -> str:
    """Return a whole number in groups of three, also where the language has no separator."""
    return f"{number:,}".replace(",", get_format("THOUSAND_SEPARATOR") or ",")


def milliseconds(number: int) -> str:
    """Return a time that a call took, which no line break parts from its unit."""
    return f"{count(number)}\N{NO-BREAK SPACE}ms"


def share(part: float) -> str:
    """Return a share, 0 to 1, in per cent; a small one is not rounded to nothing."""
    if 0 < part < 0.001:
        return f"< {number_format(0.1, 1)}%"
    return f"{number_format(round(part * 100, 1), 1)}%" if part else "0%"


def day(moment: datetime) -> str:
    # Translators: how a day of this year is written, in the letters of Django's date filter.
    return date_format(timezone.localtime(moment), _("M j"))


def clock_time(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "H:i")


def day_and_time(moment: datetime) -> str:
    return f"{day(moment)} {clock_time(moment)}"


def with_year(moment: datetime) -> str:
    # Translators: how a moment is written, in the letters of Django's date filter.
    return date_format(timezone.localtime(moment), _("M j, Y, H:i"))


def since(moment: datetime, now: datetime) -> str:
    """Return the time, with its day unless that is today, and its year unless it is this one."""
    then, today = timezone.localtime(moment), timezone.localtime(now)
    if then.date() == today.date():
        return clock_time(moment)
    return day_and_time(moment) if then.year == today.year else with_year(moment)


def length(step: timedelta) -> str:
    """Return the sentence that explains one point or bar of a chart."""
    sentences = {
        HOUR: _("Each point is an hour."),
        DAY: _("Each point is a day."),
        WEEK: _("Each point is a week."),
    }
    return sentences.get(step) or _("Each point is six hours.")


def steps(begins: Sequence[datetime], step: timedelta) -> list[Step]:
    """Return label and title of each step of a chart."""
    if step >= DAY:
        noons = [each + _NOON for each in begins]
        return [Step(day(noon), _days(noon, step), is_marked=True) for noon in noons]
    is_short = len(begins) * step < 2 * DAY
    return [_hours(each, step, is_short=is_short) for each in begins]


def _hours(begin: datetime, step: timedelta, *, is_short: bool) -> Step:
    hour = timezone.localtime(begin).hour
    is_midnight = hour < step // HOUR
    return Step(
        day(begin) if is_midnight else clock_time(begin),
        f"{day_and_time(begin)} – {clock_time(begin + step)}",
        is_midnight or (is_short and hour % _MARKED_HOURS == 0),
    )


def _days(noon: datetime, step: timedelta) -> str:
    return day(noon) if step == DAY else f"{day(noon)} – {day(noon + step - DAY)}"
