"""Whether what runs in the background runs: a worker is missed where there is work for it.

A shop without a worker, whose cron does the jobs, is as well; it is what is left undone
that tells, not who did it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from django_wxpay.models import ApiReport, BackgroundJob, OrderEvent
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.services.doctor.findings import Finding, Level, Subject, at, quoted
from django_wxpay.services.doctor.scope import Examination
from django_wxpay.services.latency.rollup import to_be_rolled_up
from django_wxpay.services.reports.backlog import COUNTED_UP_TO, backlog

# How long no job may finish while there is work, and reports may wait to be sent.
QUIET: Final = timedelta(minutes=15)
FAILURES: Final = 3
# An event of this moment is being told by whoever settled it.
_AT_ONCE: Final = timedelta(minutes=1)
_AN_HOUR: Final = timedelta(hours=1)
_A_DAY: Final = timedelta(days=1)


def jobs(seen: Examination) -> Iterator[Finding]:
    """Yield the jobs that fail, and whether anybody does the work that waits."""
    rows = list(BackgroundJob.objects.order_by("name"))
    failing = [row for row in rows if row.failures_in_a_row >= FAILURES]
    yield from map(_failing, failing)
    finished_at = max((row.finished_at for row in rows if row.finished_at), default=None)
    is_quiet = finished_at is None or finished_at < seen.now - QUIET
    waiting = list(_waiting(seen)) if is_quiet else []
    if waiting:
        yield _quiet(finished_at, waiting)
    elif not failing:
        said = f"A job finished at {at(finished_at)}." if finished_at else "Nothing waits for it."
        yield _of_all(Subject.WORKER, Level.OK, said)


def reports(seen: Examination) -> Iterator[Finding]:
    """Yield whether reports wait for longer than a day; with ``REPORT_LEVEL`` "off" they may."""
    now_waiting = backlog()
    oldest_at = now_waiting.oldest_at
    if seen.report_level == "off" or oldest_at is None or oldest_at >= seen.now - _A_DAY:
        yield _of_all(Subject.REPORTS, Level.OK, "No latency report has waited for a day.")
        return
    more = " or more" if now_waiting.waiting >= COUNTED_UP_TO else ""
    yield _of_all(
        Subject.REPORTS,
        Level.WARNING,
        f"{now_waiting.waiting}{more} latency reports wait to be sent, the oldest since "
        f"{at(oldest_at)}.",
        "Run manage.py wxpay_report --until-empty: if nothing goes out, payitil/report cannot be "
        "reached from here. To report less, set REPORT_LEVEL.",
    )


def _failing(job: BackgroundJob) -> Finding:
    return _of_all(
        Subject.WORKER,
        Level.ERROR,
        f'The job "{job.name}" failed {job.failures_in_a_row} times in a row: {quoted(job.error)}.',
        "Mend what the error names; the worker tries again by itself. Its log has the traceback.",
    )


def _quiet(finished_at: datetime | None, waiting: list[str]) -> Finding:
    since = f"since {at(finished_at)}" if finished_at else "yet"
    return _of_all(
        Subject.WORKER,
        Level.WARNING,
        f"No background job has finished {since}, and there is work: {', '.join(waiting)}.",
        "Is wxpay_worker running? Start it, or call its jobs from cron.",
    )


def _waiting(seen: Examination) -> Iterator[str]:
    """Yield what nobody has done in time; the work of all merchants is one worker's."""
    untold = OrderEvent.objects.filter(
        Q(next_dispatch_at__isnull=True) | Q(next_dispatch_at__lte=seen.now),
        dispatched_at__isnull=True,
        created_at__lte=seen.now - _AT_ONCE,
    )
    if untold.exists():
        yield "events to tell"
    unsent = ApiReport.objects.filter(
        report_status=ReportStatuses.PENDING,
        created_at__lt=seen.now - QUIET,
    )
    if seen.report_level != "off" and unsent.exists():
        yield "reports to send"
    uncounted = to_be_rolled_up().order_by("id").values_list("created_at", flat=True).first()
    if uncounted is not None and uncounted < seen.now - _AN_HOUR:
        yield "calls to roll up"


def _of_all(subject: Subject, level: Level, message: str, advice: str = "") -> Finding:
    return Finding(merchant="", subject=subject, level=level, message=message, advice=advice)
