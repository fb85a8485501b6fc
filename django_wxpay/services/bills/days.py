"""Days of bills: Beijing's, from midnight to midnight, whatever the zone of the settings is."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final

from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.times import BEIJING

# Bills are ready after 10:00 (protocol-v2 section 6.6), and a clock may be a little ahead.
FETCHED_FROM: Final = time(10, 10)
# As far back as missed days are caught up.
MOST_DAYS: Final = 90
_ISO: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def as_date(value: date | str) -> date:
    """Return a day that a caller names, as a date or as ``YYYY-MM-DD``."""
    if isinstance(value, str):
        # Python reads other forms as well, such as 20260102 and 2026-W01-5.
        if not _ISO.fullmatch(value):
            return _refused(value)
        try:
            return date.fromisoformat(value)
        except ValueError:
            return _refused(value)
    # A moment is a date to Python, of a zone that nobody meant.
    if isinstance(value, datetime) or not isinstance(value, date):
        return _refused(value)
    return value


def _refused(value: object) -> date:
    shown = ascii(value)[:40]
    raise InvalidParameter(
        "bill_date", _("%(shown)s is not a day", shown=shown), _("a date, or YYYY-MM-DD")
    )


def yesterday(now: datetime) -> date:
    """Return the last day that is over in Beijing."""
    return now.astimezone(BEIJING).date() - timedelta(days=1)


def latest_due(now: datetime) -> date:
    """Return the last day whose bill is to be fetched by now."""
    begin = timedelta(hours=FETCHED_FROM.hour, minutes=FETCHED_FROM.minute)
    return yesterday(now - begin)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Return the first moment of a day, and the first of the next."""
    first = datetime.combine(day, time(), BEIJING)
    return first, first + timedelta(days=1)
