"""Two workers side by side, and a database that goes away under one: nothing is done twice."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from django.db import OperationalError, connections

from django_wxpay import services
from django_wxpay.models import ApiReport, BackgroundJob, HourlyLatency, Notification, OrderEvent
from django_wxpay.services import clock
from django_wxpay.services.doctor.project import table_problems
from django_wxpay.services.notifications import retrying
from django_wxpay.services.transitions import orders
from django_wxpay.services.worker import running
from django_wxpay.services.worker.jobs import JOBS, Job, JobResult
from django_wxpay.services.worker.running import Worker
from tests.factories import ApiReportFactory, OrderFactory
from tests.races.conftest import Shop, new_order
from tests.races.running import Meeting, at_once
from tests.tables import connection
from tests.waiting import until
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import payment_notice

pytestmark = pytest.mark.races

YES = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"
LONG_S = 20.0

# Bills make calls of their own, and have races of their own.
COUNTED = tuple(job for job in JOBS if job.name != "bills")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each notification was judged again."""
    seen: Counter[str] = Counter()
    judge = retrying.replay_notification

    def look(notification: Notification) -> Any:
        seen[notification.out_trade_no] += 1
        return judge(notification)

    monkeypatch.setattr(retrying, "replay_notification", look)
    return seen


def failed(count: int) -> list[str]:
    """Notifications that came too early, of orders that are there by now."""
    numbers = [f"RACE30000{at}" for at in range(count)]
    for number in numbers:
        assert not services.receive_notification(
            "default", "payment", {}, payment_notice(number, transaction_id=f"4200{number}")
        ).accepted
        OrderFactory(created=True, total_fee=100, out_trade_no=number)
    return numbers


def left_over(count: int) -> list[str]:
    """Events of orders that were paid by a process which could not tell the shop."""
    numbers = [f"RACE40000{at}" for at in range(count)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "after_commit", lambda action: None)
        for number in numbers:
            new_order(out_trade_no=number)
            body = payment_notice(number, transaction_id=f"4200{number}")
            assert services.receive_notification("default", "payment", {}, body).accepted
    OrderEvent.objects.update(next_dispatch_at=clock.now())
    return numbers


def test_two_workers_who_both_found_a_notification_judge_it_once(
    gateway: ScriptedTransport,
    shop: Shop,
    judged: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed(1)
    meeting = Meeting(2)
    monkeypatch.setattr(retrying, "_next_retry_at", meeting.after(retrying._next_retry_at))
    outcomes = at_once(services.retry_notifications, services.retry_notifications)

    assert (meeting.met, sorted(outcomes)) == (2, [0, 1])
    assert judged == {"RACE300000": 1}
    assert shop.lines == ["paid RACE300000"]
    assert Notification.objects.get().retries == 1


def test_many_failed_notifications_are_shared_out_among_workers(
    gateway: ScriptedTransport,
    shop: Shop,
    judged: Counter[str],
) -> None:
    numbers = failed(8)
    outcomes = at_once(*[services.retry_notifications] * 3)

    assert sum(each for each in outcomes if isinstance(each, int)) == 8
    assert judged == dict.fromkeys(numbers, 1)
    assert sorted(shop.lines) == [f"paid {number}" for number in numbers]


def test_a_worker_and_wechat_pays_own_repetition_pay_an_order_once(
    gateway: ScriptedTransport,
    shop: Shop,
) -> None:
    (number,) = failed(1)
    body = payment_notice(number, nonce_str="another", transaction_id=f"4200{number}")
    outcomes = at_once(
        services.retry_notifications,
        lambda: services.receive_notification("default", "payment", {}, body).accepted,
    )

    assert outcomes[1] is True
    assert outcomes[0] in {0, 1}
    assert shop.lines == [f"paid {number}"]
    assert Notification.objects.get().outcome == "APPLIED"


def test_two_workers_do_all_there_is_to_do_and_nothing_of_it_twice(
    gateway: ScriptedTransport,
    shop: Shop,
    judged: Counter[str],
) -> None:
    gateway.answers["/payitil/report"] = YES
    late, told = failed(5), left_over(5)
    rows = ApiReportFactory.build_batch(30, created_at=clock.now())
    ApiReport.objects.bulk_create(rows)
    jobs = [Job(name=job.name, run=job.run, every_s=0.05) for job in COUNTED]

    with Worker(jobs) as one, Worker(jobs) as other:
        until(lambda: not OrderEvent.objects.filter(dispatched_at__isnull=True).exists())
        until(lambda: not Notification.objects.filter(outcome="FAILED").exists())
        until(lambda: not ApiReport.objects.filter(report_status="PENDING").exists())
        until(lambda: not ApiReport.objects.filter(is_rolled_up=False).exists())
        assert one.crashed == other.crashed == []

    assert judged == dict.fromkeys(late, 1)
    assert sorted(shop.lines) == sorted(f"paid {number}" for number in (*late, *told))
    assert Counter(sent["out_trade_no"] for _, sent in gateway.calls) == Counter(
        row.out_trade_no for row in rows
    )
    assert sum(HourlyLatency.objects.values_list("calls", flat=True)) == 30
    assert one.unfinished == other.unfinished == []
    assert set(BackgroundJob.objects.values_list("name", "error")) == {
        (job.name, "") for job in jobs
    }


def test_two_processes_that_begin_the_same_job_share_its_row(
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meeting = Meeting(2)
    before = meeting.after(lambda: None)

    def nothing(stop: object) -> JobResult:
        before()
        return JobResult()

    job = Job(name="tea", run=nothing, every_s=1)
    runs = at_once(*[lambda: running.run_job(job)] * 2)

    assert meeting.met == 2
    assert [str(run) for run in runs] == ["tea: nothing to do"] * 2
    assert BackgroundJob.objects.get().failures_in_a_row == 0


def test_a_connection_that_broke_is_replaced_before_the_next_run(shop: Shop) -> None:
    """What a restarted database leaves behind: a connection on which everything fails."""
    broken, done = threading.Event(), threading.Event()

    def does(stop: object) -> JobResult:
        if not broken.is_set():
            connection.ensure_connection()
            broken.set()
            connection.connection.close()
            BackgroundJob.objects.count()
        done.set()
        return JobResult(counts={"events": BackgroundJob.objects.count()})

    with Worker([Job(name="tea", run=does, every_s=0.05)]) as worker:
        assert done.wait(LONG_S)
        until(lambda: BackgroundJob.objects.get().outcome == "1 events")
        assert worker.crashed == []
    row = BackgroundJob.objects.get()
    assert (row.failures_in_a_row, row.error) == (0, "")


def test_a_database_that_is_away_is_waited_for_and_the_work_is_done_when_it_is_back(
    gateway: ScriptedTransport,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (number,) = left_over(1)
    is_away, knocks = threading.Event(), set[str]()
    backend = type(connections["default"])
    ensure = backend.ensure_connection

    def ensure_connection(self: Any) -> None:
        name = threading.current_thread().name
        if is_away.is_set() and name.startswith("wxpay-"):
            knocks.add(name)
            raise OperationalError("the database is away")
        ensure(self)

    jobs = [Job(name=job.name, run=job.run, every_s=0.05) for job in COUNTED]
    is_away.set()
    monkeypatch.setattr(backend, "ensure_connection", ensure_connection)
    with Worker(jobs) as worker:
        until(lambda: knocks == {f"wxpay-{job.name}" for job in COUNTED})
        assert worker.crashed == []
        assert shop.lines == []
        is_away.clear()
        until(lambda: shop.lines == [f"paid {number}"])
        until(
            lambda: BackgroundJob.objects.filter(succeeded_at__isnull=False).count() == len(COUNTED)
        )
        assert worker.crashed == []
    assert worker.unfinished == []


# How each database is asked to close a session that idles for a second.
IMPATIENT: dict[str, dict[str, Any]] = {
    "mysql": {"init_command": "SET SESSION wait_timeout=1"},
    "postgresql": {"options": "-c idle_session_timeout=1000"},
    "sqlite": {},
}


@pytest.mark.parametrize("kept_over_s", [0.0, 10.0])
def test_a_database_that_closes_what_idles_costs_no_run(
    kept_over_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = connections.settings["default"]
    options = (entry.get("OPTIONS") or {}) | IMPATIENT[connection.vendor]
    monkeypatch.setitem(entry, "OPTIONS", options)
    monkeypatch.setitem(entry, "CONN_MAX_AGE", None)
    monkeypatch.setattr(running, "KEPT_OVER_S", kept_over_s)
    outcomes: list[str] = []

    def does(stop: object) -> JobResult:
        try:
            outcomes.append(str(ApiReport.objects.count()))
        except Exception as error:
            outcomes.append(repr(error))
            raise
        return JobResult()

    pause_s = 0.1 if connection.vendor == "sqlite" else 2.2
    with Worker([Job(name="tea", run=does, every_s=pause_s)]):
        until(lambda: len(outcomes) == 3)
    assert outcomes == ["0"] * 3
    assert BackgroundJob.objects.get().failures_in_a_row == 0


def test_what_a_job_raised_is_kept_whatever_characters_it_holds() -> None:
    def does(stop: object) -> JobResult:
        raise ValueError("NUL \0, half \ud83c, tea \U0001f375, " + "x" * 5000)

    run = running.run_job(Job(name="tea", run=does, every_s=1))
    row = BackgroundJob.objects.get()
    assert row.error == run.error
    assert row.error.startswith("ValueError: NUL , half \\ud83c, tea \U0001f375, xxx")
    assert (row.failures_in_a_row, len(row.error)) == (1, 512)


def test_tables_of_mysql_in_three_bytes_and_without_case_are_found_and_keep_a_failure() -> None:
    def does(stop: object) -> JobResult:
        raise ValueError("tea \U0001f375")

    def problems() -> list[str]:
        table = BackgroundJob._meta.db_table
        return [each.code for each in table_problems() if table in each.message]

    convert = f"ALTER TABLE {BackgroundJob._meta.db_table} CONVERT TO CHARACTER SET"
    is_mysql = connection.vendor == "mysql"
    if is_mysql:
        with connection.cursor() as cursor:
            cursor.execute(f"{convert} utf8mb3 COLLATE utf8mb3_general_ci")
    try:
        found = problems()
        running.run_job(Job(name="tea", run=does, every_s=1))
        row = BackgroundJob.objects.get()
    finally:
        if is_mysql:
            with connection.cursor() as cursor:
                cursor.execute(f"{convert} utf8mb4 COLLATE utf8mb4_bin")
    assert found == (["W005", "W008"] if is_mysql else [])
    assert row.failures_in_a_row == 1
    assert row.error == (
        "ValueError: tea \\U0001f375" if is_mysql else "ValueError: tea \U0001f375"
    )
    assert problems() == []
