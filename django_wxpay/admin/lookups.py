"""Values in the address of a list: those that every database can compare, and no others.

Django hands a lookup on a column of ours to the database as it was typed. A time outside the
calendar, a number beyond 64 bits, a NUL or a broken pattern is an error there, and so a 500.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.contrib.admin import helpers
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from django_wxpay.protocol.times import FIRST_YEAR, LAST_YEAR, within_calendar

_LONGEST: Final = 512
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_WHOLE: Final = re.compile("-?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
# PostgreSQL reads none that is as large.
_LARGEST_OFFSET: Final = timedelta(hours=16)
_COMPARISONS: Final = frozenset({"exact", "gt", "gte", "lt", "lte", "in"})
_PARTS_OF_A_DATE: Final = {"year": (FIRST_YEAR, LAST_YEAR), "month": (1, 12), "day": (1, 31)}
# Not a regular expression: a broken one is an error, and a slow one holds the database.
_TEXTUAL: Final = _COMPARISONS | {
    "iexact",
    *("contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"),
}


def is_answerable(request: HttpRequest, model: type[models.Model]) -> bool:
    """Return whether every database can answer what ``request`` asks of the list of ``model``."""
    chosen = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
    return all(map(_WHOLE.fullmatch, chosen)) and all(
        _is_comparable(model, name, value)
        for name, values in request.GET.lists()
        for value in (name, *values)
    )


def day_asked(text: str) -> date | None:
    """Return the day that is written as ``2026-01-31``, of this century; None for anything else."""
    if len(text) != len("2026-01-01") or not text.isascii():
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if date(2000, 1, 1) <= day < date(2100, 1, 1) else None


def moment_asked(text: str) -> datetime | None:
    """Return the moment that ``text`` writes, in the current time zone where it names none."""
    try:
        moment = parse_datetime(text) if text.isascii() and text.isprintable() else None
        if moment is None:
            return None
        aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
        within_calendar(aware)
    except ValueError:
        return None
    return aware


def _is_comparable(model: type[models.Model], name: str, value: str) -> bool:
    if len(value) > _LONGEST or _UNSTORABLE.search(value):
        return False
    column, lookup = _column(model, name)
    if value == name or column is None or lookup == "isnull":
        # The name itself; a page, a search, a filter of its own; a yes or no.
        return True
    values: Iterable[str] = value.split(",") if lookup == "in" else (value,)
    return all(_fits(column, lookup, each) for each in values)


def _column(model: type[models.Model], name: str) -> tuple[Any, str]:
    """Return the column that the lookup ``name`` is about, or None, and the kind of lookup."""
    column: Any = None
    parts = name.split(LOOKUP_SEP)
    while parts:
        opts = model._meta  # noqa: SLF001 - Django's documented model API
        # Lookups know the key by another name as well, which is no field.
        field = opts.pk.name if parts[0] == "pk" else parts[0]
        try:
            found = opts.get_field(field)
        except FieldDoesNotExist:
            break
        column = found
        del parts[0]
        if found.related_model is None:
            break
        model = found.related_model
    return column, LOOKUP_SEP.join(parts) or "exact"


def _fits(column: Any, lookup: str, value: str) -> bool:
    if isinstance(column, models.DateTimeField) and lookup in _PARTS_OF_A_DATE:
        least, most = _PARTS_OF_A_DATE[lookup]
        return bool(_WHOLE.fullmatch(value)) and least <= int(value) <= most
    for kinds, lookups, fits in _KINDS:
        if isinstance(column, kinds):
            return lookup in lookups and bool(fits(value))
    return False


def _is_moment(value: str) -> bool:
    moment = moment_asked(value)
    offset = moment.utcoffset() if moment else None
    return offset is not None and abs(offset) < _LARGEST_OFFSET


# What a column of each kind may be compared by, and with; of any other kind, by and with nothing.
_KINDS: Final[tuple[tuple[Any, frozenset[str], Callable[[str], Any]], ...]] = (
    (models.DateTimeField, _COMPARISONS, _is_moment),
    ((models.CharField, models.TextField), _TEXTUAL, lambda _value: True),
    (models.DecimalField, _COMPARISONS, _DECIMAL.fullmatch),
    (models.BooleanField, frozenset({"exact"}), {"0", "1", "True", "False"}.__contains__),
    (
        (models.IntegerField, models.ForeignObject, models.ForeignObjectRel),
        _COMPARISONS,
        _WHOLE.fullmatch,
    ),
)
