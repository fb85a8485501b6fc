"""Checks of bills: open differences, days that were not fetched, and the place of the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.core.files.storage import FileSystemStorage
from django.db.models import Count, Min

from django_wxpay.conf.project import is_developed
from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import BillStatuses, DiscrepancyStatuses
from django_wxpay.protocol.errors import BillStorageError, ConfigurationError
from django_wxpay.services.bills.days import latest_due
from django_wxpay.services.bills.fetching import missing_days
from django_wxpay.services.bills.storage import bill_storage
from django_wxpay.services.doctor.findings import (
    Finding,
    Level,
    Subject,
    agreeing,
    counted,
    local_time,
    one_line,
)
from django_wxpay.services.doctor.scope import Scope

# WeChat Pay may be late, and a worker tries again every half an hour.
_LATE_AFTER: Final = timedelta(hours=2)


def check_bills(scope: Scope) -> Iterator[Finding]:
    """Yield what is open, missing or failed, by merchant, and whether files can be kept."""
    wrong = [*_open(scope), *_missing(scope), *_failed(scope), *_storage(scope)]
    yield from wrong
    for alias in scope.aliases:
        if not {alias, ""} & {finding.merchant for finding in wrong}:
            yield _finding(alias, Level.OK, "Every bill is there, and agrees with the orders.")


def _open(scope: Scope) -> Iterator[Finding]:
    rows = Discrepancy.objects.filter(
        status=DiscrepancyStatuses.OPEN, **scope.lookups("bill__merchant")
    )
    found = rows.values_list("bill__merchant").annotate(many=Count("id"), since=Min("created_at"))
    for alias, many, since in found.order_by("bill__merchant"):
        verb = agreeing(many, "is", "are")
        yield _finding(
            alias,
            Level.WARNING,
            f"{counted(many, 'difference')} of bills {verb} open, the first since "
            f"{local_time(since)}.",
            "Look at them under Differences in the admin: each says what to do.",
        )


def _missing(scope: Scope) -> Iterator[Finding]:
    if not scope.is_configured:
        return
    last = latest_due(scope.now - _LATE_AFTER)
    # The bills of a merchant number are fetched for the first of its aliases.
    numbers = {account.mch_id: account for account in reversed([*scope.accounts.values()])}
    for account in reversed([*numbers.values()]):
        days = missing_days(account, last)
        if days:
            yield _finding(
                account.alias,
                Level.WARNING,
                f"The bills of {counted(len(days), 'day')} are not compared yet, the first of "
                f"{days[0]}.",
                "Run manage.py wxpay_reconcile --days 90, and the worker every day: its job is "
                "bills.",
            )


def _failed(scope: Scope) -> Iterator[Finding]:
    rows = Bill.objects.filter(status=BillStatuses.FAILED, **scope.lookups("merchant"))
    for alias in dict.fromkeys(rows.order_by("merchant").values_list("merchant", flat=True)):
        of_one = rows.filter(merchant=alias).order_by("-bill_date", "-id")
        latest = of_one[0]
        yield _finding(
            alias,
            Level.WARNING,
            f"{counted(of_one.count(), 'bill')} could not be fetched, the latest of "
            f"{latest.bill_date}: {one_line(latest.error)}.",
            "It is tried again every half an hour. Over v2 a fund flow needs the client "
            "certificate, and every bill the right to it on the merchant platform.",
        )


def _storage(scope: Scope) -> Iterator[Finding]:
    if not scope.is_configured:
        return
    try:
        storage = bill_storage()
    except (BillStorageError, ConfigurationError) as error:
        yield _finding(
            "",
            Level.ERROR,
            f"{error}.",
            "Name one of STORAGES in BILL_STORAGE; no bill can be kept without it.",
        )
        return
    if not isinstance(storage, FileSystemStorage):
        return
    folder = Path(storage.location)
    if not _can_be_written(folder):
        yield _finding(
            "",
            Level.ERROR,
            f"Bills cannot be kept in {folder}: it cannot be written.",
            "Give the user that runs the worker the right to write there.",
        )
    # A folder of a storage's own is not where uploads are.
    if folder == Path(FileSystemStorage().location):
        # Where MEDIA_ROOT is not set, that is where the process was started.
        is_media = folder != Path.cwd()
        where = "MEDIA_ROOT, which web servers give out to anybody"
        is_harmless = is_developed() and not is_media
        yield _finding(
            "",
            Level.OK if is_harmless else Level.WARNING,
            f"Bills are kept in {where if is_media else 'the current folder'}.",
            "They hold every sale of a day. Give them a storage of their own: a second entry in "
            "STORAGES with a location outside of MEDIA_ROOT, named in BILL_STORAGE.",
        )


def _can_be_written(folder: Path) -> bool:
    """Return whether files can be made there; nothing is written to find out."""
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _finding(alias: str, level: Level, message: str, advice: str = "") -> Finding:
    return Finding(
        merchant=alias, subject=Subject.BILLS, level=level, message=message, advice=advice
    )
