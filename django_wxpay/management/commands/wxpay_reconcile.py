"""``manage.py wxpay_reconcile``: bills compared with what is here, and what differs."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay import conf, services
from django_wxpay.management.progress import progress
from django_wxpay.models import Discrepancy
from django_wxpay.models.choices import DiscrepancyStatuses
from django_wxpay.protocol.errors import ConfigurationError, WXPayError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.services import clock
from django_wxpay.services.bills.accounts import accounts
from django_wxpay.services.bills.days import as_date, yesterday
from django_wxpay.services.bills.reconciling import Reconciliation


class Command(BaseCommand):
    # 1 says that a difference is open, so what was typed wrongly is 2, as it is to argparse.
    help = "Compare bills with orders and refunds; exit 1 while a difference is open."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--merchant", metavar="ALIAS", help="one merchant; all by default")
        days = parser.add_mutually_exclusive_group()
        days.add_argument("--date", metavar="YYYY-MM-DD", help="one day; yesterday by default")
        days.add_argument("--days", type=int, metavar="N", help="the last N days")

    def handle(self, *_: Any, merchant: str | None, **options: Any) -> None:
        """Fetch what is missing, compare, and print a line for each day and each difference."""
        days = _days(options["date"], options["days"])
        try:
            chosen = list(accounts()) if merchant is None else [conf.merchant(merchant)]
        except ConfigurationError as error:
            advice = "Run manage.py check for all of it."
            raise CommandError(f"{error}. {advice}", returncode=2) from error
        missed = [
            (account, day)
            for account in chosen
            for day in days
            if not self._reconcile(account, day)
        ]
        still = Discrepancy.objects.filter(
            bill__mch_id__in=[account.mch_id for account in chosen],
            bill__bill_date__in=days,
            status=DiscrepancyStatuses.OPEN,
        )
        many = still.count()
        if many or missed:
            raise CommandError(
                f"{many} {'difference is' if many == 1 else 'differences are'} open, "
                f"{len(missed)} {'bill' if len(missed) == 1 else 'bills'} could not be compared"
            )

    def _reconcile(self, account: Merchant, day: date) -> bool:
        try:
            with progress(self.stderr, f"Comparing {account.alias} {day}"):
                bill = services.download_bill(account.alias, bill_date=day)
                run = services.reconcile(bill)
        except WXPayError as error:
            self.stderr.write(f"{account.alias} {day}: {error}")
            return False
        self.stdout.write(_line(account, day, run))
        for found in bill.discrepancies.filter(status=DiscrepancyStatuses.OPEN).order_by("id"):
            self.stdout.write(f"  {found.kind} {found.number}: {found.ours} / {found.theirs}")
        return True


def _days(day: str | None, many: int | None) -> list[date]:
    last = yesterday(clock.now())
    if many is not None:
        if many < 1:
            raise CommandError("--days is a whole number, 1 or more", returncode=2)
        return [last - timedelta(days=at) for at in reversed(range(many))]
    try:
        return [as_date(day) if day else last]
    except WXPayError as error:
        raise CommandError(str(error), returncode=2) from error


def _line(account: Merchant, day: date, run: Reconciliation) -> str:
    return (
        f"{account.alias} {day}: {run.compared} compared, {run.asked} asked for, "
        f"{run.opened} new, {run.gone} gone, {run.open} open"
    )
