"""The two forms of a time on the wire: 14 Beijing digits (v2), and RFC 3339 (APIv3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

BEIJING: Final = timezone(timedelta(hours=8), "Asia/Shanghai")

# MySQL's calendar begins there; earlier times are zeros that were written as dates.
_FIRST_YEAR: Final = 1000

_T14: Final = re.compile(r"[0-9]{14}", re.ASCII)
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def to_t14(moment: datetime) -> str:
    """Return an aware ``moment`` as ``yyyyMMddHHmmss`` in Beijing; naive ones are refused."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is a guess")
    return moment.astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def parse_t14(text: str) -> datetime:
    """Return the aware moment that 14 Beijing digits name; anything else is a ``ValueError``."""
    if not _T14.fullmatch(text):
        raise ValueError("not the 14 digits of yyyyMMddHHmmss")
    return _storable(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING))


def to_rfc3339(moment: datetime) -> str:
    """Return an aware ``moment`` in Beijing's time, to the second; naive ones are refused."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is a guess")
    return moment.astimezone(BEIJING).isoformat(timespec="seconds")


def parse_rfc3339(text: str) -> datetime:
    """Return the aware moment that ``text`` names; anything else is a ``ValueError``."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("not a time of RFC 3339")
    return _storable(datetime.fromisoformat(text))


def _storable(moment: datetime) -> datetime:
    try:
        year = moment.astimezone(UTC).year
    except OverflowError:
        raise ValueError("a time outside the calendar") from None
    if year < _FIRST_YEAR:
        raise ValueError("a time outside the calendar of a database")
    return moment
