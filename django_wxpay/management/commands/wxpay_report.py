"""``manage.py wxpay_report``: latency reports, sent to WeChat Pay."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay import services
from django_wxpay.management.progress import progress
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.services.reports.queue import COUNTED_UP_TO, backlog


class Command(BaseCommand):
    help = "Send waiting latency reports to WeChat Pay (payitil/report); run it from cron."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=1000, help="how many to send at most")
        parser.add_argument(
            "--until-empty",
            action="store_true",
            help="send all there is, until nothing waits or no host answers",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Send once, or until nothing is left, and print the counts."""
        if options["limit"] < 1:
            raise CommandError("--limit is a whole number, 1 or more")
        try:
            limit = None if options["until_empty"] else options["limit"]
            with progress(self.stderr, "Sending reports"):
                run = services.send_reports(limit=limit)
        except ConfigurationError as error:
            raise CommandError(f"{error}. Run manage.py check for all of it.") from error
        left = backlog().waiting
        self.stdout.write(
            f"{run.sent} reported, {run.given_up} given up, "
            f"{run.not_reportable} cannot be reported, "
            f"{left}{' or more' if left == COUNTED_UP_TO else ''} waiting"
        )
