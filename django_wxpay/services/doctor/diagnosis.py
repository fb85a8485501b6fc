"""What is wrong, with which merchant, and what to do about it: the doctor's whole round.

Nothing that is wrong stops it: settings that cannot be read and a database that cannot be
reached are findings, and what can be said without them is said. Calls are judged before any
is made, so that the doctor's own do not count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.db import DatabaseError

from django_wxpay import conf
from django_wxpay.conf.schema import HINTS
from django_wxpay.services.doctor.background import jobs, reports
from django_wxpay.services.doctor.findings import Finding, Level, Subject, by_urgency, quoted
from django_wxpay.services.doctor.hosts import answers
from django_wxpay.services.doctor.keys import own_certificates, platform_certificates
from django_wxpay.services.doctor.latency import latency
from django_wxpay.services.doctor.notifications import conflicts, notifications, untold_events
from django_wxpay.services.doctor.scope import Examination, examination
from django_wxpay.services.transactions import require_no_transaction

__all__ = ["Finding", "Level", "Subject", "diagnose"]

_OF_THE_DATABASE = (
    platform_certificates,
    latency,
    jobs,
    notifications,
    conflicts,
    untold_events,
    reports,
)


def diagnose(
    *,
    merchants: Collection[str] | None = None,
    hours: int = 1,
    ask: bool = True,
) -> list[Finding]:
    """Return what is wrong and what is well, the worst first.

    ``merchants`` are aliases (None: all). ``hours`` is how far back calls are judged, in
    whole hours beside the present one. ``ask`` makes a call to every host of every merchant,
    about an order that does not exist. Raises ``UnknownMerchant`` for an alias that is not
    in the settings and, where it asks, ``InsideTransaction``.
    """
    if ask:
        require_no_transaction("diagnose")
    seen = examination(merchants, hours=hours, ask=ask)
    found = [*_configuration(seen), *own_certificates(seen), *_told_by_the_database(seen)]
    if ask:
        found += _answers(seen)
    # A database in trouble may have been met more than once.
    return sorted(dict.fromkeys(found), key=by_urgency)


def _configuration(seen: Examination) -> Iterator[Finding]:
    problems = [each for each in conf.problems() if each.merchant in {"", *seen.aliases}]
    for problem in problems:
        yield Finding(
            merchant=problem.merchant,
            subject=Subject.CONFIGURATION,
            level=Level.ERROR if problem.code.startswith("E") else Level.WARNING,
            message=f"{problem.message} ({problem.code}).",
            advice=HINTS[problem.code],
        )
    for alias in seen.accounts.keys() - {problem.merchant for problem in problems}:
        yield Finding(
            merchant=alias,
            subject=Subject.CONFIGURATION,
            level=Level.OK,
            message="The settings are complete, and its keys belong together.",
        )


def _told_by_the_database(seen: Examination) -> Iterator[Finding]:
    try:
        for part in _OF_THE_DATABASE:
            yield from part(seen)
    except DatabaseError as trouble:
        yield _no_database(trouble)


def _answers(seen: Examination) -> Iterator[Finding]:
    if not seen.is_configured:
        yield Finding(
            merchant="",
            subject=Subject.HOSTS,
            level=Level.WARNING,
            message="Nobody was asked: the settings are wrong.",
            advice="Mend the configuration first, then run this again.",
        )
    for account in seen.accounts.values():
        try:
            yield from answers(account)
        except DatabaseError as trouble:
            yield _no_database(trouble)


def _no_database(trouble: DatabaseError) -> Finding:
    # What follows the first line is the statement.
    (first, *_) = [*str(trouble).splitlines(), ""]
    return Finding(
        merchant="",
        subject=Subject.DATABASE,
        level=Level.ERROR,
        message=f"The database does not do what it is asked: {type(trouble).__name__}: "
        f"{quoted(first)}.",
        advice="Start the database and look at DATABASES in the settings; if it is well, run "
        "manage.py migrate. Without it no order can be placed and no notification kept.",
    )
