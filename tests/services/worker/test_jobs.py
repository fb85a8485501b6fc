"""The table of jobs: the work of each, and its counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_wxpay.models import ApiReport, HourlyLatency, OrderEvent, ReportBacklog
from django_wxpay.services import ReportRun
from django_wxpay.services.claims import Batch
from django_wxpay.services.worker import jobs
from django_wxpay.services.worker.jobs import JOBS, JobResult, chosen_jobs
from tests.factories import ApiReportFactory, NotificationFactory, OrderEventFactory
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db

NAMES = [
    "events",
    "notifications",
    "sync",
    "reports",
    "latency",
    "pruning",
    "bills",
    "attention",
    "certificates",
]
YES = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"


def run(name: str, stop: Callable[[], bool] = lambda: False) -> JobResult:
    (job,) = chosen_jobs([name])
    return job.run(stop)


def test_there_are_these_jobs_and_none_runs_without_a_pause() -> None:
    assert [job.name for job in JOBS] == NAMES
    assert all(1 <= job.every_s <= 3600 for job in JOBS)


def test_jobs_are_chosen_by_name_and_done_in_the_order_of_the_table() -> None:
    assert chosen_jobs([]) == JOBS
    assert [job.name for job in chosen_jobs(["reports", "events"])] == ["events", "reports"]
    with pytest.raises(ValueError, match=r"^no such job: evnets, x \(there are events, notif"):
        chosen_jobs(["x", "evnets", "reports"])


def test_a_result_names_what_was_done_and_omits_what_was_not() -> None:
    assert str(JobResult()) == "nothing to do"
    assert str(JobResult(counts={"CALLS_REPORTED": 0})) == "nothing to do"
    assert str(JobResult(counts={"a": 2, "b": 0, "c": 1})) == "2 a, 1 c"


def test_two_results_add_up_and_end_as_the_second_did() -> None:
    full = JobResult(counts={"a": 2, "b": 1}, has_more=True, no_response=True)
    last = JobResult(counts={"b": 4, "c": 1})
    assert full + last == JobResult(counts={"a": 2, "b": 5, "c": 1})
    assert (last + full).has_more
    assert (last + full).no_response


@pytest.mark.parametrize("name", NAMES)
def test_with_nothing_to_do_a_job_does_nothing_and_has_no_more(
    gateway: ScriptedTransport,
    name: str,
) -> None:
    outcome = run(name)
    assert (str(outcome), outcome.has_more, outcome.no_response) == ("nothing to do", False, False)
    assert gateway.calls == []


@pytest.mark.parametrize("name", NAMES)
def test_a_job_that_is_stopped_at_once_changes_nothing(
    gateway: ScriptedTransport, name: str
) -> None:
    event = OrderEventFactory(dispatched_at=None)
    notice = NotificationFactory(unknown=True)
    report = ApiReportFactory()
    run(name, stop=lambda: True)

    for row in (event, notice, report):
        before = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}
        row.refresh_from_db()
        assert before == {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}
    assert gateway.calls == []


def test_events_left_over_are_delivered(gateway: ScriptedTransport) -> None:
    OrderEventFactory(dispatched_at=None)
    OrderEventFactory(untold=True)
    assert str(run("events")) == "1 event delivered; failing: 1 event that a receiver refuses"
    assert OrderEvent.objects.filter(dispatched_at__isnull=True).count() == 1


def test_notifications_that_still_fail_are_left_for_later(gateway: ScriptedTransport) -> None:
    NotificationFactory(unknown=True)
    assert str(run("notifications")) == "1 left for later"


def test_calls_are_reported(gateway: ScriptedTransport) -> None:
    gateway.answers["/payitil/report"] = YES
    ApiReportFactory()
    ApiReportFactory(merchant="gone")
    assert str(run("reports")) == "1 call reported, 1 cannot be reported"


def test_reports_without_an_answer_are_no_failure_but_no_response(
    gateway: ScriptedTransport,
) -> None:
    gateway.answers["/payitil/report"] = ConnectionResetError()
    ApiReport.objects.bulk_create(ApiReportFactory.build_batch(40))
    outcome = run("reports")
    assert (outcome.no_response, outcome.has_more) == (True, False)
    assert outcome.counts["CALLS_REPORTED"] == 0
    assert outcome.counts["GIVEN_UP"] + outcome.counts["LEFT"] == 40


def test_calls_are_rolled_up_and_what_waits_is_noted(gateway: ScriptedTransport) -> None:
    ApiReportFactory()
    ApiReportFactory(report_status="SENT")
    assert str(run("latency")) == "2 calls rolled up"
    assert sum(HourlyLatency.objects.values_list("calls", flat=True)) == 2
    assert ReportBacklog.objects.get().waiting == 1


def test_old_calls_are_pruned_once_they_are_rolled_up(gateway: ScriptedTransport) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1000)
    ApiReportFactory(created_at=long_ago, is_rolled_up=True)
    ApiReportFactory(created_at=long_ago)
    ApiReportFactory(created_at=datetime.now(UTC), is_rolled_up=True)
    assert str(run("pruning")) == "1 call pruned"
    assert ApiReport.objects.count() == 2


def test_certificates_are_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "refresh_certificates", lambda *_, **__: 3)
    assert str(run("certificates")) == "3 merchants' certificates renewed"


@pytest.mark.parametrize(
    ("name", "function", "full", "nearly"),
    [
        ("events", "dispatch_pending", Batch(found=100, done=7), Batch(found=99, done=99)),
        ("notifications", "retry_failed", Batch(found=100, done=0), Batch(found=99, done=99)),
        ("reports", "send_reports", ReportRun(sent=990, given_up=10), ReportRun(sent=999)),
        ("latency", "roll_up", 20_000, 19_999),
        ("pruning", "prune", {"calls": 3, "prepays": 20_000}, {"calls": 19_999, "prepays": 0}),
    ],
)
def test_a_run_that_was_full_has_more_to_do(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    function: str,
    full: Any,
    nearly: Any,
) -> None:
    monkeypatch.setattr(jobs, function, lambda **_: full)
    assert run(name).has_more
    monkeypatch.setattr(jobs, function, lambda **_: nearly)
    assert not run(name).has_more
