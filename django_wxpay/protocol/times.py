"""The two forms of a time on the wire: 14 Beijing digits (v2), and RFC 3339 (APIv3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from django_wxpay.protocol.sentences import sentence as _

BEIJING: Final = timezone(timedelta(hours=8), "Asia/Shanghai")

# MySQL's calendar begins in 1000, and Python's ends with 9999. A moment that is one of these years
# in any zone can be stored in every database, and shown in every other zone.
FIRST_YEAR: Final = 1001
LAST_YEAR: Final = 9998
# In Beijing's zone, as most moments are: those of one zone are compared without their offsets.
_EARLIEST: Final = (datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - timedelta(days=1)).astimezone(BEIJING)
_LATEST: Final = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) + timedelta(days=1)).astimezone(BEIJING)

_T14: Final = re.compile("([0-9]{4})" + 5 * "([0-9]{2})")
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def to_t14(moment: datetime) -> str:
    """Return an aware ``moment`` as ``yyyyMMddHHmmss`` in Beijing; naive ones are refused."""
    if moment.tzinfo is None:
        raise ValueError(_("a time without a zone is a guess"))
    return moment.astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def parse_t14(text: str) -> datetime:
    """Return the aware moment that 14 Beijing digits name; anything else is a ``ValueError``."""
    match = _T14.fullmatch(text)
    if not match:
        raise ValueError("not the 14 digits of yyyyMMddHHmmss")
    year, month, day, hour, minute, second = map(int, match.groups())
    return within_calendar(datetime(year, month, day, hour, minute, second, tzinfo=BEIJING))


def to_rfc3339(moment: datetime) -> str:
    """Return an aware ``moment`` in Beijing's time, to the second; naive ones are refused."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is a guess")
    return moment.astimezone(BEIJING).isoformat(timespec="seconds")


def parse_rfc3339(text: str) -> datetime:
    """Return the aware moment that ``text`` names; anything else is a ``ValueError``."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("not a time of RFC 3339")
    return within_calendar(datetime.fromisoformat(text))


def within_calendar(moment: datetime) -> datetime:
    """Return ``moment``, at an offset that every database takes.

    A naive moment, or one that not every database and every zone can hold, is a ``ValueError``.
    """
    if moment.tzinfo is None:
        raise ValueError(_("a time without a zone is a guess"))
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError(
            _(
                "outside the calendar of %(first_year)s to %(last_year)s",
                first_year=FIRST_YEAR,
                last_year=LAST_YEAR,
            )
        )
    # PostgreSQL reads no offset of 16 hours or more, and Beijing's clock is the wire's.
    return moment.astimezone(BEIJING)
