"""Table of background jobs: plain functions, and how often each runs.

A new job is one row here. Each is safe beside itself in another process, does a bounded
amount of work, and ends early when its ``stop`` returns True. So Celery, cron and the
worker's loop run the same functions, and no scheduler library is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django_wxpay.models.counts import Counts, Parts, counts_text, no_answer_of, parts_text
from django_wxpay.models.sentences import in_english
from django_wxpay.services import gateways, telemetry
from django_wxpay.services.attention.cases import count_needing, refused_events
from django_wxpay.services.attention.paid_twice import watch_references
from django_wxpay.services.bills.fetching import fetch_bills
from django_wxpay.services.certificates import refresh_certificates
from django_wxpay.services.latency.rollup import roll_up
from django_wxpay.services.notifications.retrying import failing_again, retry_failed
from django_wxpay.services.overview import count_undelivered, count_up_to_limit
from django_wxpay.services.reports.queue import record_backlog
from django_wxpay.services.reports.sending import send_reports
from django_wxpay.services.retention import prune
from django_wxpay.services.sync.sweep import sync_orders
from django_wxpay.services.transitions.dispatch import dispatch_pending

Stop = Callable[[], bool]

# The most that one run does, before its result is written down and the next run begins.
_EVENTS: Final = 100
_NOTIFICATIONS: Final = 100
_CHECKS: Final = 2000
_REPORTS: Final = 1000
_ROLLED_UP: Final = 20_000
_PRUNED: Final = 20_000
_BILLS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """The counts of one run, by ``Counts``.

    ``failing`` counts what failed although the job goes on, and ``working`` names what was seen
    to work under the same names; what neither names is as it was. ``has_more``: the run was full,
    so the next may begin at once. ``no_response``: WeChat Pay did not answer, which is no failure,
    but the pause before the next run grows. ``is_cut_short``: it was stopped, and what it looks at
    is counted from the time of its last success, which then stays.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    failing: Mapping[str, int] = field(default_factory=dict)
    working: frozenset[str] = frozenset()
    has_more: bool = False
    no_response: bool = False
    is_cut_short: bool = False

    def __str__(self) -> str:
        return in_english(self._text)

    def _text(self) -> str:
        done = counts_text(self.counts)
        return f"{done}; failing: {parts_text(self.failing)}" if self.failing else done

    def __add__(self, later: JobResult) -> JobResult:
        names = dict.fromkeys([*self.counts, *later.counts])
        counts = {name: self.counts.get(name, 0) + later.counts.get(name, 0) for name in names}
        failing = later.failing_after(self.failing)
        working = (self.working - failing.keys()) | later.working
        return replace(later, counts=counts, failing=failing, working=working)

    def failing_after(self, before: Mapping[str, int]) -> dict[str, int]:
        """Return what fails after this run, where ``before`` failed until then."""
        still = {name: count for name, count in before.items() if name not in self.working}
        return still | dict(self.failing)


def _part(name: Parts, failing: int, *, works: bool) -> dict[str, Any]:
    """Return ``failing`` and ``working`` of a result that has one part."""
    if failing:
        return {"failing": {name: failing}}
    return {"working": frozenset({name})} if works else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, by its name in the admin and on the command line."""

    name: str
    run: Callable[[Stop], JobResult]
    every_s: float


def _events(stop: Stop) -> JobResult:
    batch = dispatch_pending(limit=_EVENTS, stop=stop)
    return JobResult(
        counts={Counts.EVENTS_DELIVERED: batch.done, Counts.LEFT: batch.found - batch.done},
        has_more=batch.found == _EVENTS,
        # All that stand, and not those of this run: a refused event has a pause of minutes to
        # hours, and the runs in it find nothing to do.
        **_part(Parts.EVENTS_REFUSED, count_up_to_limit(refused_events()), works=True),
    )


def _notifications(stop: Stop) -> JobResult:
    batch = retry_failed(limit=_NOTIFICATIONS, stop=stop)
    return JobResult(
        counts={Counts.NOTIFICATIONS_PROCESSED: batch.done, Counts.LEFT: batch.found - batch.done},
        has_more=batch.found == _NOTIFICATIONS,
        **_part(Parts.NOTIFICATIONS_FAILING, count_up_to_limit(failing_again()), works=True),
    )


def _sync(stop: Stop) -> JobResult:
    run = sync_orders(limit=_CHECKS, stop=stop)
    return JobResult(
        counts={
            Counts.ORDERS_CHECKED: run.settled,
            Counts.CLOSED: run.closed,
            Counts.LEFT: run.found - run.settled,
        },
        has_more=run.found == _CHECKS,
        no_response=bool(run.unanswered) and not run.settled,
        failing={no_answer_of(alias): count for alias, count in run.unanswered.items()},
        working=frozenset(map(no_answer_of, run.answered - run.unanswered.keys())),
    )


def _reports(stop: Stop) -> JobResult:
    run = send_reports(limit=_REPORTS, stop=stop)
    return JobResult(
        counts={
            Counts.CALLS_REPORTED: run.sent,
            Counts.GIVEN_UP: run.given_up,
            Counts.NOT_REPORTABLE: run.not_reportable,
            Counts.LEFT: run.unanswered + run.untried,
        },
        has_more=run.settled >= _REPORTS,
        no_response=run.given_up + run.unanswered > 0 and not run.sent,
        **_part(Parts.REPORTS_UNANSWERED, run.given_up + run.unanswered, works=bool(run.sent)),
    )


def _latency(stop: Stop) -> JobResult:
    counted = roll_up(limit=_ROLLED_UP, stop=stop)
    record_backlog()
    return JobResult(counts={Counts.CALLS_ROLLED_UP: counted}, has_more=counted >= _ROLLED_UP)


def _pruning(stop: Stop) -> JobResult:
    pruned = prune(limit=_PRUNED, stop=stop)
    return JobResult(
        counts={_pruned(rows): count for rows, count in pruned.items()},
        has_more=any(count >= _PRUNED for count in pruned.values()),
    )


def _pruned(rows: str) -> str:
    return Counts(f"{rows.replace(' ', '_').upper()}_PRUNED").value


def _bills(stop: Stop) -> JobResult:
    run = fetch_bills(limit=_BILLS, stop=stop)
    return JobResult(
        counts={
            Counts.BILLS_RECONCILED: run.reconciled,
            Counts.NOT_READY: run.not_ready,
            Counts.LEFT: run.failed,
        },
        has_more=run.found == _BILLS,
        **_part(Parts.BILLS_FAILED, run.failed, works=bool(run.reconciled)),
    )


def _attention(stop: Stop) -> JobResult:
    run = watch_references(stop=stop)
    if telemetry.is_on():
        telemetry.standing(undelivered=count_undelivered(), attention=count_needing())
    return JobResult(
        counts={Counts.PAID_TWICE: run.found, Counts.NO_LONGER: run.gone},
        is_cut_short=run.is_cut_short,
    )


def _certificates(stop: Stop) -> JobResult:
    renewed = refresh_certificates(gateways.refresh_platform_keys, stop=stop)
    return JobResult(counts={Counts.CERTIFICATES_RENEWED: renewed})


JOBS: Final = (
    # Events are delivered when they happen; a customer may be waiting for one that was not.
    Job(name="events", run=_events, every_s=5),
    # WeChat Pay repeats after 15 s at first, and what fails again has minutes to wait.
    Job(name="notifications", run=_notifications, every_s=30),
    # As often as the first check of an order comes after its placing.
    Job(name="sync", run=_sync, every_s=5),
    # No customer waits for a report, and a backlog is sent without pauses anyway.
    Job(name="reports", run=_reports, every_s=10),
    # The charts are as fresh as a person reloads them.
    Job(name="latency", run=_latency, every_s=30),
    # Rows are kept for days, so an hour more does not matter.
    Job(name="pruning", run=_pruning, every_s=3600),
    # Once a day there is something to do, and after ten minutes nobody in finance has missed it.
    Job(name="bills", run=_bills, every_s=300),
    # A clerk who is told within a minute can still ask the customer.
    Job(name="attention", run=_attention, every_s=60),
    # Each process looks once in half an hour at most (gateway.v3.platform_keys).
    Job(name="certificates", run=_certificates, every_s=600),
)


def chosen_jobs(names: Iterable[str]) -> tuple[Job, ...]:
    """Return the jobs of these names (none: all), in the order of the table.

    Raises ``ValueError`` for an unknown name, with the known ones in its message.
    """
    wanted = set(names)
    unknown = sorted(wanted - {job.name for job in JOBS})
    if unknown:
        known = ", ".join(job.name for job in JOBS)
        raise ValueError(f"no such job: {', '.join(unknown)} (there are {known})")
    return tuple(job for job in JOBS if not wanted or job.name in wanted)
