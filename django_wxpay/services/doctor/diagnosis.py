"""The doctor's diagnosis: every check, and its findings in order of urgency.

An error stops no check: settings that cannot be read and a database that cannot be reached
are findings too. Recorded calls are checked before any host is called, so that the calls of
this diagnosis count in no check.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.db import Error
from django.utils import timezone

from django_wxpay import conf
from django_wxpay.conf import Problem
from django_wxpay.conf.hints import HINTS
from django_wxpay.services.doctor.background import check_jobs, check_reports
from django_wxpay.services.doctor.bills import check_bills
from django_wxpay.services.doctor.findings import (
    Finding,
    Level,
    Subject,
    by_urgency,
    counted,
    in_words,
)
from django_wxpay.services.doctor.hosts import check_hosts
from django_wxpay.services.doctor.keys import (
    check_echo,
    check_own_certificates,
    check_platform_certificates,
)
from django_wxpay.services.doctor.latency import check_latency
from django_wxpay.services.doctor.notifications import (
    check_events,
    check_notifications,
)
from django_wxpay.services.doctor.orders import check_orders
from django_wxpay.services.doctor.project import (
    connection_problems,
    database_error,
    receiver_problems,
    table_problems,
    url_problems,
)
from django_wxpay.services.doctor.refusals import check_refusals
from django_wxpay.services.doctor.scope import Scope, scope_of
from django_wxpay.services.transactions import require_no_transaction

__all__ = ["Finding", "Level", "Subject", "diagnose"]

# A warning to manage.py check, which must not keep a release from migrating, and an error in a
# shop that is open: no order can be placed, and money that arrives is not settled.
_URGENT: Final = frozenset({"W006", "W007", "W015", "W016"})
_SUBJECTS: Final = {
    "E007": Subject.CONFIGURATION,
    "W013": Subject.CONFIGURATION,
    "W007": Subject.NOTIFICATIONS,
    "W004": Subject.CONFIGURATION,
    "W015": Subject.KEYS,
    "W016": Subject.KEYS,
    "W009": Subject.EVENTS,
}

_DATABASE_CHECKS = (
    check_platform_certificates,
    check_latency,
    check_jobs,
    check_orders,
    check_notifications,
    check_refusals,
    check_events,
    check_reports,
    check_bills,
)


def diagnose(
    *,
    merchants: Collection[str] | None = None,
    hours: int = 1,
    ask: bool = True,
    echo: bool = False,
) -> list[Finding]:
    """Run every check and return all findings, the worst first.

    ``merchants`` are aliases (None: all). ``hours`` is how many whole hours before the present
    one are checked. With ``ask``, every host of every merchant is queried for an order that
    does not exist; with ``echo`` as well, WeChat Pay tests the keys of v3 merchants where it
    offers that. Raises ``UnknownMerchant`` for an alias that is not in the settings and, with
    ``ask``, ``InsideTransaction``.
    """
    if ask:
        require_no_transaction("diagnose")
    scope = scope_of(merchants, hours=hours, ask=ask)
    found = [*_check_configuration(scope), *_check_project()]
    found += [*check_own_certificates(scope), *_check_database(scope)]
    if ask:
        found += _check_hosts(scope, echo=echo)
    # The same database error may come from several checks.
    return sorted(dict.fromkeys(found), key=by_urgency)


def _check_configuration(scope: Scope) -> Iterator[Finding]:
    problems = [each for each in conf.problems() if each.merchant in {"", *scope.aliases}]
    problems += scope.problems
    yield from map(_finding, _heard(problems))
    if scope.passed_over:
        looked_at = counted(len(scope.aliases), "merchant")
        yield Finding(
            merchant="",
            subject=Subject.CONFIGURATION,
            level=Level.WARNING,
            message=f"{looked_at} with the latest orders were looked at one by one, and "
            f"{scope.passed_over} others were not.",
            advice="Name those in question: manage.py wxpay_doctor --merchant ALIAS.",
        )
    for alias in scope.accounts.keys() - {problem.merchant for problem in problems}:
        yield Finding(
            merchant=alias,
            subject=Subject.CONFIGURATION,
            level=Level.OK,
            message="The settings are complete, and its keys belong together.",
        )


def _check_project() -> Iterator[Finding]:
    # The URLs first: a command loads none by itself, and receivers may stand beside the views.
    problems = (*url_problems(), *receiver_problems(), *connection_problems())
    yield from (_finding(each, Subject.DATABASE) for each in _heard(problems))


def _check_database(scope: Scope) -> Iterator[Finding]:
    if timezone.is_naive(scope.now):
        # Times of the tables cannot be compared, and E023 says so.
        return
    found = table_problems()
    problems = [each for each in found if not each.merchant or scope.includes(each.merchant)]
    yield from (_finding(each, Subject.DATABASE) for each in _heard(problems))
    if any(problem.code == "W006" for problem in problems):
        return
    try:
        for check in _DATABASE_CHECKS:
            yield from check(scope)
    except (Error, ImproperlyConfigured) as error:
        yield _database_error(error)


def _heard(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the errors, and the warnings that the project has not silenced."""
    for each in problems:
        if each.code.startswith("E") or not conf.is_silenced(each.code):
            yield each


def _finding(problem: Problem, subject: Subject = Subject.CONFIGURATION) -> Finding:
    is_error = problem.code.startswith("E") or problem.code in _URGENT
    return Finding(
        merchant=problem.merchant,
        subject=_SUBJECTS.get(problem.code, subject),
        level=Level.ERROR if is_error else Level.WARNING,
        message=in_words(problem),
        advice=HINTS[problem.code],
    )


def _check_hosts(scope: Scope, *, echo: bool) -> Iterator[Finding]:
    if not scope.is_configured:
        yield Finding(
            merchant="",
            subject=Subject.HOSTS,
            level=Level.WARNING,
            message="No host was called: the settings are wrong.",
            advice="Fix the configuration first, then run this again.",
        )
    for account in scope.accounts.values():
        try:
            yield from check_hosts(account)
            if echo:
                yield from check_echo(account)
        except (Error, ImproperlyConfigured) as error:
            yield _database_error(error)


def _database_error(error: Exception) -> Finding:
    return Finding(
        merchant="",
        subject=Subject.DATABASE,
        level=Level.ERROR,
        message=f"The database does not answer a query: {database_error(error)}.",
        advice="Start the database and look at DATABASES in the settings; if both are right, run "
        "manage.py migrate. Without it no order can be placed and no notification stored.",
    )
