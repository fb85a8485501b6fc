"""Differences as CSV, for a spreadsheet: nothing in it runs, and no number is rounded."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.http import StreamingHttpResponse
from django.utils.translation import gettext

from django_wxpay.admin.bills import words
from django_wxpay.models import Discrepancy

# A cell that begins with one of these may run as a formula. Blanks before it are passed over, and
# the full-width signs of a Chinese keyboard count as well.
_FORMULA: Final = re.compile(r"[\s\0]*[=+\-@＝＋－＠]|[\t\r\n]")
# A spreadsheet keeps 15 digits of a number and makes zeros of the others.
_LONG_NUMBER: Final = re.compile(r"[0-9]{16,}")
# So that spreadsheets read it as UTF-8.
_BOM: Final = "\ufeff"


class _Line:
    """A file for ``csv.writer`` that hands each line back."""

    def write(self, line: str) -> str:
        return line


def csv_of(differences: Iterable[Discrepancy], name: str) -> StreamingHttpResponse:
    """Return the rows as a download, made while it is sent; their bills are loaded with them."""
    answer = StreamingHttpResponse(lines(differences), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def lines(differences: Iterable[Discrepancy]) -> Iterator[str]:
    """Yield the header, and a line for each difference."""
    writer = csv.writer(_Line())
    yield _BOM + writer.writerow([harmless(name) for name in _header()])
    for difference in differences:
        yield writer.writerow([harmless(value) for value in _cells(difference)])


def harmless(value: object) -> str:
    """Return ``value`` as a cell of text; an apostrophe before it keeps it as it is."""
    text = str(value)
    if _FORMULA.match(text) or _LONG_NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _header() -> list[str]:
    return [
        gettext("day"),
        gettext("merchant"),
        "mch_id",
        gettext("kind"),
        gettext("difference"),
        "out_trade_no",
        "transaction_id",
        "out_refund_no",
        "refund_id",
        gettext("here"),
        gettext("in the bill"),
        gettext("status"),
        gettext("note"),
        gettext("resolved by"),
        gettext("resolved"),
        gettext("found"),
    ]


def _cells(difference: Discrepancy) -> list[Any]:
    bill = difference.bill
    ended = difference.resolved_at
    return [
        bill.bill_date.isoformat(),
        bill.merchant,
        bill.mch_id,
        difference.kind,
        difference.get_kind_display(),
        difference.out_trade_no,
        difference.transaction_id,
        difference.out_refund_no,
        difference.refund_id,
        words.in_a_line(difference.ours),
        words.in_a_line(difference.theirs),
        difference.get_status_display(),
        difference.note,
        difference.resolved_by,
        ended.isoformat() if ended else "",
        difference.created_at.isoformat(),
    ]
