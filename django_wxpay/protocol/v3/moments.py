"""Times as APIv3 writes them: RFC 3339 with an offset, normally Beijing's."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from django_wxpay.protocol.times import BEIJING

_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def to_rfc3339(moment: datetime) -> str:
    """Return an aware ``moment`` in Beijing's time, to the second; naive ones are refused."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is a guess")
    return moment.astimezone(BEIJING).isoformat(timespec="seconds")


def parse_rfc3339(text: str) -> datetime:
    """Return the aware moment that ``text`` names; anything else is a ``ValueError``."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("not a time of RFC 3339")
    moment = datetime.fromisoformat(text)
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time outside the calendar") from None
    return moment
