"""``manage.py wxpay_sync``: orders and refunds that are due, asked for at WeChat Pay once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay import conf, services
from django_wxpay.management.progress import progress
from django_wxpay.protocol.errors import ConfigurationError


class Command(BaseCommand):
    help = "Ask WeChat Pay for the orders and refunds that are due; exit 1 if it did not answer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--merchant", metavar="ALIAS", help="only those of one merchant")
        parser.add_argument("--limit", type=int, help="how many to ask for at most; all by default")

    def handle(self, *_: Any, merchant: str | None, limit: int | None, **__: Any) -> None:
        """Sweep once, and print the counts."""
        if limit is not None and limit < 1:
            raise CommandError("--limit is a whole number, 1 or more")
        try:
            if merchant is not None:
                conf.merchant(merchant)
            with progress(self.stderr, "Asking WeChat Pay"):
                run = services.sync_orders(limit=limit, merchant=merchant)
        except ConfigurationError as error:
            raise CommandError(f"{error}. Run manage.py check for all of it.") from error
        self.stdout.write(
            f"{run.found} due, {run.settled} answered, {run.closed} closed, "
            f"{sum(run.unanswered.values())} without an answer"
        )
        if run.unanswered:
            silent = ", ".join(f"{alias} ({run.unanswered[alias]})" for alias in run.unanswered)
            raise CommandError(f"no answer for: {silent}. wxpay_doctor says why.")
