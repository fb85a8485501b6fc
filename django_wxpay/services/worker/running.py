"""Doing a job once, whatever happens in it, and writing down what it came to.

Nothing that a job raises gets out, and no trouble of the database in writing it down: that
is logged, and the next run writes again. Any number of processes may do the same job.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from django.db import connections
from django.db.models import F

from django_wxpay import conf
from django_wxpay.models import BackgroundJob
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.redaction import MASK
from django_wxpay.services import clock
from django_wxpay.services.transactions import require_no_transaction
from django_wxpay.services.worker.jobs import Job, Outcome, Stop, chosen_jobs

logger = logging.getLogger("django_wxpay.worker")

_LONGEST_OUTCOME: Final = 256
_LONGEST_ERROR: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """What became of a job: what it came to, and what it raised ("" if nothing)."""

    name: str
    outcome: Outcome = field(default_factory=Outcome)
    error: str = ""

    @property
    def is_well(self) -> bool:
        """Whether nothing was raised."""
        return not self.error

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}" if self.is_well else f"{self.name}: {self.error}"


def run_jobs(*names: str, stop: Stop = lambda: False) -> list[JobRun]:
    """Do each job of these names (none: every job) once, one after the other, until it is done.

    For cron, Celery and the like; safe beside workers and beside itself. What a job raises
    is in its ``JobRun`` and in the admin. Raises ``ValueError`` for a name that is no job's
    and ``InsideTransaction`` in an open transaction.
    """
    require_no_transaction("run_jobs")
    return [run_until_done(job, stop=stop) for job in chosen_jobs(names)]


def run_until_done(job: Job, *, stop: Stop = lambda: False) -> JobRun:
    """Run ``job`` until nothing waits for it any more, it fails, or it is to ``stop``."""
    run = run_job(job, stop=stop)
    total = run.outcome
    while run.outcome.is_more and not stop():
        run = run_job(job, stop=stop)
        total = total.then(run.outcome)
    return replace(run, outcome=total)


def run_job(job: Job, *, stop: Stop = lambda: False) -> JobRun:
    """Run ``job`` once, and keep in its ``BackgroundJob`` when, how, and with what outcome."""
    _guarded(_let_old_connections_go)
    _guarded(partial(_write, job.name, started_at=clock.now()))
    try:
        run = JobRun(name=job.name, outcome=job.does(stop))
    except Exception as exc:  # noqa: BLE001 - the worker is an edge: what it catches is saved
        run = JobRun(name=job.name, error=_said(exc))
        _log_failure(run, exc)
        # What it raised may have been the end of its connection; this is written on a new one.
        _guarded(_let_old_connections_go)
    else:
        logger.log(logging.INFO if any(run.outcome.counts.values()) else logging.DEBUG, "%s", run)
    _guarded(partial(_write, job.name, **_result(run)))
    _guarded(_let_old_connections_go)
    return run


def _result(run: JobRun) -> dict[str, Any]:
    now = clock.now()
    if not run.is_well:
        failures = F("failures_in_a_row") + 1
        return {"finished_at": now, "failures_in_a_row": failures, "error": run.error}
    return {
        "finished_at": now,
        "succeeded_at": now,
        "outcome": str(run.outcome)[:_LONGEST_OUTCOME],
        "failures_in_a_row": 0,
        "error": "",
    }


def _write(name: str, **values: Any) -> None:
    row = BackgroundJob.objects.filter(name=name)
    if not row.update(**values):
        BackgroundJob.objects.bulk_create([BackgroundJob(name=name)], ignore_conflicts=True)
        row.update(**values)


def _let_old_connections_go() -> None:
    """Do what Django does around a request, but leave a transaction of the caller's alone."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _guarded(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:
        logger.exception("how a job is doing was not written down")


def _log_failure(run: JobRun, exc: Exception) -> None:
    """Log it with its trace, unless a key of ours is in there."""
    trace = "".join(traceback.format_exception(exc))
    is_clean = not any(key in trace for key in _keys())
    logger.error("job %s", run, exc_info=exc if is_clean else None)


def _said(exc: Exception) -> str:
    """Return what an exception says, without keys and without what no column takes."""
    said = f"{type(exc).__name__}: {exc}".replace("\0", "")
    for key in _keys():
        said = said.replace(key, MASK)
    return said[:_LONGEST_ERROR]


def _keys() -> list[str]:
    try:
        accounts = conf.merchants().values()
    except ConfigurationError:
        return []
    keys = [(one.api_key, one.api_v3_key, one.private_key, one.client_key) for one in accounts]
    return [key for each in keys for key in each if key]
