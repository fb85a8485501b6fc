"""Failures in part: a job that runs, and whose work does not all succeed, is not called well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from django_wxpay import services
from django_wxpay.models import BackgroundJob, OrderEvent
from django_wxpay.models.background import FAILING_STANDS
from django_wxpay.services import ReportRun, SyncRun, clock
from django_wxpay.services.bills.fetching import BillsRun
from django_wxpay.services.doctor.background import check_jobs
from django_wxpay.services.doctor.findings import Level
from django_wxpay.services.doctor.scope import scope_of
from django_wxpay.services.overview import overview
from django_wxpay.services.worker import jobs
from django_wxpay.services.worker.jobs import Job, JobResult
from django_wxpay.services.worker.running import run_job, run_until_done
from django_wxpay.signals import order_paid
from tests.factories import NotificationFactory, OrderEventFactory
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db

REFUSES = "event that a receiver refuses"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Read the parts in English, whatever the language of the project."""
    with override("en"):
        yield


def parts(name: str) -> str:
    return BackgroundJob.objects.get(name=name).failing_parts(clock.now())


def warnings() -> list[str]:
    found = check_jobs(scope_of(None, hours=1, ask=False))
    return [one.message for one in found if one.level is Level.WARNING]


def a_job(*results: JobResult) -> Job:
    """Return a job that has these results, one a run."""
    each = iter(results)
    return Job(name="tea", run=lambda stop: next(each), every_s=1)


@pytest.fixture
def raising() -> Iterator[None]:
    def receiver(**_: Any) -> None:
        raise ValueError("the shop's own fault")

    order_paid.connect(receiver)
    yield
    order_paid.disconnect(receiver)


def test_a_receiver_that_raises_shows_until_its_events_are_delivered(
    raising: None, gateway: ScriptedTransport
) -> None:
    event = OrderEventFactory(dispatched_at=None)
    services.run_jobs("events")
    assert parts("events") == f"1 {REFUSES}"
    # In the pause of the event there is nothing to do, and the job is no better for it.
    services.run_jobs("events")
    job = BackgroundJob.objects.get(name="events")
    assert (job.failures_in_a_row, job.error) == (0, "")
    assert job.outcome == "nothing to do"
    ((part, (count, seen_at)),) = job.partial_failures.items()
    assert (part, count) == ("EVENTS_REFUSED", 1)
    assert datetime.fromisoformat(seen_at) == job.partial_failure_at
    assert parts("events") == f"1 {REFUSES}"
    assert overview().failing_in_part == {"events": f"1 {REFUSES}"}
    (warning,) = warnings()
    assert warning.startswith(f'The job "events" runs, and fails in part: 1 {REFUSES}, last seen')

    OrderEvent.objects.filter(pk=event.pk).update(dispatched_at=clock.now(), dispatch_error="")
    services.run_jobs("events")
    assert (parts("events"), overview().failing_in_part, warnings()) == ("", {}, [])
    assert BackgroundJob.objects.get(name="events").partial_failure_at is None


def test_notifications_that_fail_again_show(gateway: ScriptedTransport) -> None:
    notice = NotificationFactory(unknown=True, created_at=clock.now())
    services.run_jobs("notifications")
    assert parts("notifications") == "1 notification that fails again"
    notice.delete()
    services.run_jobs("notifications")
    assert parts("notifications") == ""


def test_a_merchant_that_gives_no_answer_shows_until_it_gives_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sync(**run: Any) -> None:
        monkeypatch.setattr(jobs, "sync_orders", lambda **_: SyncRun(**run))
        services.run_jobs("sync")

    sync(found=5, settled=2, unanswered={"b": 3}, answered=frozenset({"a", "b"}))
    assert parts("sync") == "3 without an answer of merchant b"
    sync(found=0, settled=0)
    assert parts("sync") == "3 without an answer of merchant b"
    sync(found=1, settled=1, answered=frozenset({"a"}))
    assert parts("sync") == "3 without an answer of merchant b"
    sync(found=1, settled=1, answered=frozenset({"b"}))
    assert parts("sync") == ""


def test_the_sweep_says_who_answered(order: Any, gateway: ScriptedTransport) -> None:
    gateway.answers["/pay/orderquery"] = ConnectionResetError()
    type(order).objects.filter(pk=order.pk).update(
        placed_at=clock.now(), next_check_at=clock.now() - timedelta(seconds=1)
    )
    run = services.sync_orders()
    assert (run.answered, dict(run.unanswered)) == (frozenset(), {"default": 1})


@pytest.mark.parametrize(
    ("name", "function", "bad", "good", "text"),
    [
        (
            "reports",
            "send_reports",
            ReportRun(unanswered=2, given_up=1),
            ReportRun(sent=1),
            "3 reports without an answer",
        ),
        (
            "bills",
            "fetch_bills",
            BillsRun(found=2, reconciled=1, failed=1),
            BillsRun(found=1, reconciled=1),
            "1 bill not fetched or not reconciled",
        ),
    ],
)
def test_other_jobs_that_go_on_after_a_failure_say_so(
    monkeypatch: pytest.MonkeyPatch, name: str, function: str, bad: Any, good: Any, text: str
) -> None:
    for run, expected in ((bad, text), (type(bad)(), text), (good, "")):
        monkeypatch.setattr(jobs, function, lambda run=run, **_: run)
        services.run_jobs(name)
        assert parts(name) == expected


def test_what_was_not_seen_for_an_hour_is_forgotten() -> None:
    run_job(a_job(JobResult(failing={"cups": 2})))
    job = BackgroundJob.objects.get(name="tea")
    assert job.partial_failure_at is not None
    assert job.failing_parts(job.partial_failure_at + FAILING_STANDS - timedelta(seconds=1))
    assert not job.failing_parts(job.partial_failure_at + FAILING_STANDS)


def test_of_several_parts_each_is_mended_by_itself() -> None:
    run_job(a_job(JobResult(failing={"cups": 2, "pots": 1})))
    seen_at = BackgroundJob.objects.get(name="tea").partial_failure_at
    run_job(a_job(JobResult(working=frozenset({"cups"}))))
    assert parts("tea") == "1 pots"
    assert BackgroundJob.objects.get(name="tea").partial_failure_at == seen_at
    run_job(a_job(JobResult(failing={"spoons": 4})))
    assert parts("tea") == "1 pots, 4 spoons"


def test_a_part_is_not_kept_alive_by_others_that_go_on_failing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = clock.now()
    pots = a_job(*[JobResult(failing={"pots": 1})] * 5)
    run_job(a_job(JobResult(failing={"cups": 2})))
    for minutes, expected in ((20, "2 cups, 1 pots"), (59, "2 cups, 1 pots"), (61, "1 pots")):
        now = began + timedelta(minutes=minutes)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        run_job(pots)
        assert parts("tea") == expected
    # Gone from the row as well, and not only from what is shown of it.
    job = BackgroundJob.objects.get(name="tea")
    assert set(job.partial_failures) == {"pots"}
    assert job.partial_failure_at == began + timedelta(minutes=61)


def test_a_job_that_failed_as_a_whole_says_that_alone() -> None:
    run_job(a_job(JobResult(failing={"cups": 2})))
    BackgroundJob.objects.filter(name="tea").update(failures_in_a_row=3, error="cold")
    assert overview().failing_in_part == {}
    assert overview().failing_jobs == ["tea"]
    assert warnings() == []


def test_runs_that_follow_add_up() -> None:
    run = run_until_done(
        a_job(
            JobResult(failing={"cups": 2, "pots": 1}, has_more=True),
            JobResult(counts={"cups": 1}, working=frozenset({"cups"}), failing={"pots": 3}),
        )
    )
    assert run.result.failing == {"pots": 3}
    assert run.result.working == {"cups"}
    assert str(run) == "tea: 1 cups; failing: 3 pots"


def test_the_admin_shows_a_job_that_fails_in_part(admin_client: Client, settings: Any) -> None:
    BackgroundJob.objects.create(
        name="sync",
        started_at=datetime.now(UTC),
        finished_at=datetime.now(UTC),
        partial_failures={"NO_ANSWER b": [3, datetime.now(UTC).isoformat()]},
        partial_failure_at=datetime.now(UTC),
    )
    headers = {"Accept-Language": "en"}
    rows = admin_client.get(
        reverse("admin:django_wxpay_backgroundjob_changelist"), headers=headers
    ).content.decode()
    assert "Fails in part" in rows
    job = BackgroundJob.objects.get()
    page = admin_client.get(
        reverse("admin:django_wxpay_backgroundjob_change", args=[job.pk]), headers=headers
    ).content.decode()
    assert "3 without an answer of merchant b" in page
    index = admin_client.get(
        reverse("admin:app_list", args=["django_wxpay"]), headers=headers
    ).content.decode()
    assert "sync fails in part" in index


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_end_at_once_lose_none_of_their_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both_have_read = threading.Barrier(2)
    standing = BackgroundJob.standing_failures

    def read(job: BackgroundJob, now: datetime) -> Any:
        # Where one waits for the other's transaction, the other goes on alone.
        with suppress(threading.BrokenBarrierError):
            both_have_read.wait(1)
        return standing(job, now)

    def worker(part: str) -> None:
        try:
            run_job(a_job(JobResult(failing={part: 1})))
        finally:
            connections.close_all()

    run_job(a_job(JobResult()))
    monkeypatch.setattr(BackgroundJob, "standing_failures", read)
    workers = [threading.Thread(target=worker, args=(part,)) for part in ("cups", "pots")]
    for each in workers:
        each.start()
    for each in workers:
        each.join(30)
    monkeypatch.undo()
    assert set(BackgroundJob.objects.get(name="tea").partial_failures) == {"cups", "pots"}
