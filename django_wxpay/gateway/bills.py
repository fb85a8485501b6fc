"""Files that WeChat Pay sends: taken in as they come, never whole in memory, and hashed.

A file goes to its sink as gzip, whether it came so or not. What is no file is a document: the
XML or JSON of a refusal. Nothing is trusted before the end of the file has come.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn, Protocol

from django_wxpay.gateway.http.messages import HttpResponse
from django_wxpay.protocol.bills.requests import may_be_made
from django_wxpay.protocol.bills.rows import BillRequest
from django_wxpay.protocol.errors import BadAnswer, BillNotReady, MalformedMessage, Refused

# Seconds to connect, and for the whole file: a million rows over a slow line.
DOWNLOAD_TIMEOUT: Final = (5.0, 600.0)
LONGEST_DOCUMENT: Final = 1024 * 1024
# Of the text, and of the gzip file. Thirty million rows; a few kilobytes of gzip may claim to be
# as much.
LONGEST_TEXT: Final = 8 * 1024**3
_PIECE: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_WITH_GZIP_HEADER: Final = 31
_DOCUMENT_BEGINS: Final = (b"<", b"{")
_BOM: Final = b"\xef\xbb\xbf"


class Sink(Protocol):
    """The place that a file is written to, as gzip."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    def restart(self) -> None:
        """Drop what was written: another host is asked, and begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedBill:
    """A file that arrived whole; ``sha1`` (lower-case hex) and ``size`` are those of its text."""

    sha1: str = ""
    size: int = 0
    is_empty: bool = False


NO_BUSINESS: Final = FetchedBill(is_empty=True)


class Download:
    """One file on its way. ``take`` is given to the request, and ``fetched`` asked afterwards."""

    def __init__(self, sink: Sink, *, longest: int = LONGEST_TEXT) -> None:
        self._sink = sink
        self._longest = longest
        self._restart()

    def _restart(self) -> None:
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._size = 0
        self._problem = ""
        self.is_file = False

    def take(self, status: int, _headers: Mapping[str, str], chunks: Iterable[bytes]) -> bytes:
        """Write a file to the sink, and return what is none: the document of a refusal."""
        self._restart()
        self._sink.restart()
        pieces = iter(chunks)
        begin = b""
        for piece in pieces:
            begin += piece
            # Blanks may stand before a document.
            if begin[len(_BOM) :].strip() or len(begin) > LONGEST_DOCUMENT:
                break
        if status != 200 or _is_document(begin):
            return self._document(begin, pieces)
        self.is_file = True
        taken = self._gzip if begin.startswith(_GZIP) else self._plain
        taken(_joined(begin, pieces))
        return b""

    def fetched(self) -> FetchedBill:
        """Return the file. Raises ``MalformedMessage`` for one that did not arrive whole."""
        if self._problem or not self.is_file:
            raise MalformedMessage(self._problem or "there is no file")
        return FetchedBill(sha1=self._hash.hexdigest(), size=self._size)

    def _document(self, begin: bytes, pieces: Iterable[bytes]) -> bytes:
        document = bytearray(begin)
        for piece in pieces:
            document += piece
            if len(document) > LONGEST_DOCUMENT:
                self._problem = "the answer is longer than a refusal"
                return b""
        return bytes(document)

    def _plain(self, pieces: Iterable[bytes]) -> None:
        packer = zlib.compressobj(wbits=_WITH_GZIP_HEADER)
        for piece in pieces:
            if not self._account(piece):
                return
            if packed := packer.compress(piece):
                self._sink.write(packed)
        self._sink.write(packer.flush())

    def _gzip(self, pieces: Iterable[bytes]) -> None:
        unpacker = zlib.decompressobj(wbits=_WITH_GZIP_HEADER)
        received = 0
        for piece in pieces:
            # Empty blocks make a file of any length that has no text.
            received += len(piece)
            if not self._is_within(received):
                return
            if unpacker.eof:
                self._problem = "something follows the gzip file"
                return
            try:
                rest = piece
                while rest and not unpacker.eof:
                    if not self._account(unpacker.decompress(rest, _PIECE)):
                        return
                    rest = unpacker.unconsumed_tail
            except zlib.error:
                self._problem = "the gzip file is broken"
                return
            if unpacker.unused_data:
                self._problem = "something follows the gzip file"
                return
            self._sink.write(piece)
        if not unpacker.eof:
            self._problem = "the gzip file is cut"

    def _account(self, text: bytes) -> bool:
        self._size += len(text)
        self._hash.update(text)
        return self._is_within(self._size)

    def _is_within(self, size: int) -> bool:
        if size > self._longest:
            self._problem = f"the file is longer than {self._longest} bytes"
        return not self._problem


def check_sha1(fetched: FetchedBill, stated: str) -> FetchedBill:
    """Return ``fetched`` if its text has the digest that was stated; else ``BadAnswer``."""
    if not hmac.compare_digest(fetched.sha1.encode(), stated.strip().lower().encode()):
        raise BadAnswer("the file is not the one whose SHA-1 WeChat Pay has stated")
    return fetched


def without_bill(refusal: Refused, request: BillRequest, now: datetime) -> FetchedBill:
    """Return the bill of a day without business, if ``refusal`` means that.

    Until 10:00 the same refusal may mean that the bill is not made yet (protocol-v2 section 6.6):
    ``BillNotReady``. Every other refusal is raised as it is.
    """
    if refusal.kind == "NO_STATEMENT_EXIST" and not may_be_made(request.bill_date, now):
        return NO_BUSINESS
    if refusal.kind in {"NO_STATEMENT_EXIST", "STATEMENT_CREATING"}:
        _not_ready(refusal, request)
    raise refusal


def _not_ready(refusal: Refused, request: BillRequest) -> NoReturn:
    raise BillNotReady(
        f"the bill of {request.bill_date} is not made yet ({refusal.err_code}): "
        "ask again after 10:00 in Beijing on the day after"
    ) from None


def reader_of(
    download: Download, refuse: Callable[[HttpResponse], NoReturn]
) -> Callable[[HttpResponse], FetchedBill]:
    """Return what reads the answer to a download; ``refuse`` is given a document, and raises."""

    def read(response: HttpResponse) -> FetchedBill:
        if download.is_file:
            return download.fetched()
        return refuse(response)

    return read


def _is_document(begin: bytes) -> bool:
    text = begin.removeprefix(_BOM).lstrip()
    return not text or text.startswith(_DOCUMENT_BEGINS)


def _joined(begin: bytes, pieces: Iterable[bytes]) -> Iterable[bytes]:
    yield begin
    yield from pieces
