"""The worker as a supervisor runs it: a process of its own, beside the shop and WeChat Pay."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db.models import F

from django_wxpay.models import ApiReport, BackgroundJob, Notification, OrderEvent
from tests.factories import OrderFactory
from tests.journeys.background import LONG_S, backlog, environment, is_told, left_over
from tests.journeys.stage import Stage, new_number, payment_notice
from tests.laws.source import ROOT
from tests.waiting import until


@pytest.fixture
def manage(stage: Stage) -> tuple[list[str], dict[str, str]]:
    """How a worker is started on this stage's database, and with what environment."""
    return [sys.executable, "-W", "error", "manage.py"], environment(stage)


@pytest.fixture
def working(manage: tuple[list[str], dict[str, str]]) -> Callable[..., Iterator[subprocess.Popen]]:
    """Start a worker that has said that it runs; end it, whatever happens."""
    command, environment = manage

    @contextmanager
    def start(*arguments: str) -> Iterator[subprocess.Popen]:
        with subprocess.Popen(
            [*command, "wxpay_worker", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                said = ""
                while "The worker runs" not in said:
                    line = process.stdout.readline()
                    assert line, said
                    said += line
                yield process
            finally:
                process.kill()

    return start


def terminate(process: subprocess.Popen, number: signal.Signals = signal.SIGTERM) -> str:
    """Ask it to stop; return what it said in the end, in time."""
    process.send_signal(number)
    said, _ = process.communicate(timeout=LONG_S)
    return said


def is_hanging(name: str) -> bool:
    """Say whether a job has begun a run that it has not ended."""
    begun = BackgroundJob.objects.filter(name=name, started_at__isnull=False)
    return begun.exclude(finished_at__gte=F("started_at")).exists()


@pytest.mark.long
def test_while_reports_hang_events_are_told_and_the_worker_stops_in_seconds(
    stage: Stage,
    working: Callable[..., Iterator[subprocess.Popen]],
) -> None:
    stage.wechat.inject("slow", seconds=30, operation="report", times=10_000)
    backlog(200)
    reference = left_over()
    with working() as process:
        until(lambda: is_hanging("reports"))
        # A run that has begun may not have sent anything yet, and would then stop at once.
        until(lambda: bool(stage.wechat.calls("report")))
        until(lambda: is_told(reference))
        said = terminate(process)

    assert process.returncode == 0, said
    assert said.splitlines()[-1] == "The worker has stopped."
    assert "Did not end" not in said
    assert not is_hanging("reports")
    free = ApiReport.objects.filter(report_claim="", report_claimed_until=None)
    assert free.count() == 200, "nothing is left claimed"
    assert ApiReport.objects.filter(report_status="PENDING").count() == 200
    event = OrderEvent.objects.get()
    hung = BackgroundJob.objects.get(name="reports")
    assert hung.finished_at - hung.started_at > timedelta(seconds=1)
    assert event.dispatched_at < hung.finished_at, "events did not wait for it"
    assert event.dispatch_attempts == 1
    assert set(BackgroundJob.objects.values_list("failures_in_a_row", "error")) == {(0, "")}


@pytest.mark.long
def test_two_workers_side_by_side_do_everything_once(
    stage: Stage,
    working: Callable[..., Iterator[subprocess.Popen]],
) -> None:
    numbers = backlog(300)
    references = [left_over() for _ in range(5)]
    early = new_number()
    assert b"FAIL" in stage.notify(payment_notice(early)).content
    late = OrderFactory(created=True, total_fee=1250, out_trade_no=early)
    with working() as one, working() as other:
        until(lambda: all(map(is_told, references)))
        until(lambda: not ApiReport.objects.exclude(report_status="SENT").exists())
        until(lambda: not ApiReport.objects.filter(is_rolled_up=False).exists())
        until(lambda: Notification.objects.get().outcome == "APPLIED")
        said = [terminate(one), terminate(other, signal.SIGINT)]

    assert [lines.splitlines()[-1] for lines in said] == ["The worker has stopped."] * 2
    assert (one.returncode, other.returncode) == (0, 0)
    # Calls for bills, which the job of these asks for meanwhile, are about no order.
    reports = [report for report in stage.wechat.ledger()["reports"] if "out_trade_no" in report]
    told = Counter(report["out_trade_no"] for report in reports)
    assert told == Counter(numbers)
    late.refresh_from_db()
    assert late.trade_state == "SUCCESS"
    assert Notification.objects.get().retries == 1
    assert set(OrderEvent.objects.values_list("dispatch_attempts", flat=True)) == {1}


def test_a_second_signal_ends_it_at_once(
    stage: Stage,
    working: Callable[..., Iterator[subprocess.Popen]],
) -> None:
    stage.wechat.inject("slow", seconds=30, operation="report", times=10_000)
    backlog(200)
    with working("--jobs", "reports") as process:
        until(lambda: is_hanging("reports"))
        # Before its first call the run would end at the first signal, and be waited for.
        until(lambda: bool(stage.wechat.calls("report")))
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
    assert process.returncode == -signal.SIGTERM
    assert is_hanging("reports"), "it was not waited for"


def test_once_from_cron_does_what_waits_and_exits(
    stage: Stage,
    manage: tuple[list[str], dict[str, str]],
) -> None:
    backlog(3)
    reference = left_over()
    command, environment = manage
    done = subprocess.run(
        [*command, "wxpay_worker", "--once"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "events: 1 event delivered",
        "notifications: nothing to do",
        "sync: nothing to do",
        "reports: 3 calls reported",
        "latency: 3 calls rolled up",
        "pruning: nothing to do",
        "bills: nothing to do",
        "attention: nothing to do",
        "certificates: nothing to do",
    ]
    assert is_told(reference)
    assert len(stage.wechat.ledger()["reports"]) == 3
