"""What there is to do in the background: a table of jobs, each a plain function, and how often.

A new job is one row here. Every one of them is safe side by side with itself in another
process, does a bounded piece of work, and ends early when its ``stop`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django_wxpay.services.certificates import refresh_certificates
from django_wxpay.services.latency.pruning import prune
from django_wxpay.services.latency.rollup import roll_up
from django_wxpay.services.notifications.retrying import judge_failed
from django_wxpay.services.reports.backlog import note_backlog
from django_wxpay.services.reports.sending import send_reports
from django_wxpay.services.transitions.events import tell_left_over

Stop = Callable[[], bool]

# How much one run takes on, before what it came to is written down and the next begins.
_EVENTS: Final = 100
_NOTIFICATIONS: Final = 100
_REPORTS: Final = 1000
_ROLLED_UP: Final = 20_000
_PRUNED: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to: how many of what.

    ``is_more`` says that the run was full, so the next may begin at once. ``is_in_vain``
    says that nobody answered: nothing failed, but it is wise to ask less often.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    is_more: bool = False
    is_in_vain: bool = False

    def __str__(self) -> str:
        done = [f"{count} {what}" for what, count in self.counts.items() if count]
        return ", ".join(done) or "nothing to do"

    def then(self, following: Outcome) -> Outcome:
        """Return what this run and the ``following`` one came to together."""
        words = [*self.counts, *(word for word in following.counts if word not in self.counts)]
        return Outcome(
            counts={w: self.counts.get(w, 0) + following.counts.get(w, 0) for w in words},
            is_more=following.is_more,
            is_in_vain=following.is_in_vain,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job: its name in the admin and on the command line, what it does, and how often."""

    name: str
    does: Callable[[Stop], Outcome]
    every_s: float


def _events(stop: Stop) -> Outcome:
    batch = tell_left_over(limit=_EVENTS, stop=stop)
    return Outcome(
        counts={"events told": batch.done, "left for later": batch.found - batch.done},
        is_more=batch.found == _EVENTS,
    )


def _notifications(stop: Stop) -> Outcome:
    batch = judge_failed(limit=_NOTIFICATIONS, stop=stop)
    return Outcome(
        counts={"notifications settled": batch.done, "left for later": batch.found - batch.done},
        is_more=batch.found == _NOTIFICATIONS,
    )


def _reports(stop: Stop) -> Outcome:
    run = send_reports(limit=_REPORTS, stop=stop)
    return Outcome(
        counts={
            "calls reported": run.sent,
            "given up": run.given_up,
            "cannot be reported": run.not_reportable,
            "left for later": run.unanswered + run.untried,
        },
        is_more=run.settled >= _REPORTS,
        is_in_vain=run.given_up + run.unanswered > 0 and not run.sent,
    )


def _latency(stop: Stop) -> Outcome:
    counted = roll_up(limit=_ROLLED_UP, stop=stop)
    note_backlog()
    return Outcome(counts={"calls rolled up": counted}, is_more=counted >= _ROLLED_UP)


def _pruning(stop: Stop) -> Outcome:
    pruned = prune(limit=_PRUNED, stop=stop)
    return Outcome(counts={"calls pruned": pruned}, is_more=pruned >= _PRUNED)


def _certificates(stop: Stop) -> Outcome:
    return Outcome(counts={"merchants' certificates renewed": refresh_certificates(stop=stop)})


JOBS: Final = (
    # Events are told when they happen; these were left over, and a customer may be waiting.
    Job(name="events", does=_events, every_s=5),
    # WeChat Pay repeats after 15 s at first, and what fails again has minutes to wait.
    Job(name="notifications", does=_notifications, every_s=30),
    # Nobody waits for them, and a backlog does not wait for the clock.
    Job(name="reports", does=_reports, every_s=10),
    # As fresh as somebody who looks at charts would reload them.
    Job(name="latency", does=_latency, every_s=30),
    # What is kept for days may be kept for an hour more.
    Job(name="pruning", does=_pruning, every_s=3600),
    # Each process looks once in half an hour at most; so a look is never late by much.
    Job(name="certificates", does=_certificates, every_s=600),
)


def chosen_jobs(names: Iterable[str]) -> tuple[Job, ...]:
    """Return the jobs of these names, in the order of the table; all if there are no names.

    An unknown name is a ``ValueError`` that tells the known ones.
    """
    wanted = set(names)
    unknown = sorted(wanted - {job.name for job in JOBS})
    if unknown:
        known = ", ".join(job.name for job in JOBS)
        raise ValueError(f"no such job: {', '.join(unknown)} (there are {known})")
    return tuple(job for job in JOBS if not wanted or job.name in wanted)
