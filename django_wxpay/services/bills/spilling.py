"""Rows set down on disk by the hash of their number, so that both sides of a number meet again.

The two sides of a comparison are parted alike, and memory holds one part of each at a time. Unlike
sorting it needs no order of numbers, of which every database and every collation has its own, and
no query is open while anything is written.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any, Final

from django_wxpay.protocol.errors import BillStorageError

Row = tuple[Any, ...]

# Together these bound what is in memory, to some tens of MB.
_ROWS_A_PART: Final = 10_000
_ROWS_WAITING: Final = 16_384
_MOST_PARTS: Final = 1024
# Later formats look every text up among those before, which takes longer than to write it.
_FORMAT: Final = 2


class Parts:
    """Rows of texts and integers in parts; ``at`` is the place of the number in a row.

    ``rows`` says how many are expected, the same for both sides. To be closed. Raises
    ``BillStorageError`` if the disk is full.
    """

    def __init__(self, rows: int, *, at: int) -> None:
        parts = 1
        while parts < _MOST_PARTS and parts * _ROWS_A_PART < rows:
            parts *= 2
        self._at = at
        self._mask = parts - 1
        self._waiting: list[list[Row]] = [[] for _ in range(parts)]
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(parts)]
        self._held = 0
        self._file: Any = None

    def close(self) -> None:
        """Give the disk back."""
        if self._file is not None:
            self._file.close()

    def add(self, rows: list[Row]) -> None:
        """Set ``rows`` down."""
        at, mask, waiting = self._at, self._mask, self._waiting
        for row in rows:
            waiting[hash(row[at]) & mask].append(row)
        self._held += len(rows)
        if self._held >= _ROWS_WAITING:
            self._write()

    def __iter__(self) -> Iterator[list[Row]]:
        """Yield each part, in the order that every ``Parts`` of as many rows has."""
        for waiting, places in zip(self._waiting, self._places, strict=True):
            yield [row for piece in self._read(places) for row in piece] + waiting

    def pieces(self) -> Iterator[list[Row]]:
        """Yield all rows in pieces as they were set down."""
        for waiting, places in zip(self._waiting, self._places, strict=True):
            yield from self._read(places)
            yield waiting

    def _read(self, places: Iterable[tuple[int, int]]) -> Iterator[list[Row]]:
        for start, size in places:
            try:
                self._file.seek(start)
                written = self._file.read(size)
            except OSError as error:
                raise _storage_error(error) from error
            # Our own bytes, from a file that has no name.
            yield marshal.loads(written)  # noqa: S302

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed at the end
            for rows, places in zip(self._waiting, self._places, strict=True):
                if rows:
                    written = marshal.dumps(rows, _FORMAT)
                    places.append((self._file.tell(), len(written)))
                    _write_whole(self._file, written)
                    rows.clear()
        except OSError as error:
            raise _storage_error(error) from error
        self._held = 0


def _write_whole(file: Any, data: bytes) -> None:
    # Without a buffer a write may take a part; a full disk then refuses the rest.
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _storage_error(error: OSError) -> BillStorageError:
    return BillStorageError(f"the directory of temporary files cannot be used: {error}")
