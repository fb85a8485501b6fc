"""``manage.py wxpay_bill``: the bill of one day, fetched, and written out as text."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay import services
from django_wxpay.management.progress import progress
from django_wxpay.models import Bill
from django_wxpay.models.choices import BillStatuses
from django_wxpay.protocol.bills.rows import AccountType, BillKind
from django_wxpay.protocol.errors import InvalidParameter, UnknownMerchant, WXPayError
from django_wxpay.services import clock
from django_wxpay.services.bills.days import yesterday
from django_wxpay.services.bills.reading import bill_text


class Command(BaseCommand):
    help = "Fetch the bill of one day in Beijing, by default yesterday's; exit 1 if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--merchant", metavar="ALIAS", default="default", help="whose bill")
        parser.add_argument("--date", metavar="YYYY-MM-DD", help="the day; yesterday by default")
        parser.add_argument("--kind", choices=[*BillKind], default=BillKind.TRADE.value)
        parser.add_argument(
            "--account-type", choices=[*AccountType], default=AccountType.BASIC.value
        )
        parser.add_argument("--sub-mch-id", default="", help="one sub-merchant of an institution")
        parser.add_argument("--output", metavar="FILE", help="write the text there; - is stdout")

    def handle(self, *_: Any, output: str | None, **options: Any) -> None:
        """Fetch, and print what came or write the text."""
        try:
            with progress(self.stderr, "Fetching the bill"):
                bill = services.download_bill(
                    options["merchant"],
                    bill_date=options["date"] or yesterday(clock.now()),
                    kind=options["kind"],
                    account_type=options["account_type"],
                    sub_mch_id=options["sub_mch_id"],
                )
            if output is not None and bill.status != BillStatuses.EMPTY:
                self._write(output, bill_text(bill))
        except (InvalidParameter, UnknownMerchant) as error:
            raise CommandError(str(error), returncode=2) from error
        except WXPayError as error:
            raise CommandError(str(error)) from error
        # Not into the text.
        (self.stderr if output == "-" else self.stdout).write(_summary(bill))

    def _write(self, output: str, text: Iterable[bytes]) -> None:
        if output == "-":
            _copy(text, sys.stdout.buffer)
            return
        target = Path(output).absolute()
        try:
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
                try:
                    _copy(text, file)
                    # Whole under its name, or not there.
                    Path(file.name).replace(target)
                finally:
                    Path(file.name).unlink(missing_ok=True)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}") from error


def _copy(text: Iterable[bytes], file: IO[bytes]) -> None:
    for piece in text:
        file.write(piece)
    file.flush()


def _summary(bill: Bill) -> str:
    if bill.status == BillStatuses.EMPTY:
        return f"{bill}: no business that day"
    return f"{bill}: {bill.row_count} rows, {bill.file}"
