"""``wxpay_worker``, ``wxpay_replay`` and ``wxpay_prune``, as a person or cron calls them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_wxpay.management.commands import wxpay_worker
from django_wxpay.management.commands.wxpay_worker import stopping_on_signals
from django_wxpay.models import ApiReport, BackgroundJob, Notification, Order
from django_wxpay.services.worker import jobs
from django_wxpay.services.worker.jobs import JOBS, Job, JobResult, Stop
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from tests.factories import ApiReportFactory, NotificationFactory, OrderFactory
from tests.wechatpay.v2 import API_KEY, payment_notice

pytestmark = pytest.mark.django_db

NAMES = [job.name for job in JOBS]


@pytest.fixture
def wxpay(settings: Any) -> Iterator[SimulatedWXPay]:
    entry = {"APPID": "wx8888888888888888", "MCH_ID": "1900000109", "API_KEY": API_KEY}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": entry},
    }
    with simulated_wxpay() as simulated:
        yield simulated


def output_of(command: str, *arguments: str) -> list[str]:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_once_runs_every_job_until_it_is_done_and_prints_a_line_for_each(
    wxpay: SimulatedWXPay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_REPORTS", 2)
    rows = ApiReportFactory.build_batch(5, created_at=datetime.now(UTC))
    ApiReport.objects.bulk_create(rows)
    NotificationFactory(unknown=True)

    assert output_of("wxpay_worker", "--once") == [
        "events: nothing to do",
        "notifications: 1 left for later",
        "sync: nothing to do",
        "reports: 5 calls reported",
        "latency: 5 calls rolled up",
        "pruning: nothing to do",
        "bills: nothing to do",
        "attention: nothing to do",
        "certificates: nothing to do",
    ]
    assert len(wxpay.ledger()["reports"]) == 5
    assert sorted(BackgroundJob.objects.values_list("name", flat=True)) == sorted(NAMES)
    assert output_of("wxpay_worker", "--once")[3:5] == [
        "reports: nothing to do",
        "latency: nothing to do",
    ]


def test_once_with_a_job_that_fails_does_the_others_and_is_a_failure(
    wxpay: SimulatedWXPay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(**_: Any) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(jobs, "send_reports", broken)
    out = StringIO()
    with pytest.raises(CommandError, match=r"^failed: reports$") as failed:
        call_command("wxpay_worker", "--once", stdout=out)
    assert failed.value.returncode == 1
    lines = out.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == NAMES
    assert lines[3] == "reports: RuntimeError: a bug"


def test_some_jobs_may_be_chosen(wxpay: SimulatedWXPay) -> None:
    assert output_of("wxpay_worker", "--once", "--jobs", "reports, events") == [
        "events: nothing to do",
        "reports: nothing to do",
    ]


@pytest.mark.parametrize("once", [[], ["--once"]])
def test_a_job_that_there_is_not_is_named(wxpay: SimulatedWXPay, once: list[str]) -> None:
    with pytest.raises(CommandError, match=r"^--jobs: no such job: tea \(there are events, "):
        output_of("wxpay_worker", "--jobs", "events,tea", *once)
    assert BackgroundJob.objects.count() == 0


@pytest.mark.parametrize("command", ["wxpay_worker", "wxpay_prune"])
def test_broken_settings_are_one_line_of_output(settings: Any, command: str) -> None:
    settings.WXPAY = {}
    with pytest.raises(CommandError, match=r"Run manage\.py check"):
        output_of(command)


class SignalsItself:
    """A job that sends this process a signal when it runs, as somebody outside would."""

    def __init__(self, *signals: signal.Signals) -> None:
        self.signals = signals
        self.runs = 0

    def __call__(self, stop: Stop) -> JobResult:
        self.runs += 1
        for number in self.signals:
            os.kill(os.getpid(), number)
        deadline = time.monotonic() + 10
        while not stop() and time.monotonic() < deadline:
            time.sleep(0.005)
        return JobResult(counts={"runs": self.runs}, has_more=True)


def table(monkeypatch: pytest.MonkeyPatch, **does: Any) -> None:
    rows = tuple(Job(name=name, run=one, every_s=1) for name, one in does.items())
    monkeypatch.setattr(wxpay_worker, "chosen_jobs", lambda names: rows)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_worker_when_the_work_in_hand_is_done(
    wxpay: SimulatedWXPay,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    job = SignalsItself(number)
    table(monkeypatch, tea=job, cake=lambda stop: JobResult())
    assert output_of("wxpay_worker") == [
        "The worker runs: tea, cake. Ctrl-C stops it.",
        "The worker has stopped.",
    ]
    assert job.runs == 1
    assert BackgroundJob.objects.get(name="tea").outcome == "1 runs"
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_signal_ends_once_after_the_job_in_hand(
    wxpay: SimulatedWXPay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    job = SignalsItself(signal.SIGTERM)
    table(monkeypatch, tea=job, cake=lambda stop: JobResult())
    assert output_of("wxpay_worker", "--once") == ["tea: 1 runs"]
    assert (job.runs, signal.getsignal(signal.SIGTERM)) == (1, before)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_does_not_end_in_time_is_named(
    wxpay: SimulatedWXPay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def hangs(stop: Stop) -> JobResult:
        os.kill(os.getpid(), signal.SIGTERM)
        released.wait(10)
        return JobResult()

    table(monkeypatch, tea=hangs)
    worker = wxpay_worker.Worker
    monkeypatch.setattr(wxpay_worker, "Worker", lambda chosen: worker(chosen, grace_s=0.05))
    lines = output_of("wxpay_worker")
    released.set()
    assert lines[1:] == ["Did not end in time: tea.", "The worker has stopped."]
    for thread in threading.enumerate():
        if thread.name == "wxpay-tea":
            thread.join(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_has_lost_a_job_stops_for_its_supervisor_to_see(
    wxpay: SimulatedWXPay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def leaves(stop: Stop) -> JobResult:
        raise SystemExit

    table(monkeypatch, tea=leaves, cake=lambda stop: JobResult())
    with pytest.raises(CommandError, match=r"these jobs crashed: tea$"):
        output_of("wxpay_worker")


def test_the_second_signal_ends_the_process_as_if_there_were_no_handler() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopping_on_signals() as asked:
        assert signal.getsignal(signal.SIGTERM) == asked.ask
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.is_asked()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_beside_the_main_thread_there_is_no_handler_and_it_can_be_stopped_all_the_same() -> None:
    seen: list[bool] = []
    before = signal.getsignal(signal.SIGTERM)

    def listen() -> None:
        with stopping_on_signals() as asked:
            seen.append(asked.is_asked())
            asked.ask()
            seen.append(asked.is_asked())
            seen.append(signal.getsignal(signal.SIGTERM) == before)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join(10)
    assert seen == [False, True, True]


def test_replay_tries_what_failed_and_prints_the_counts(wxpay: SimulatedWXPay) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    for number in ("TEST000001", "TEST000002", "TEST000003"):
        NotificationFactory(
            unknown=True,
            out_trade_no=number,
            body=payment_notice(number),
            created_at=datetime.now(UTC),
            retries=5,
            next_retry_at=later,
        )
    OrderFactory(created=True, total_fee=100, out_trade_no="TEST000001")

    assert output_of("wxpay_replay", "--limit", "2") == ["2 tried again, 1 settled, 2 failed"]
    assert Order.objects.get().trade_state == "SUCCESS"
    assert output_of("wxpay_replay") == ["2 tried again, 0 settled, 2 failed"]
    assert Notification.objects.filter(outcome="FAILED", next_retry_at__lt=later).count() == 2


def test_prune_prints_how_many_rows_of_each_table_it_deleted(
    wxpay: SimulatedWXPay, settings: Any
) -> None:
    settings.WXPAY = {**settings.WXPAY, "RETENTION_DAYS": {"Notification": 90}}
    long_ago = datetime.now(UTC) - timedelta(days=1000)
    rows = ApiReportFactory.build_batch(5, created_at=long_ago, is_rolled_up=True)
    ApiReport.objects.bulk_create(rows)
    ApiReportFactory(created_at=datetime.now(UTC), is_rolled_up=True)
    kept = [
        f"{rows}: kept"
        for rows in ("order events", "prepays", "hours of latency", "hours of backlog")
    ]
    first = output_of("wxpay_prune", "--limit", "2")
    assert first == [
        "calls: 2 pruned",
        "notifications: 0 pruned",
        *kept,
        "hours of refusals: 0 pruned",
    ]
    assert output_of("wxpay_prune") == [
        "calls: 3 pruned",
        "notifications: 0 pruned",
        *kept,
        "hours of refusals: 0 pruned",
    ]
    assert ApiReport.objects.count() == 1


@pytest.mark.parametrize("command", ["wxpay_replay", "wxpay_prune"])
def test_a_limit_is_a_number_of_rows(wxpay: SimulatedWXPay, command: str) -> None:
    with pytest.raises(CommandError, match="--limit"):
        output_of(command, "--limit", "0")
