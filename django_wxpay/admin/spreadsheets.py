"""CSV for a spreadsheet, made while it is sent: nothing in it runs, and no number is rounded."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone, translation

from django_wxpay.protocol.money import major_units

# A cell that begins with one of these may run as a formula. Blanks before it are passed over, and
# the full-width signs of a Chinese keyboard count as well.
_FORMULA: Final = re.compile(r"[\s\0]*[=+\-@＝＋－＠]|[\t\r\n]")
# One that separates by semicolons or tabs reads a comma and a quote before a cell as text of it,
# and begins another cell inside of this one.
_FURTHER_FORMULA: Final = re.compile(r"([;\t][\s\0]*)(?=[=+\-@＝＋－＠])")
# A spreadsheet keeps 15 digits of a number and makes zeros of the others, leaves out the zeros
# before it, and takes 12E5 for 1200000.
_NUMBER: Final = re.compile(r"0[0-9]+|[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+|[0-9]{16,}")
# So that spreadsheets read it as UTF-8.
_BOM: Final = "\ufeff"
_AT_ONCE: Final = 500


class _Line:
    """A file for ``csv.writer`` that hands each line back."""

    def write(self, line: str) -> str:
        return line


def csv_answer(lines: Iterable[str], name: str) -> StreamingHttpResponse:
    """Return ``lines`` as a download of that name, made while it is sent.

    They are made in the language and the time zone of the person who asks, who may be gone by
    then from the thread that makes them.
    """
    language, zone = translation.get_language(), timezone.get_current_timezone()
    there = _as_asked(iter(lines), language, zone)
    answer = StreamingHttpResponse(there, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _as_asked(lines: Iterator[str], language: str | None, zone: Any) -> Iterator[str]:
    while True:
        with translation.override(language), timezone.override(zone):
            line = next(lines, None)
        if line is None:
            return
        yield line


def csv_lines(header: Iterable[object], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a line of CSV for the header, and one for each of ``rows``."""
    writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)
    yield _BOM + writer.writerow([harmless(name) for name in header])
    for row in rows:
        yield writer.writerow([harmless(value) for value in row])


def harmless(value: object) -> str:
    """Return ``value`` as a cell of text; an apostrophe before it keeps it as it is.

    Another one stands before what would be a formula if the cell were divided.
    """
    text = _FURTHER_FORMULA.sub(r"\1'", str(value))
    return f"'{text}" if _FORMULA.match(text) or _NUMBER.fullmatch(text) else text


def amount(value: int, currency: str) -> str:
    """Return minor units of ``currency`` as a decimal without its name: ``12.50``."""
    return f"{major_units(value, currency):f}"


def time(when: datetime | None) -> str:
    """Return a time of the zone of this site in ISO 8601, with its offset; "" for None."""
    return timezone.localtime(when).isoformat(timespec="seconds") if when else ""


def slices(rows: QuerySet[Any], column: str) -> Iterator[list[Any]]:
    """Yield ``rows`` 500 at a time, newest first by the time ``column``, which none of them lacks.

    Each slice is a range of an index and a query of its own: some drivers keep all that one
    query finds, and SQLite lets nobody write meanwhile.
    """
    ordered = rows.order_by(f"-{column}", "-pk")
    found = list(ordered[:_AT_ONCE])
    while found:
        yield found
        if len(found) < _AT_ONCE:
            return
        last = getattr(found[-1], column)
        further = Q(**{f"{column}__lt": last}) | Q(pk__lt=found[-1].pk)
        found = list(ordered.filter(further, **{f"{column}__lte": last})[:_AT_ONCE])
