"""Checks of background work: jobs that fail or hang, and work that waits, each kind by itself.

A shop may have no worker and run its jobs from cron. So it is waiting work that is a finding,
and not a worker that does not run; and a job that is well says nothing about another's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet

from django_wxpay.gateway.v3.platform_keys import REFRESH_AFTER
from django_wxpay.models import (
    ApiReport,
    BackgroundJob,
    CertificateDownload,
    Notification,
    Order,
    OrderEvent,
    PlatformCertificate,
    Refund,
)
from django_wxpay.models.choices import NotificationOutcomes, ReportStatuses
from django_wxpay.models.sentences import in_english
from django_wxpay.services.claims import SKEW
from django_wxpay.services.doctor.findings import (
    Finding,
    Level,
    Subject,
    agreeing,
    local_time,
    one_line,
)
from django_wxpay.services.doctor.scope import Scope
from django_wxpay.services.latency.rollup import not_rolled_up
from django_wxpay.services.notifications.retrying import LONGEST_PAUSE
from django_wxpay.services.reports.queue import COUNTED_UP_TO, backlog
from django_wxpay.services.transitions.dispatch import heard_kinds, is_due

# The time in which each kind of work is done, and in which a run of a job ends.
QUIET: Final = timedelta(minutes=15)
# Of what no job has ever done, for a worker that runs does all of it within a minute.
_BEFORE_THE_FIRST_RUN: Final = timedelta(minutes=2)
FAILURES: Final = 3
# A newer event is still being dispatched by the process that wrote it.
_BEING_DISPATCHED: Final = timedelta(minutes=1)
_LOOKED_AT: Final = 1000
_AN_HOUR: Final = timedelta(hours=1)
_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """Work of one job that waits since ``oldest_at``; ``is_late``: too long for a job that runs."""

    job: str
    what: str
    oldest_at: datetime
    is_late: bool


def check_jobs(scope: Scope) -> Iterator[Finding]:
    """Yield the jobs that keep failing or hang, and the work that its own job does not do."""
    rows = {row.name: row for row in BackgroundJob.objects.order_by("name")}
    sick = [row for row in rows.values() if _fails(row) or _hangs(row, scope.now)]
    findings = [_failing(row) if _fails(row) else _hanging(row) for row in sick]
    findings += [_failing_in_part(row, scope.now) for row in rows.values() if _is_part(row, scope)]
    has_run = any(row.started_at or row.finished_at for row in rows.values())
    due_by = scope.now - (QUIET if has_run else _BEFORE_THE_FIRST_RUN)
    waiting = _waiting(scope, due_by)
    left = [each for each in waiting if each.job not in {row.name for row in sick}]
    running = {row.name for row in rows.values() if _ran_lately(row, scope.now)}
    if idle := [each for each in left if each.job not in running]:
        findings += [_idle(each, rows) for each in idle] if running else [_quiet(rows, idle)]
    findings += [_stuck(each) for each in left if each.job in running and each.is_late]
    yield from findings
    if not findings:
        at = _last_finished(rows.values())
        text = f"A job finished at {local_time(at)}." if at else "No work waits for it."
        yield _finding(Subject.WORKER, Level.OK, text)


def check_reports(scope: Scope) -> Iterator[Finding]:
    """Yield whether reports wait for longer than a day, unless ``REPORT_LEVEL`` is "off"."""
    now_waiting = backlog()
    oldest_at = now_waiting.oldest_at
    if scope.report_level == "off" or oldest_at is None or oldest_at >= scope.now - _A_DAY:
        yield _finding(Subject.REPORTS, Level.OK, "No latency report has waited for a day.")
        return
    many = now_waiting.waiting
    more = " or more" if many >= COUNTED_UP_TO else ""
    reports = agreeing(2 if more else many, "latency report waits", "latency reports wait")
    yield _finding(
        Subject.REPORTS,
        Level.WARNING,
        f"{many}{more} {reports} to be sent, the oldest since {local_time(oldest_at)}.",
        "Run manage.py wxpay_report --until-empty: if nothing goes out, payitil/report cannot be "
        "reached from here. To report less, set REPORT_LEVEL.",
    )


def _fails(job: BackgroundJob) -> bool:
    return job.failures_in_a_row >= FAILURES


def _hangs(job: BackgroundJob, now: datetime) -> bool:
    has_ended = job.finished_at is not None and job.started_at and job.finished_at >= job.started_at
    return not has_ended and job.started_at is not None and job.started_at <= now - QUIET


def _ran_lately(job: BackgroundJob, now: datetime) -> bool:
    # One that finished in the future was run by a clock that is wrong, and shows nothing.
    return job.finished_at is not None and now - QUIET <= job.finished_at <= now + SKEW


def _last_finished(rows: Iterable[BackgroundJob]) -> datetime | None:
    return max((row.finished_at for row in rows if row.finished_at), default=None)


def _failing(job: BackgroundJob) -> Finding:
    return _finding(
        Subject.WORKER,
        Level.ERROR,
        f'The job "{job.name}" failed {job.failures_in_a_row} times in a row: '
        f"{one_line(job.error)}.",
        "Fix what the error names; the worker tries again by itself. Its log has the traceback.",
    )


def _is_part(job: BackgroundJob, scope: Scope) -> bool:
    return not _fails(job) and bool(job.failing_parts(scope.now))


def _failing_in_part(job: BackgroundJob, now: datetime) -> Finding:
    at = f", last seen at {local_time(job.partial_failure_at)}" if job.partial_failure_at else ""
    parts = one_line(in_english(lambda: job.failing_parts(now)))
    return _finding(
        Subject.WORKER,
        Level.WARNING,
        f'The job "{job.name}" runs, and fails in part: {parts}{at}.',
        "It goes on with the rest, and tries these again after a pause. Its log names each of "
        "them and why; other findings may say what to do.",
    )


def _hanging(job: BackgroundJob) -> Finding:
    since = local_time(job.started_at) if job.started_at else ""
    return _finding(
        Subject.WORKER,
        Level.ERROR,
        f'The job "{job.name}" runs since {since}: it hangs, or its process was killed.',
        "Restart wxpay_worker, or what calls the jobs; if it hangs again, the log names what ran "
        "last.",
    )


def _quiet(rows: Mapping[str, BackgroundJob], waiting: list[_Waiting]) -> Finding:
    finished_at = _last_finished(rows.values())
    since = f"since {local_time(finished_at)}" if finished_at else "yet"
    work = ", ".join(each.what for each in waiting)
    return _finding(
        Subject.WORKER,
        Level.WARNING,
        f"No background job has finished {since}, and there is work: {work}.",
        "Is wxpay_worker running? Start it, or call its jobs from cron.",
    )


def _idle(waiting: _Waiting, rows: Mapping[str, BackgroundJob]) -> Finding:
    job = rows.get(waiting.job)
    at = job.finished_at if job else None
    ran = f"has not finished since {local_time(at)}" if at else "has never finished"
    return _finding(
        Subject.WORKER,
        Level.WARNING,
        f'The job "{waiting.job}" {ran}, though others did, and there is work: {waiting.what}, '
        f"the oldest of {local_time(waiting.oldest_at)}.",
        "Call every job: wxpay_worker without names, or each of them from cron.",
    )


def _stuck(waiting: _Waiting) -> Finding:
    return _finding(
        Subject.WORKER,
        Level.ERROR if waiting.job == "events" else Level.WARNING,
        f'The job "{waiting.job}" runs, and yet there is work: {waiting.what}, the oldest of '
        f"{local_time(waiting.oldest_at)}.",
        f"Run manage.py wxpay_worker --once --jobs {waiting.job} and look at its log. If it does "
        "the work, the worker that runs lacks something, such as the shop's receivers.",
    )


def _waiting(scope: Scope, due_by: datetime) -> Iterator[_Waiting]:
    # Of all merchants, whichever are in scope: one worker does the work of all.
    for job, what, oldest_at, longest in (
        ("events", "events to deliver", _oldest_event(scope.now), QUIET),
        (
            "notifications",
            "notifications to process again",
            _oldest_failed(scope.now, due_by),
            QUIET,
        ),
        ("sync", "orders or refunds to query", _oldest_check(due_by), QUIET),
        # Whether anything can be sent at all is another check's.
        ("reports", "reports to send", _oldest_report(scope, due_by), None),
        ("latency", "calls to roll up", _oldest_uncounted(scope.now), _AN_HOUR),
        ("certificates", "platform certificates to renew", _oldest_download(scope), QUIET),
    ):
        if oldest_at is not None:
            is_late = longest is not None and _is_past(oldest_at, scope.now - longest, scope.now)
            yield _Waiting(job=job, what=what, oldest_at=oldest_at, is_late=is_late)


def _is_past(moment: datetime, latest: datetime, now: datetime) -> bool:
    # What is of the future was written by a clock that is wrong, nobody knows when.
    return moment <= latest or moment > now + SKEW


def _oldest_event(now: datetime) -> datetime | None:
    # What no receiver is connected to waits for one, and not for a job. A try that has begun is
    # looked at with the receivers.
    rows = OrderEvent.objects.filter(is_due(now), dispatched_at__isnull=True)
    waiting = rows.filter(kind__in=heard_kinds(), dispatch_error="")
    of_a_wrong_clock = Q(created_at__gt=now + SKEW)
    old = waiting.filter(Q(created_at__lte=now - _BEING_DISPATCHED) | of_a_wrong_clock)
    return _oldest(old)


def _oldest_failed(now: datetime, due_by: datetime) -> datetime | None:
    failed = Notification.objects.filter(outcome=NotificationOutcomes.FAILED)
    never = Q(next_retry_at__isnull=True, retries=0, created_at__lte=due_by)
    due = Q(next_retry_at__lte=due_by) | Q(next_retry_at__gt=now + LONGEST_PAUSE + SKEW)
    return _oldest(failed.filter(never | due))


def _oldest_check(due_by: datetime) -> datetime | None:
    due: tuple[QuerySet[Any], ...] = (Order.objects.all(), Refund.objects.all())
    late = [rows.filter(next_check_at__lte=due_by).order_by("next_check_at") for rows in due]
    return min(filter(None, (_first(rows, "next_check_at") for rows in late)), default=None)


def _oldest_report(scope: Scope, due_by: datetime) -> datetime | None:
    if scope.report_level == "off":
        return None
    old = ApiReport.objects.filter(report_status=ReportStatuses.PENDING, created_at__lt=due_by)
    return _first(old.order_by("created_at"), "created_at")


def _oldest_uncounted(now: datetime) -> datetime | None:
    oldest_at = _first(not_rolled_up().order_by("id"), "created_at")
    is_new = oldest_at is None or now - _AN_HOUR <= oldest_at <= now + SKEW
    return None if is_new else oldest_at


def _oldest_download(scope: Scope) -> datetime | None:
    v3 = {account.mch_id for account in scope.accounts.values() if account.api_v3_key}
    kept = PlatformCertificate.objects.filter(mch_id__in=v3, expire_time__gt=scope.now)
    downloads = CertificateDownload.objects.filter(mch_id__in=kept.values("mch_id"))
    old = downloads.filter(claimed_at__lt=scope.now - REFRESH_AFTER - _AN_HOUR)
    return _first(old.order_by("claimed_at"), "claimed_at")


def _oldest(rows: QuerySet[Any]) -> datetime | None:
    # Of so many, in no order: no index that finds them sorts them as well.
    times = rows.order_by().values_list("created_at", flat=True)[:_LOOKED_AT]
    return min(times, default=None)


def _first(rows: QuerySet[Any], column: str) -> datetime | None:
    found: datetime | None = rows.values_list(column, flat=True).first()
    return found


def _finding(subject: Subject, level: Level, message: str, advice: str = "") -> Finding:
    return Finding(merchant="", subject=subject, level=level, message=message, advice=advice)
