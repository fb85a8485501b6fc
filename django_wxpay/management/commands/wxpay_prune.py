"""``manage.py wxpay_prune``: deletion of rows past their retention."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay.management.progress import progress
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.services.retention import RETENTIONS, prune


class Command(BaseCommand):
    help = (
        "Delete rows older than API_REPORT_RETENTION_DAYS and RETENTION_DAYS say, table by table."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, help="how many of each table to delete at most")

    def handle(self, *_: Any, limit: int | None, **__: Any) -> None:
        """Prune once, and print the count of each table."""
        if limit is not None and limit < 1:
            raise CommandError("--limit is a whole number, 1 or more")
        try:
            with progress(self.stderr, "Deleting"):
                pruned = prune(limit=limit)
        except ConfigurationError as error:
            raise CommandError(f"{error}. Run manage.py check for all of it.") from error
        for each in RETENTIONS:
            count = pruned.get(each.rows)
            self.stdout.write(f"{each.rows}: {'kept' if count is None else f'{count} pruned'}")
