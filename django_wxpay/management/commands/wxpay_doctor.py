"""``manage.py wxpay_doctor``: the problems of each merchant, with advice."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay.protocol.errors import UnknownMerchant
from django_wxpay.services.doctor.diagnosis import Finding, Level, diagnose

_MOST_HOURS: Final = 24 * 366


class Command(BaseCommand):
    help = (
        "Look every merchant over: configuration, keys, hosts, latency and what is left undone. "
        "Exits with 1 if something is wrong."
    )
    # It reports wrong settings itself, as its first findings.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--merchant",
            action="append",
            metavar="ALIAS",
            help="look at this one only; may be given more than once",
        )
        parser.add_argument(
            "--hours",
            type=int,
            default=1,
            help="judge the calls of so many whole hours beside the present one",
        )
        parser.add_argument(
            "--offline",
            action="store_true",
            help="make no calls; otherwise every host is asked for an order that does not exist",
        )
        parser.add_argument(
            "--echo",
            action="store_true",
            help="have WeChat Pay test signature and encryption of v3 merchants, where it offers "
            "/v3/security/echo",
        )
        parser.add_argument("--json", action="store_true", help="print all findings as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print the problems, the worst first, and exit with 1 if one of them is an error."""
        if not 1 <= options["hours"] <= _MOST_HOURS:
            raise CommandError(f"--hours is a whole number from 1 to {_MOST_HOURS}")
        try:
            findings = diagnose(
                merchants=options["merchant"],
                hours=options["hours"],
                ask=not options["offline"],
                echo=options["echo"],
            )
        except UnknownMerchant as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(list(map(asdict, findings)), indent=2))
        else:
            self._write(findings, is_full=options["verbosity"] > 1)
        if any(finding.level is Level.ERROR for finding in findings):
            sys.exit(1)

    def _write(self, findings: Sequence[Finding], *, is_full: bool) -> None:
        wrong = [finding for finding in findings if finding.level is not Level.OK]
        for alias in dict.fromkeys(finding.merchant for finding in wrong):
            self._write_group(alias, [one for one in wrong if one.merchant == alias])
        fine = [finding for finding in findings if finding.level is Level.OK]
        if is_full:
            for finding in fine:
                self.stdout.write(
                    f"{_name(finding.merchant)}: {finding.subject}: {finding.message}"
                )
        elif names := _unharmed(fine, wrong):
            self.stdout.write(f"Nothing is wrong with {names}.")
        if wrong:
            self.stdout.write(_summary(wrong))

    def _write_group(self, alias: str, findings: Iterable[Finding]) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(_name(alias)))
        for finding in findings:
            style = self.style.ERROR if finding.level is Level.ERROR else self.style.WARNING
            line = f"{style(finding.level)} {finding.subject}: {finding.message}"
            self.stdout.write(f"  {line}\n    -> {finding.advice}")


def _name(alias: str) -> str:
    return alias or "all merchants"


def _unharmed(fine: Iterable[Finding], wrong: Iterable[Finding]) -> str:
    """Return the names of the merchants without a problem."""
    harmed = {finding.merchant for finding in wrong}
    names = {one.merchant for one in fine if one.merchant and one.merchant not in harmed}
    return ", ".join(sorted(names))


def _summary(wrong: Sequence[Finding]) -> str:
    errors = sum(finding.level is Level.ERROR for finding in wrong)
    warnings = len(wrong) - errors
    return f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
