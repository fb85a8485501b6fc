"""Runs of a job: each leaves a row, and none raises."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, DataError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_wxpay import services
from django_wxpay.exceptions import InsideTransaction, OutcomeUnknown
from django_wxpay.models import BackgroundJob, OrderEvent
from django_wxpay.services.worker import jobs, running
from django_wxpay.services.worker.jobs import JOBS, Job, JobResult
from django_wxpay.services.worker.running import run_job, run_until_done
from django_wxpay.signals import order_paid
from tests.factories import ApiReportFactory, NotificationFactory, OrderEventFactory
from tests.tables import ALIAS, atomic, connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY

pytestmark = pytest.mark.django_db


def a_job(does: Callable[..., JobResult], name: str = "tea") -> Job:
    return Job(name=name, run=does, every_s=1)


def raising(error: BaseException) -> Job:
    def does(stop: object) -> JobResult:
        raise error

    return a_job(does)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def row(name: str = "tea") -> BackgroundJob:
    return BackgroundJob.objects.get(name=name)


def test_the_result_of_a_job_is_written_down() -> None:
    seen: list[BackgroundJob] = []

    def does(stop: object) -> JobResult:
        seen.append(row())
        return JobResult(counts={"cups": 3})

    before = datetime.now(UTC)
    run = run_job(a_job(does))

    assert (run.succeeded, str(run), run.error) == (True, "tea: 3 cups", "")
    (during,) = seen
    assert during.started_at is not None
    assert during.started_at >= before
    assert (during.finished_at, during.succeeded_at, during.outcome) == (None, None, "")
    after = row()
    assert (after.outcome, after.error, after.failures_in_a_row) == ("3 cups", "", 0)
    assert after.started_at == during.started_at
    assert after.finished_at == after.succeeded_at
    assert after.finished_at is not None
    assert after.finished_at >= after.started_at


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("the kettle is cold"), "RuntimeError: the kettle is cold"),
        (DatabaseError("down"), "DatabaseError: down"),
        (OperationalError("gone away"), "OperationalError: gone away"),
        (InterfaceError("closed"), "InterfaceError: closed"),
        (OutcomeUnknown("no answer"), "OutcomeUnknown: no answer"),
        (RecursionError(), "RecursionError: "),
        (ValueError("a\0b" + "c" * 1000), ("ValueError: ab" + "c" * 1000)[:512]),
        (ValueError(f"sign={API_KEY}!"), "ValueError: sign=…!"),
        (ValueError("half \ud83c"), "ValueError: half \\ud83c"),
        (ValueError("tea \U0001f375"), "ValueError: tea \U0001f375"),
        (Mute(), "Mute: (it has no text)"),
    ],
)
def test_what_a_job_raises_is_written_down_and_does_not_get_out(
    error: Exception,
    text: str,
) -> None:
    run = run_job(raising(error))
    assert (run.succeeded, run.error, str(run)) == (False, text, f"tea: {text}")
    assert (row().error, row().failures_in_a_row) == (text, 1)
    assert (row().succeeded_at, row().outcome) == (None, "")
    assert row().finished_at is not None


def test_a_failure_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    run_job(raising(RuntimeError("the kettle is cold")))
    (record,) = [each for each in caplog.records if each.name == "django_wxpay.worker"]
    assert (record.levelname, record.getMessage()) == (
        "ERROR",
        "job tea: RuntimeError: the kettle is cold",
    )
    assert record.exc_info


def test_a_failure_that_contains_a_key_is_logged_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = RuntimeError("cold")
    error.__cause__ = ValueError(f"sign={API_KEY}")
    run_job(raising(error))
    (record,) = [each for each in caplog.records if each.name == "django_wxpay.worker"]
    assert (record.getMessage(), record.exc_info) == ("job tea: RuntimeError: cold", None)
    assert API_KEY not in caplog.text


def test_a_run_that_did_something_is_logged_and_an_idle_one_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="django_wxpay.worker"):
        run_job(a_job(lambda stop: JobResult(counts={"cups": 0})))
        run_job(a_job(lambda stop: JobResult(counts={"cups": 3})))
    assert caplog.messages == ["tea: 3 cups"]


def test_failures_are_counted_until_a_run_succeeds() -> None:
    for failures in (1, 2, 3):
        run_job(raising(RuntimeError("cold")))
        assert row().failures_in_a_row == failures
    run_job(a_job(lambda stop: JobResult(counts={"cups": 1})))
    assert (row().failures_in_a_row, row().error, row().outcome) == (0, "", "1 cups")
    run_job(raising(RuntimeError("cold")))
    failed = row()
    assert (failed.failures_in_a_row, failed.outcome) == (1, "1 cups")
    assert failed.succeeded_at is not None
    assert failed.finished_at is not None
    assert failed.succeeded_at < failed.finished_at


def test_an_interrupt_ends_the_process_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(raising(KeyboardInterrupt()))


def test_trouble_in_writing_down_is_logged_and_the_job_is_done_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[int] = []

    def does(stop: object) -> JobResult:
        done.append(1)
        return JobResult(counts={"cups": 1})

    def down(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("down")

    with monkeypatch.context() as patch:
        patch.setattr(running, "_write", down)
        patch.setattr(running, "replace_dead_connections", down)
        assert str(run_job(a_job(does))) == "tea: 1 cups"
        assert run_job(raising(OperationalError("down"))).error == "OperationalError: down"
    assert done == [1]
    assert BackgroundJob.objects.count() == 0
    assert caplog.messages.count("the state of a background job was not saved") == 7

    run_job(a_job(does))
    assert row().outcome == "1 cups"


def test_a_row_that_another_worker_makes_at_the_same_moment_is_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = BackgroundJob.objects.bulk_create

    def too_late(*args: Any, **kwargs: Any) -> Any:
        BackgroundJob.objects.create(name="tea")
        return create(*args, **kwargs)

    monkeypatch.setattr(BackgroundJob.objects, "bulk_create", too_late)
    run_job(a_job(lambda stop: JobResult(counts={"cups": 1})))
    assert row().outcome == "1 cups"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every connection's answer is that it is dead; return which were asked."""
    found: list[str] = []

    def is_usable(self: BaseDatabaseWrapper) -> bool:
        # Those that hold nothing of ours are asked as well, as Django does.
        if self.alias == ALIAS:
            found.append(self.alias)
        return False

    monkeypatch.setattr(type(connections["default"]), "is_usable", is_usable)
    return found


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_closed_while_it_idled_is_replaced_before_the_run(
    asked: list[str],
) -> None:
    connection.ensure_connection()
    dead, during = connection.connection, []

    def does(stop: object) -> JobResult:
        during.append(connection.connection)
        return JobResult()

    run_job(a_job(does))
    assert asked == [ALIAS]
    assert during[0] is not dead
    run_job(raising(OperationalError("gone away")))
    assert asked == [ALIAS] * 3, "what failed may have cost the connection"


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_works_stays_as_the_caller_left_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    connection.close()
    connection.ensure_connection()
    callers = connection.connection
    assert run_job(a_job(lambda stop: JobResult())).succeeded
    assert connection.connection is callers


@pytest.mark.django_db(transaction=True)
def test_a_callers_transaction_is_kept_whatever_its_connection_answers(asked: list[str]) -> None:
    connection.ensure_connection()
    callers = connection.connection
    with atomic():
        assert run_job(a_job(lambda stop: JobResult())).succeeded
        assert connection.connection is callers
    connection.set_autocommit(False)
    try:
        assert run_job(a_job(lambda stop: JobResult())).succeeded
        assert connection.connection is callers
        connection.rollback()
    finally:
        connection.set_autocommit(True)
    assert asked == []
    assert BackgroundJob.objects.count() == 1, "what the caller rolled back is undone"


@pytest.mark.django_db(transaction=True)
def test_a_text_that_the_table_does_not_hold_does_not_hide_the_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = running._write

    def narrow(name: str, **values: Any) -> None:
        if not values.get("error", "").isascii():
            raise DataError(1366, "Incorrect string value")
        write(name, **values)

    monkeypatch.setattr(running, "_write", narrow)
    assert run_job(raising(ValueError("no \U0001f375"))).error == "ValueError: no \U0001f375"
    assert (row().error, row().failures_in_a_row) == ("ValueError: no \\U0001f375", 1)


def test_settings_that_are_wrong_hide_no_error(settings: Any) -> None:
    settings.WXPAY = {}
    assert run_job(raising(ValueError("cold"))).error == "ValueError: cold"


def test_until_done_means_until_a_run_is_not_full_and_returns_the_sum() -> None:
    left = [5]

    def does(stop: object) -> JobResult:
        done = min(2, left[0])
        left[0] -= done
        return JobResult(counts={"cups": done}, has_more=done == 2)

    assert str(run_until_done(a_job(does))) == "tea: 5 cups"
    assert left == [0]


def test_until_done_ends_with_the_run_that_fails_and_with_the_one_that_is_stopped() -> None:
    runs: list[int] = []

    def does(stop: object) -> JobResult:
        runs.append(1)
        if len(runs) == 3:
            raise RuntimeError("cold")
        return JobResult(counts={"cups": 2}, has_more=True)

    failed = run_until_done(a_job(does))
    assert (failed.error, failed.result.counts) == ("RuntimeError: cold", {"cups": 4})
    runs.clear()
    assert str(run_until_done(a_job(does), stop=lambda: len(runs) == 2)) == "tea: 4 cups"


def test_every_job_is_run_although_each_one_before_it_raised(
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(**_: Any) -> Any:
        raise DatabaseError("down")

    functions = (
        "dispatch_pending",
        "retry_failed",
        "sync_orders",
        "send_reports",
        "roll_up",
        "prune",
        "fetch_bills",
        "watch_references",
    )
    for function in functions:
        monkeypatch.setattr(jobs, function, broken)
    runs = services.run_jobs()

    assert [run.name for run in runs] == [job.name for job in JOBS]
    assert [run.error for run in runs] == ["DatabaseError: down"] * 8 + [""]
    assert dict(BackgroundJob.objects.values_list("name", "failures_in_a_row")) == {
        **dict.fromkeys([job.name for job in JOBS], 1),
        "certificates": 0,
    }


def test_a_receiver_that_raises_is_its_events_trouble_and_no_jobs(
    gateway: ScriptedTransport,
) -> None:
    gateway.answers["/payitil/report"] = (
        b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"
    )
    OrderEventFactory(dispatched_at=None, order__success_time=datetime.now(UTC))
    NotificationFactory(unknown=True)
    ApiReportFactory(created_at=datetime.now(UTC))

    def receiver(**_: Any) -> None:
        raise DatabaseError("the shop's own table is gone")

    order_paid.connect(receiver)
    try:
        runs = services.run_jobs()
    finally:
        order_paid.disconnect(receiver)

    assert [str(run) for run in runs] == [
        "events: 1 left for later; failing: 1 event that a receiver refuses",
        "notifications: 1 left for later",
        "sync: nothing to do",
        "reports: 1 call reported",
        "latency: 1 call rolled up",
        "pruning: nothing to do",
        "bills: nothing to do",
        "attention: nothing to do",
        "certificates: nothing to do",
    ]
    assert OrderEvent.objects.get().dispatch_error == "DatabaseError: the shop's own table is gone"


def test_some_jobs_may_be_chosen_and_an_unknown_name_is_refused(
    gateway: ScriptedTransport,
) -> None:
    assert [run.name for run in services.run_jobs("latency", "events")] == ["events", "latency"]
    assert BackgroundJob.objects.count() == 2
    with pytest.raises(ValueError, match="no such job: tea"):
        services.run_jobs("tea")


@pytest.mark.django_db(transaction=True)
def test_jobs_refuse_to_run_inside_a_transaction() -> None:
    with atomic(), pytest.raises(InsideTransaction):
        services.run_jobs()
    assert BackgroundJob.objects.count() == 0
