"""Checks of background work: jobs that fail, and work that waits.

A shop may have no worker and run its jobs from cron. So it is waiting work that is a finding,
and not a worker that does not run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from django_wxpay.models import ApiReport, BackgroundJob, OrderEvent
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.services.doctor.findings import Finding, Level, Subject, local_time, one_line
from django_wxpay.services.doctor.scope import Scope
from django_wxpay.services.latency.rollup import not_rolled_up
from django_wxpay.services.reports.queue import COUNTED_UP_TO, backlog
from django_wxpay.services.transitions.dispatch import heard_kinds

# The time in which some job has to finish while there is work, and in which reports are sent.
QUIET: Final = timedelta(minutes=15)
FAILURES: Final = 3
# A newer event is still being dispatched by the process that wrote it.
_BEING_DISPATCHED: Final = timedelta(minutes=1)
_AN_HOUR: Final = timedelta(hours=1)
_A_DAY: Final = timedelta(days=1)


def check_jobs(scope: Scope) -> Iterator[Finding]:
    """Yield the jobs that keep failing, and the work that no job does."""
    rows = list(BackgroundJob.objects.order_by("name"))
    failing = [row for row in rows if row.failures_in_a_row >= FAILURES]
    yield from map(_failing, failing)
    finished_at = max((row.finished_at for row in rows if row.finished_at), default=None)
    is_quiet = finished_at is None or finished_at < scope.now - QUIET
    waiting = list(_waiting(scope)) if is_quiet else []
    if waiting:
        yield _quiet(finished_at, waiting)
    elif not failing:
        last = f"A job finished at {local_time(finished_at)}." if finished_at else ""
        yield _finding(Subject.WORKER, Level.OK, last or "No work waits for it.")


def check_reports(scope: Scope) -> Iterator[Finding]:
    """Yield whether reports wait for longer than a day, unless ``REPORT_LEVEL`` is "off"."""
    now_waiting = backlog()
    oldest_at = now_waiting.oldest_at
    if scope.report_level == "off" or oldest_at is None or oldest_at >= scope.now - _A_DAY:
        yield _finding(Subject.REPORTS, Level.OK, "No latency report has waited for a day.")
        return
    more = " or more" if now_waiting.waiting >= COUNTED_UP_TO else ""
    yield _finding(
        Subject.REPORTS,
        Level.WARNING,
        f"{now_waiting.waiting}{more} latency reports wait to be sent, the oldest since "
        f"{local_time(oldest_at)}.",
        "Run manage.py wxpay_report --until-empty: if nothing goes out, payitil/report cannot be "
        "reached from here. To report less, set REPORT_LEVEL.",
    )


def _failing(job: BackgroundJob) -> Finding:
    return _finding(
        Subject.WORKER,
        Level.ERROR,
        f'The job "{job.name}" failed {job.failures_in_a_row} times in a row: '
        f"{one_line(job.error)}.",
        "Fix what the error names; the worker tries again by itself. Its log has the traceback.",
    )


def _quiet(finished_at: datetime | None, waiting: list[str]) -> Finding:
    since = f"since {local_time(finished_at)}" if finished_at else "yet"
    return _finding(
        Subject.WORKER,
        Level.WARNING,
        f"No background job has finished {since}, and there is work: {', '.join(waiting)}.",
        "Is wxpay_worker running? Start it, or call its jobs from cron.",
    )


def _waiting(scope: Scope) -> Iterator[str]:
    # Of all merchants, whichever are in scope: one worker does the work of all.
    undelivered = OrderEvent.objects.filter(
        Q(next_dispatch_at__isnull=True) | Q(next_dispatch_at__lte=scope.now),
        dispatched_at__isnull=True,
        # What no receiver is connected to waits for one, and not for a job.
        kind__in=heard_kinds(),
        created_at__lte=scope.now - _BEING_DISPATCHED,
    )
    if undelivered.exists():
        yield "events to deliver"
    unsent = ApiReport.objects.filter(
        report_status=ReportStatuses.PENDING,
        created_at__lt=scope.now - QUIET,
    )
    if scope.report_level != "off" and unsent.exists():
        yield "reports to send"
    uncounted = not_rolled_up().order_by("id").values_list("created_at", flat=True).first()
    if uncounted is not None and uncounted < scope.now - _AN_HOUR:
        yield "calls to roll up"


def _finding(subject: Subject, level: Level, message: str, advice: str = "") -> Finding:
    return Finding(merchant="", subject=subject, level=level, message=message, advice=advice)
