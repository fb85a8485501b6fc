"""Runs of background jobs: once, until done, or again and again in a worker.

Each run leaves a row. Nothing that a job raises gets out, nor does a database error in
writing that row: it is logged, and the next run writes again. Any number of processes may run
the same job.

The worker is not a scheduler: it adds an interval and the signal to stop to the plain
functions of ``jobs``, which Celery and cron can call as well. A scheduler library would add a
dependency, a second way to stop and a second place that shows what failed.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from django.db import DatabaseError, connections
from django.db.models import F

from django_wxpay import conf
from django_wxpay.models import BackgroundJob
from django_wxpay.protocol.secrets import Secret, holds_any, masked
from django_wxpay.services import clock, telemetry
from django_wxpay.services.claims import backoff
from django_wxpay.services.transactions import (
    atomic,
    replace_dead_connections,
    require_no_transaction,
    retry_on_lock,
)
from django_wxpay.services.worker.jobs import JOBS, Job, JobResult, Stop, chosen_jobs

logger = logging.getLogger("django_wxpay.worker")

_ERROR_WIDTH: Final = 512

# Containers are killed ten seconds after they are asked to stop; a report takes less than this.
GRACE_S: Final = 8.0
LONGEST_PAUSE_S: Final = 300.0
# Servers, proxies and firewalls close what idles, some after half a minute. Up to this a job that
# comes back soon does not connect anew each time.
KEPT_OVER_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run of a job; ``error`` is the exception that it raised, "" if none."""

    name: str
    result: JobResult = field(default_factory=JobResult)
    error: str = ""

    @property
    def succeeded(self) -> bool:
        return not self.error

    @property
    def outcome(self) -> str:
        """How the run ended, in one word of ``telemetry``."""
        if self.error:
            return telemetry.FAILED
        return telemetry.FAILING_IN_PART if self.result.failing else telemetry.SUCCEEDED

    def __str__(self) -> str:
        return f"{self.name}: {self.error or self.result}"


def run_jobs(*names: str, stop: Stop = lambda: False) -> list[JobRun]:
    """Run each job of these names (none: every job), one after the other, until it is done.

    For cron, Celery and the like; safe beside workers and beside itself. An error of a job is
    in its ``JobRun`` and in the admin, and is not raised. Raises ``ValueError`` for a name
    that is not in the table, and ``InsideTransaction`` in an open transaction.
    """
    require_no_transaction("run_jobs")
    return [run_until_done(job, stop=stop) for job in chosen_jobs(names)]


def run_until_done(job: Job, *, stop: Stop = lambda: False) -> JobRun:
    """Run ``job`` until it has no more to do, fails, or ``stop`` returns True."""
    run = run_job(job, stop=stop)
    total = run.result
    while run.result.has_more and not stop():
        run = run_job(job, stop=stop)
        total += run.result
    return replace(run, result=total)


def run_job(job: Job, *, stop: Stop = lambda: False) -> JobRun:
    """Run ``job`` once, and write its times and its result to its ``BackgroundJob``."""
    # Nothing tells a client that its connection was closed while it idled, so that each is asked.
    # One that works is left as it is: in Celery or a view it is the caller's, with its cursors.
    _guarded(replace_dead_connections)
    _guarded(partial(_write, job.name, started_at=clock.now()))
    with telemetry.job(job.name) as end:
        run = _try(job, stop)
        counts = {f"wxpay.count.{what}": count for what, count in run.result.counts.items()}
        end(run.outcome, **counts)
    _guarded(partial(_write_outcome, run))
    _guarded(partial(_write_parts, run))
    return run


def _try(job: Job, stop: Stop) -> JobRun:
    try:
        run = JobRun(name=job.name, result=job.run(stop))
    except Exception as exc:  # noqa: BLE001 - the worker is an edge: what it catches is saved
        run = JobRun(name=job.name, error=_error_text(exc))
        _log_failure(run, exc)
        # The error may be a lost connection; the row is then written on a new one.
        _guarded(replace_dead_connections)
    else:
        logger.log(logging.INFO if any(run.result.counts.values()) else logging.DEBUG, "%s", run)
    return run


class Worker:
    """A context manager that runs ``jobs`` until its end, and then waits up to ``grace_s``.

    Each job has a thread of its own, so one that hangs or fails delays no other. One whose run
    was full runs again at once. One that fails, or gets no response, pauses longer each time.

    ``unfinished`` are the jobs still running after ``grace_s``; their threads end with the process.
    """

    def __init__(self, jobs: Sequence[Job] = JOBS, *, grace_s: float = GRACE_S) -> None:
        self.unfinished: list[str] = []
        self._grace_s = grace_s
        self._stop = threading.Event()
        self._threads = {job.name: self._thread(job) for job in jobs}

    def __enter__(self) -> Self:
        for thread in self._threads.values():
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        deadline = time.monotonic() + self._grace_s
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        self.unfinished = [name for name, each in self._threads.items() if each.is_alive()]
        if self.unfinished:
            logger.warning("jobs that did not end in time: %s", ", ".join(self.unfinished))

    @property
    def crashed(self) -> list[str]:
        """The jobs whose thread ended although the worker has not been stopped."""
        return [name for name, thread in self._threads.items() if not thread.is_alive()]

    def _thread(self, job: Job) -> threading.Thread:
        name = f"wxpay-{job.name}"
        return threading.Thread(target=self._repeat, args=(job,), name=name, daemon=True)

    def _repeat(self, job: Job) -> None:
        failures = 0
        try:
            while not self._stop.is_set():
                run = run_job(job, stop=self._stop.is_set)
                has_failed = not run.succeeded or run.result.no_response
                failures = failures + 1 if has_failed else 0
                pause = 0.0 if run.result.has_more else pause_s(job, failures)
                _guarded(partial(_let_connections_go, pause))
                self._stop.wait(pause)
        finally:
            # A thread has connections of its own, and no request cycle that would close them.
            connections.close_all()


def pause_s(job: Job, failures: int) -> float:
    """Return the seconds until the next run, after ``failures`` runs in a row."""
    return max(job.every_s, backoff(failures, job.every_s, LONGEST_PAUSE_S))


def _outcome_columns(run: JobRun) -> dict[str, Any]:
    now = clock.now()
    if not run.succeeded:
        failures = F("failures_in_a_row") + 1
        return {"finished_at": now, "failures_in_a_row": failures, "error": run.error}
    succeeded = {} if run.result.is_cut_short else {"succeeded_at": now}
    return {
        "finished_at": now,
        **succeeded,
        "counts": {name: count for name, count in run.result.counts.items() if count},
        "failures_in_a_row": 0,
        "error": "",
    }


def _write_parts(run: JobRun) -> None:
    """Write what fails in part after ``run``, with what failed before and was not seen since."""
    result = run.result
    if not result.failing and not result.working:
        return
    retry_on_lock(partial(_merge_parts, run))


def _merge_parts(run: JobRun) -> None:
    result = run.result
    with atomic():
        # A run of another worker may end at the same moment, and have seen other parts. SQLite has
        # no row locks, but then its transactions are one after the other.
        row = BackgroundJob.objects.select_for_update().get(name=run.name)
        now = clock.now()
        before = row.standing_failures(now)
        parts = {part: each for part, each in before.items() if part not in result.working}
        parts |= {part: (count, now) for part, count in result.failing.items()}
        BackgroundJob.objects.filter(pk=row.pk).update(
            partial_failures={part: [n, at.isoformat()] for part, (n, at) in parts.items()},
            partial_failure_at=max((at for _, at in parts.values()), default=None),
        )


def _write(name: str, **values: Any) -> None:
    row = BackgroundJob.objects.filter(name=name)
    if not row.update(**values):
        # Two workers may begin a new job at the same moment.
        BackgroundJob.objects.bulk_create([BackgroundJob(name=name)], ignore_conflicts=True)
        row.update(**values)


def _write_outcome(run: JobRun) -> None:
    columns = _outcome_columns(run)
    try:
        _write(run.name, **columns)
    except DatabaseError:
        # A text that this database does not hold must not hide that the run failed.
        plain = run.error.encode("ascii", "backslashreplace").decode()[:_ERROR_WIDTH]
        _write(run.name, **(columns | {"error": plain}))


def _let_connections_go(pause_s: float) -> None:
    """Close this thread's connections before a pause that they may not outlive."""
    if pause_s > KEPT_OVER_S:
        connections.close_all()
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()


def _guarded(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:
        logger.exception("the state of a background job was not saved")


def _log_failure(run: JobRun, exc: Exception) -> None:
    # An exception's cause may quote a request, so a trace with a key in it is not logged.
    trace = Secret("".join(traceback.format_exception(exc)))
    logger.error("job %s", run, exc_info=None if holds_any(trace, _keys()) else exc)


def _error_text(exc: Exception) -> str:
    try:
        words = Secret(str(exc).encode(errors="backslashreplace"))
    except Exception:  # noqa: BLE001 - the worker is an edge, and what it catches may be broken
        words = Secret("(it has no text)")
    # PostgreSQL takes no NUL in a text, and half a character is none.
    text = Secret(
        f"{type(exc).__name__}: {words.reveal()}".replace("\0", "").encode(
            errors="backslashreplace"
        )
    )
    return masked(text, _keys())[:_ERROR_WIDTH]


def _keys() -> list[Secret]:
    return conf.known_keys()
