"""Days of bills by the simulator's clock: which can be asked for, and when they are made.

Sources: protocol-v2 section 6.6, protocol-v3 sections 3.7 and 4.5.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Final

from django_wxpay.protocol.merchants import Region
from django_wxpay.protocol.times import BEIJING

_MADE_FROM: Final = time(9)
_READY_AT: Final = time(10)
_KEPT: Final = {Region.MAINLAND: timedelta(days=92), Region.GLOBAL: timedelta(days=180)}
COMPACT: Final = re.compile("[0-9]{8}")
WITH_HYPHENS: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Stage(Enum):
    """The stage of a day's bill."""

    NOT_YET = "not made yet"
    IN_THE_MAKING = "in the making"
    READY = "ready"


def read_day(text: str, form: re.Pattern[str]) -> date | None:
    """Return the day that ``text`` names in the documented form, None for anything else."""
    if not form.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def is_in_range(day: date, now: datetime, region: Region, *, at_once: bool) -> bool:
    """Say whether there can be a bill of ``day``: one that is over, and not too long ago."""
    today = now.astimezone(BEIJING).date()
    latest = today if at_once else today - timedelta(days=1)
    return today - _KEPT[region] <= day <= latest


def stage_of(day: date, now: datetime, *, at_once: bool) -> Stage:
    """Return the stage of the bill of ``day``; ``at_once`` makes each when it is asked for."""
    if at_once:
        return Stage.READY
    after = day + timedelta(days=1)
    if now >= datetime.combine(after, _READY_AT, BEIJING):
        return Stage.READY
    if now >= datetime.combine(after, _MADE_FROM, BEIJING):
        return Stage.IN_THE_MAKING
    return Stage.NOT_YET


def is_on(moment: datetime, day: date) -> bool:
    """Say whether ``moment`` is on ``day`` in Beijing."""
    return moment.astimezone(BEIJING).date() == day
