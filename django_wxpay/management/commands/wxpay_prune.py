"""``manage.py wxpay_prune``: deletion of API reports past their retention."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.services.latency.pruning import prune


class Command(BaseCommand):
    help = "Delete calls older than API_REPORT_RETENTION_DAYS; what they came to is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, help="how many to delete at most; all by default")

    def handle(self, *_: Any, limit: int | None, **__: Any) -> None:
        """Prune once, and print the count."""
        if limit is not None and limit < 1:
            raise CommandError("--limit is a whole number, 1 or more")
        try:
            pruned = prune(limit=limit)
        except ConfigurationError as error:
            raise CommandError(f"{error}. Run manage.py check for all of it.") from error
        self.stdout.write(f"{pruned} pruned")
