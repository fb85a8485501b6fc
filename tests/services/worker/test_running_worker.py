"""Jobs again and again: each on its own, pausing longer where that is wise, until stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from django_wxpay.models import BackgroundJob
from django_wxpay.services.worker import running
from django_wxpay.services.worker.jobs import JOBS, Job, JobResult, Stop
from django_wxpay.services.worker.running import Worker, pause_s
from tests.waiting import until

LONG_S = 10.0


def a_job(does: Callable[[Stop], JobResult], name: str = "tea", every_s: float = 3600) -> Job:
    return Job(name=name, run=does, every_s=every_s)


class Counted:
    """A job that counts its runs and sets an event after enough of them."""

    def __init__(self, enough: int, outcome: JobResult | None = None) -> None:
        self.runs = 0
        self.enough = enough
        self.has_enough = threading.Event()
        self.outcome = outcome or JobResult()
        self.threads: set[str] = set()

    def __call__(self, stop: Stop) -> JobResult:
        self.runs += 1
        self.threads.add(threading.current_thread().name)
        if self.runs >= self.enough:
            self.has_enough.set()
        return self.outcome


@pytest.mark.django_db(transaction=True)
def test_every_job_runs_at_once_and_again_after_its_pause_on_its_own_thread() -> None:
    often, seldom = Counted(5), Counted(1)
    jobs = [a_job(often, "often", every_s=0.01), a_job(seldom, "seldom")]
    with Worker(jobs) as worker:
        assert often.has_enough.wait(LONG_S)
        assert seldom.has_enough.wait(LONG_S)
        assert worker.crashed == []

    assert (seldom.runs, seldom.threads) == (1, {"wxpay-seldom"})
    assert often.threads == {"wxpay-often"}
    assert worker.unfinished == []
    assert BackgroundJob.objects.filter(succeeded_at__isnull=False).count() == 2
    runs = often.runs
    time.sleep(0.05)
    assert often.runs == runs, "nothing runs after the end"


@pytest.mark.django_db(transaction=True)
def test_a_job_that_had_a_full_batch_goes_on_at_once() -> None:
    def batches(stop: Stop) -> JobResult:
        left.release()
        return JobResult(has_more=len(done) < 5 and not done.append(1))

    left, done = threading.Semaphore(0), list[int]()
    with Worker([a_job(batches)]):
        assert all(left.acquire(timeout=LONG_S) for _ in range(6))
    assert len(done) == 5


@pytest.mark.django_db(transaction=True)
def test_a_job_that_hangs_and_one_that_raises_keep_no_other_waiting() -> None:
    released, hanging = threading.Event(), threading.Event()

    def hangs(stop: Stop) -> JobResult:
        hanging.set()
        released.wait(LONG_S)
        return JobResult()

    def raises(stop: Stop) -> JobResult:
        raise RuntimeError("cold")

    healthy = Counted(5)
    jobs = [
        a_job(hangs, "hangs"),
        a_job(raises, "raises", every_s=0.01),
        a_job(healthy, "healthy", every_s=0.01),
    ]
    with Worker(jobs) as worker:
        assert hanging.wait(LONG_S)
        assert healthy.has_enough.wait(LONG_S)
        assert worker.crashed == []
        released.set()
    assert BackgroundJob.objects.get(name="raises").failures_in_a_row >= 1
    assert BackgroundJob.objects.get(name="healthy").failures_in_a_row == 0


@pytest.mark.django_db(transaction=True)
def test_a_job_that_does_not_end_in_time_is_unfinished_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    released, hanging = threading.Event(), threading.Event()

    def hangs(stop: Stop) -> JobResult:
        hanging.set()
        released.wait(LONG_S)
        return JobResult()

    worker = Worker([a_job(hangs, "hangs"), a_job(Counted(1), "healthy")], grace_s=0.5)
    with caplog.at_level(logging.WARNING, logger="django_wxpay.worker"), worker:
        assert hanging.wait(LONG_S)
        # One that is still at work would be named as well.
        until(BackgroundJob.objects.filter(name="healthy", finished_at__isnull=False).exists)
    assert worker.unfinished == ["hangs"]
    assert caplog.messages == ["jobs that did not end in time: hangs"]
    released.set()
    worker._threads["hangs"].join(LONG_S)


@pytest.mark.django_db(transaction=True)
def test_a_job_can_be_stopped_while_it_runs() -> None:
    begun, is_stopped = threading.Event(), threading.Event()

    def long_work(stop: Stop) -> JobResult:
        begun.set()
        deadline = time.monotonic() + LONG_S
        while not stop() and time.monotonic() < deadline:
            time.sleep(0.005)
        if stop():
            is_stopped.set()
        return JobResult(counts={"cups": 1}, has_more=True)

    with Worker([a_job(long_work)]):
        assert begun.wait(LONG_S)
    assert is_stopped.is_set()
    assert BackgroundJob.objects.get().outcome == "1 cups"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.django_db(transaction=True)
def test_a_thread_that_ends_by_itself_is_a_crashed_job() -> None:
    def leaves(stop: Stop) -> JobResult:
        raise SystemExit

    with Worker([a_job(leaves, "leaves"), a_job(Counted(1), "healthy")]) as worker:
        deadline = time.monotonic() + LONG_S
        while not worker.crashed and time.monotonic() < deadline:
            time.sleep(0.005)
        assert worker.crashed == ["leaves"]


@pytest.mark.django_db(transaction=True)
def test_every_connection_of_a_thread_is_closed_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    close_all = running.connections.close_all

    def close() -> None:
        closed.append(threading.current_thread().name)
        close_all()

    monkeypatch.setattr(running.connections, "close_all", close)
    healthy = Counted(1)
    with Worker([a_job(healthy)]):
        assert healthy.has_enough.wait(LONG_S)
    assert closed[-1:] == ["wxpay-tea"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("every_s", "is_kept"), [(3600, False), (11, False), (10, True)])
def test_a_connection_is_closed_before_a_long_pause_and_kept_over_a_short_one(
    monkeypatch: pytest.MonkeyPatch, every_s: float, is_kept: bool
) -> None:
    monkeypatch.setitem(running.connections.settings["default"], "CONN_MAX_AGE", None)
    used: list[Any] = []
    paused = threading.Event()
    let_go = running._let_connections_go

    def does(stop: Stop) -> JobResult:
        used.append(running.connections["default"])
        used[0].ensure_connection()
        return JobResult()

    def watched(pause_s: float) -> None:
        let_go(pause_s)
        paused.set()

    monkeypatch.setattr(running, "_let_connections_go", watched)
    with Worker([a_job(does, every_s=every_s)]):
        assert paused.wait(LONG_S)
        assert (used[0].connection is not None) is is_kept
    assert used[0].connection is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outcome", [JobResult(no_response=True), None])
def test_a_job_without_response_and_one_that_fails_pause_longer_each_time(
    monkeypatch: pytest.MonkeyPatch,
    outcome: JobResult | None,
) -> None:
    enough, seen, runs = threading.Event(), list[int](), list[int]()

    def pause(job: Job, in_vain: int) -> float:
        seen.append(in_vain)
        if len(seen) == 5:
            enough.set()
            return LONG_S
        return 0

    def does(stop: Stop) -> JobResult:
        runs.append(1)
        if len(runs) == 4:
            return JobResult()
        if outcome is None:
            raise RuntimeError("cold")
        return outcome

    monkeypatch.setattr(running, "pause_s", pause)
    with Worker([a_job(does)]):
        assert enough.wait(LONG_S)
    assert seen == [1, 2, 3, 0, 1]


def test_pauses_grow_from_the_jobs_own_to_five_minutes_and_never_below() -> None:
    every = {job.name: job for job in JOBS}
    grown = [pause_s(every["events"], failures) for failures in range(9)]
    assert grown == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert pause_s(every["events"], 10_000) == 300
    assert [pause_s(every["pruning"], failures) for failures in (0, 1, 9)] == [3600] * 3
