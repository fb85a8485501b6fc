"""Lines of a bill: from bytes in pieces of any size to the header, the rows and the summary.

Every value of a row has a back-tick before it and no other quoting, so a row is cut at comma and
back-tick. A name that holds these two itself moves the columns: the ones on its left and on its
right are certain, and what lies between belongs to the shop's own texts.

The summary at the end is held against the rows: it shows that a file was not cut between two of
them. Sums of several currencies are sums of unlike things, so of such a file the count alone is
compared.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

from django_wxpay.protocol.bills.amounts import FEE_DECIMALS, count, scaled
from django_wxpay.protocol.bills.columns import ROW_COUNTS, fields_of
from django_wxpay.protocol.errors import InvalidBill

_BOM: Final = "\ufeff"
# A row has some forty short columns. Memory is bounded by this, whatever a file holds.
_LONGEST: Final = 64 * 1024
_TICK: Final = "`"
SEPARATOR: Final = ",`"
# Of a printed sum, beyond those of the minor unit.
_DECIMALS: Final = 12


def text_lines(chunks: Iterable[bytes], *, name: str) -> Iterator[list[str]]:
    """Yield the lines of UTF-8 text without their ends, in lists as they come.

    Raises ``InvalidBill`` for bytes that are no UTF-8, a character that is cut, and a line that
    is longer than any row.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest, number = "", 0
    # Chained and not unpacked: a file is never held as a whole. An empty piece ends the text, so
    # none may come before.
    for chunk in chain(filter(None, chunks), (b"",)):
        try:
            text = rest + decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line = number + 1 + error.object[: error.start].count(b"\n")
            raise InvalidBill("is not UTF-8, or is cut", file=name, line=line) from None
        lines = text.split("\n")
        rest = lines.pop()
        if len(max(lines, key=len, default="")) > _LONGEST or len(rest) > _LONGEST:
            lengths = list(map(len, [*lines, rest]))
            longest = number + lengths.index(max(lengths)) + 1
            raise InvalidBill("is longer than any row", file=name, line=longest)
        number += len(lines)
        if lines:
            yield lines
    if rest:
        yield [rest]


class Table:
    """The header of a file, by which its rows are cut into columns.

    ``free`` are the fields that may hold what separates columns, if the file has them.
    """

    def __init__(
        self,
        header: str,
        *,
        known: dict[str, str],
        needs: Sequence[str],
        free: Sequence[str],
        name: str,
    ) -> None:
        self.name = name
        self.names = header.lstrip(_BOM).rstrip("\r").split(",")
        self.places = fields_of(self.names, known)
        self.width = len(self.names)
        if missing := [field for field in needs if field not in self.places]:
            raise InvalidBill(f"the header has no column of {missing[0]}", file=name, line=1)
        if len(set(self.names)) < self.width:
            raise InvalidBill("the header has a column twice", file=name, line=1)
        # The first of them takes what is too much. With a column between them, that one would be
        # moved if the surplus is the second's, so nothing explains it.
        at = sorted(self.places[field] for field in free if field in self.places)
        self._free = at[0] if at and at[-1] - at[0] < len(at) else None

    def cut(self, line: str, number: int) -> list[str]:
        """Return the values of a row, one for each column; unclear is an ``InvalidBill``."""
        values = line[1:].rstrip("\r").split(SEPARATOR)
        if len(values) == self.width:
            return values
        surplus = len(values) - self.width
        if surplus < 0 or self._free is None:
            raise InvalidBill(
                f"has {len(values)} columns instead of {self.width}", file=self.name, line=number
            )
        # Of two texts the first takes the surplus: nothing but a name is then read wrongly.
        at = self._free
        joined = SEPARATOR.join(values[at : at + surplus + 1])
        return [*values[:at], joined, *values[at + surplus + 1 :]]

    def text(self, values: Sequence[str], field: str) -> str:
        """Return the text of a field; "" where the file has no such column."""
        at = self.places.get(field)
        return values[at] if at is not None else ""

    def fault(self, problem: str, number: int, field: str) -> InvalidBill:
        """Return the error of one value, with the name of its column as printed."""
        at = self.places.get(field)
        column = self.names[at].strip() if at is not None else field
        return InvalidBill(problem, file=self.name, line=number, column=column)


def rows_of(
    chunks: Iterable[bytes],
    *,
    open_table: Callable[[str], Table],
    sums: Callable[[], tuple[Mapping[str, int] | None, int]],
    name: str,
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row's line and its values, and check the summary at the end.

    ``open_table`` takes the header. ``sums`` is asked after the last row: what the columns add up
    to, by the summary's names, and the decimals of their currency.
    """
    table: Table | None = None
    number, rows, summary = 0, 0, ""
    ended = False
    for lines in text_lines(chunks, name=name):
        for line in lines:
            number += 1
            if table is None:
                table = open_table(line)
            elif line[:1] == _TICK and not summary:
                rows += 1
                yield number, table.cut(line, number)
            elif summary and not ended:
                found, decimals = sums()
                fault = partial(_fault, name, number)
                _check_summary(summary, line, rows=rows, sums=found, decimals=decimals, fault=fault)
                ended = True
            elif not ended and _may_be_summary(line, table.names):
                summary = line
            elif line.strip("\r"):
                what = "comes after the summary" if ended else "is neither a row nor the summary"
                raise InvalidBill(what, file=name, line=number)
    if not ended:
        problem = "ends without a summary: it is cut" if number else "is empty"
        raise InvalidBill(problem, file=name, line=max(number, 1))


def _fault(name: str, number: int, problem: str, column: str) -> InvalidBill:
    return InvalidBill(problem, file=name, line=number, column=column)


def _may_be_summary(line: str, columns: Sequence[str]) -> bool:
    """Return whether ``line`` can be the header of the summary; the line after it decides."""
    names = _values_of(line)
    if names[0] in columns:
        return False
    # In words that are not known, those of another language, the count has to be the first.
    return names[0] in ROW_COUNTS or (len(names) > 1 and all(map(_is_name, names)))


def _is_name(text: str) -> bool:
    return text[:1].isalpha()


def _check_summary(
    header: str,
    line: str,
    *,
    rows: int,
    sums: Mapping[str, int] | None,
    decimals: int,
    fault: Callable[[str, str], InvalidBill],
) -> None:
    """Raise ``fault(problem, column)`` unless the summary agrees with the rows.

    ``sums`` are in hundred-thousandths of the minor unit, by the names of the summary's columns;
    None where there is nothing to compare. ``decimals`` are those of the currency.
    """
    names, values = _values_of(header), _values_of(line)
    if len(names) != len(values):
        raise fault("the summary's columns are not those of its header", "")
    counts = ROW_COUNTS.intersection(names) or {names[0]}
    for name, value in zip(names, values, strict=True):
        try:
            if name in counts:
                _compare(count(value), rows, "rows")
            elif sums is not None and name in sums:
                _compare_sum(value, sums[name], decimals)
        except ValueError as problem:
            raise fault(str(problem), name) from None


def _values_of(line: str) -> list[str]:
    """Return the values of a summary line, with or without back-ticks."""
    line = line.rstrip("\r")
    if line.startswith("`"):
        return line[1:].split(",`")
    return [value.strip() for value in line.split(",")]


def _compare(stated: int, found: int, what: str) -> None:
    if stated != found:
        raise ValueError(f"the summary says {stated}, and there are {found} {what}")


def _compare_sum(text: str, found_e5: int, decimals: int) -> None:
    printed = len(text.partition(".")[2])
    stated = scaled(text, _DECIMALS)
    found = found_e5 * 10 ** (_DECIMALS - decimals - FEE_DECIMALS)
    # A sum of fees may be printed with fewer decimals than it has, down to the minor unit's.
    unit = 10 ** (_DECIMALS - min(max(printed, decimals), _DECIMALS))
    if abs(stated - found) * 2 > unit and stated != found:
        raise ValueError(f"the summary says {text[:40]}, which is not the sum of the rows")
