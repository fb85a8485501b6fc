"""Files of bills in Django's storage: kept whole under their names, or not at all.

Where the storage is a folder, the file is written beside its place and moved there, so a process
that dies leaves no half of it under its name. Other storages take a file as one object.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.storage import FileSystemStorage, InvalidStorageError, Storage, storages

from django_wxpay import conf
from django_wxpay.models import Bill
from django_wxpay.protocol.errors import BillStorageError

_FOLDER: Final = "wxpay/bills"
_PIECE: Final = 64 * 1024


def bill_storage() -> Storage:
    """Return the storage of ``BILL_STORAGE``. Raises ``BillStorageError`` if there is none."""
    alias = conf.current().bill_storage
    try:
        return storages[alias]
    except InvalidStorageError as error:
        raise BillStorageError(f'BILL_STORAGE "{alias}" cannot be used: {error}') from error


def name_of(bill: Bill) -> str:
    """Return the name under which the file of a bill is kept. Every part is checked before."""
    parts = [bill.mch_id, bill.bill_date.isoformat(), bill.kind, bill.account_type.lower()]
    name = "-".join(filter(None, [*parts, bill.sub_mch_id]))
    return f"{_FOLDER}/{bill.merchant}/{name}.csv.gz"


class FileSink:
    """A gateway's sink that is a file; what the disk refuses is a ``BillStorageError``."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name

    def write(self, data: bytes) -> None:
        with _storing(self._name):
            self._file.write(data)

    def restart(self) -> None:
        with _storing(self._name):
            self._file.seek(0)
            self._file.truncate()

    def end(self) -> None:
        """Have everything written, and go to the beginning."""
        with _storing(self._name):
            self._file.flush()
            self._file.seek(0)


@contextmanager
def new_file(name: str) -> Iterator[IO[bytes]]:
    """Open a file for a bill on its way; it is gone afterwards unless it was kept."""
    folder = _folder_of(name)
    with _storing(name):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        # Hidden, and beside its place: from there it can be moved in one step.
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below
            prefix=".wxpay-", suffix=".part", dir=folder, delete=False
        )
    try:
        yield file
    finally:
        # After a full disk, closing may fail once more.
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            Path(file.name).unlink(missing_ok=True)


def keep(name: str, file: IO[bytes]) -> str:
    """Keep a whole file, and return the name that the storage has given it."""
    storage = bill_storage()
    content = _Moved(file) if _folder_of(name) is not None else File(file)
    with _storing(name):
        # What a process left that died before its row was written.
        if storage.exists(name):
            storage.delete(name)
        try:
            return storage.save(name, content, max_length=255)
        except Exception:
            with suppress(Exception):
                storage.delete(name)
            raise


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """Open a file that was kept."""
    with _storing(name):
        file = bill_storage().open(name, "rb")
    with file:
        yield file


class _Moved(File):  # type: ignore[type-arg]
    """A file that a storage in the file system moves to its place."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def _folder_of(name: str) -> Path | None:
    storage = bill_storage()
    # It moves a file to its place. Others may have paths too, and copy.
    if not isinstance(storage, FileSystemStorage):
        return None
    try:
        return Path(storage.path(name)).parent
    except SuspiciousFileOperation as error:
        raise BillStorageError(f"{name} cannot be stored: {error}") from error


@contextmanager
def _storing(name: str) -> Iterator[None]:
    try:
        yield
    except BillStorageError:
        raise
    # A storage is the project's, and its errors are of its own kinds.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise BillStorageError(f"the storage does not work for {name}: {reason}") from error


def exists(bill: Bill) -> bool:
    """Return whether the storage has the file of a bill."""
    with _storing(bill.file):
        return bool(bill.file) and bool(bill_storage().exists(bill.file))


def bill_file(bill: Bill) -> Iterator[bytes]:
    """Open the original file of a bill, and return its gzip bytes in pieces.

    Raises ``BillStorageError`` where the storage does not give it back, before the first piece.
    """
    with _storing(bill.file):
        file = bill_storage().open(bill.file, "rb")
    return _pieces(file)


def file_name(bill: Bill) -> str:
    """Return a name to save the file under, in letters that every system takes."""
    account = f"-{bill.account_type}" if bill.account_type else ""
    return f"{bill.bill_date:%Y-%m-%d}-{bill.mch_id}-{bill.kind}{account}.csv.gz"


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
