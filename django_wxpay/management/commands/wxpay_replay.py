"""``manage.py wxpay_replay``: FAILED notifications, processed again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay.management.progress import progress
from django_wxpay.models import Notification
from django_wxpay.models.choices import NotificationOutcomes
from django_wxpay.services.notifications.retrying import retry_failed


class Command(BaseCommand):
    help = "Try FAILED notifications again now, whether or not they are due or were given up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=1000, help="how many to try at most")

    def handle(self, *_: Any, limit: int, **__: Any) -> None:
        """Try once, and print the counts."""
        if limit < 1:
            raise CommandError("--limit is a whole number, 1 or more")
        with progress(self.stderr, "Processing notifications"):
            batch = retry_failed(limit=limit, is_due_only=False)
        left = Notification.objects.filter(outcome=NotificationOutcomes.FAILED).count()
        self.stdout.write(f"{batch.found} tried again, {batch.done} settled, {left} failed")
