"""Bills read from where they are kept: text in pieces, or typed rows. Memory stays constant."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Final

from django_wxpay.models import Bill
from django_wxpay.models.choices import BillKinds, BillStatuses
from django_wxpay.protocol.bills.fund_flow import FundFlowReader
from django_wxpay.protocol.bills.rows import BillRow, FundFlowRow
from django_wxpay.protocol.bills.trades import TradeBillReader
from django_wxpay.protocol.errors import BillStorageError, InvalidBill, InvalidParameter
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services.bills import storage

_PIECE: Final = 256 * 1024


def bill_rows(bill: Bill) -> Iterator[BillRow | FundFlowRow]:
    """Yield the rows of a bill, typed: ``BillRow``, or ``FundFlowRow`` of a fund flow bill.

    An idle day has none. Raises ``InvalidParameter`` for a bill that was not fetched,
    ``BillStorageError`` where its file is missing, and ``InvalidBill``.
    """
    if bill.status == BillStatuses.EMPTY:
        return iter(())
    text = bill_text(bill)
    if bill.kind == BillKinds.TRADE:
        return TradeBillReader(text, name=bill.file).rows()
    return FundFlowReader(text, name=bill.file).rows()


def bill_text(bill: Bill) -> Iterator[bytes]:
    """Yield the text of a bill as WeChat Pay has sent it, unpacked, in pieces."""
    if not bill.file:
        raise InvalidParameter("bill", _("has no file"), _("one of a day with business, fetched"))
    return _pieces(bill.file)


def _pieces(name: str) -> Iterator[bytes]:
    with storage.opened(name) as file:
        yield from unpacked(file, name)


def unpacked(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield the text of a gzip file. Raises ``InvalidBill`` for one that is broken or cut."""
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as text:
            while piece := text.read(_PIECE):
                yield piece
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InvalidBill("the gzip file is broken or cut", file=name) from None
    except OSError as error:
        raise BillStorageError(f"{name} cannot be read: {error}") from error


def reader_of(bill: Bill, text: Iterable[bytes]) -> TradeBillReader | FundFlowReader:
    """Return the reader of a bill's kind over ``text``."""
    reader = TradeBillReader if bill.kind == BillKinds.TRADE else FundFlowReader
    return reader(text, name=storage.name_of(bill))
