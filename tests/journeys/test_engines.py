"""The jobs on Celery as shops run it: real brokers, workers and beat in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Connection

from django_wxpay.models import ApiReport, BackgroundJob, Order, OrderEvent
from tests import neighbours
from tests.journeys.background import LONG_S, backlog, environment, is_told, left_over
from tests.journeys.stage import Stage
from tests.laws.source import ROOT
from tests.waiting import until

BROKERS = {
    neighbours.REDIS: "redis://127.0.0.1:6379/0",
    neighbours.RABBITMQ: "amqp://guest:guest@127.0.0.1:5672//",
}
# Nothing that is not needed to take messages from one queue.
QUIETLY = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")


class Engine:
    """Celery on one broker, with a queue that no other run has."""

    def __init__(self, broker: neighbours.Neighbour, stage: Stage, folder: Path) -> None:
        self.queue = f"wxpay-journey-{uuid4().hex}"
        self.url = BROKERS[broker]
        self._folder = folder
        self._environment = environment(stage) | {
            "WXPAY_JOURNEY_BROKER": self.url,
            "WXPAY_JOURNEY_QUEUE": self.queue,
        }

    @contextmanager
    def runs(self, *arguments: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run one process of Celery, and end it and its pool, whatever happens."""
        log = self._folder / f"{arguments[0]}-{uuid4().hex[:8]}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.journeys.celery_app", *arguments],
                cwd=ROOT,
                env=self._environment | more,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            yield process
        except BaseException:
            sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
            raise
        finally:
            kill(process)

    def worker(self, **more: str) -> Any:
        return self.runs("worker", "--concurrency", "2", "-Q", self.queue, *QUIETLY, **more)

    def beat(self) -> Any:
        return self.runs("beat", "--schedule", str(self._folder / "beat"), "--pidfile", "")

    def clear(self) -> None:
        """Leave nothing on the broker."""
        with Connection(self.url) as connection, connection.channel() as channel:
            channel.queue_delete(self.queue)
            if self.url.startswith("redis"):
                client = channel.client
                # What a killed worker had taken and not acknowledged stands in a hash of all.
                for tag, message in client.hgetall("unacked").items():
                    if self.queue.encode() in message:
                        client.hdel("unacked", tag)
                        client.zrem("unacked_index", tag)
                for key in client.scan_iter(f"*{self.queue}*"):
                    client.delete(key)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker with its pool, as a machine does that loses its power."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def terminate(process: subprocess.Popen[bytes]) -> int:
    """Ask it to stop, and return the code that it ends with."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=LONG_S)


@pytest.fixture(params=BROKERS, ids=lambda broker: broker.name)
def engine(
    request: pytest.FixtureRequest,
    stage: Stage,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> Iterator[Engine]:
    broker: neighbours.Neighbour = request.param
    if not broker.is_there():
        pytest.skip(f"{broker.name} is not here")
    record_property("service", broker.name)
    engine = Engine(broker, stage, tmp_path)
    yield engine
    engine.clear()


def unnoticed(stage: Stage) -> dict[str, Any]:
    """An order that is paid, of which no notification comes; its check is due."""
    order = stage.clerk.placed()
    stage.wechat.inject("lost")
    stage.wechat.pay(order)
    stage.wechat.advance(86_400)
    past = datetime.now(UTC) - timedelta(seconds=1)
    Order.objects.filter(pk=order["id"]).update(next_check_at=past)
    return order


@pytest.mark.long
def test_beat_and_two_workers_do_every_job_once(stage: Stage, engine: Engine) -> None:
    order = unnoticed(stage)
    ApiReport.objects.all().delete()
    numbers = backlog(100)
    references = [left_over() for _ in range(5)]
    with engine.worker() as one, engine.worker() as other, engine.beat():
        until(lambda: all(map(is_told, references)))
        until(lambda: Order.objects.get(pk=order["id"]).trade_state == "SUCCESS")
        until(lambda: not ApiReport.objects.filter(report_status="PENDING").exists())
        until(lambda: not ApiReport.objects.filter(is_rolled_up=False).exists())
        assert (terminate(one), terminate(other)) == (0, 0)

    told = Counter(report["out_trade_no"] for report in stage.wechat.ledger()["reports"])
    asked = {order["out_trade_no"]: told.pop(order["out_trade_no"], 0)}
    assert told == Counter(numbers)
    assert asked[order["out_trade_no"]] == len(stage.wechat.calls("orderquery"))
    assert set(OrderEvent.objects.exclude(kind="MOVED").values_list("dispatch_attempts")) == {(1,)}
    assert set(BackgroundJob.objects.values_list("failures_in_a_row", "error")) == {(0, "")}


@pytest.mark.long
def test_a_worker_of_celery_and_one_of_ours_do_everything_once(
    stage: Stage, engine: Engine
) -> None:
    numbers = backlog(200)
    references = [left_over() for _ in range(10)]
    ours = subprocess.Popen(
        [sys.executable, "manage.py", "wxpay_worker"],
        cwd=ROOT,
        env=environment(stage),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with engine.worker(), engine.beat():
            until(lambda: all(map(is_told, references)))
            until(lambda: not ApiReport.objects.exclude(report_status="SENT").exists())
    finally:
        kill(ours)

    told = Counter(report["out_trade_no"] for report in stage.wechat.ledger()["reports"])
    assert told == Counter(numbers)
    assert set(OrderEvent.objects.values_list("dispatch_attempts", flat=True)) == {1}


@pytest.mark.long
def test_what_a_killed_worker_had_in_hand_is_done_by_another(
    engine: Engine, tmp_path: Path
) -> None:
    reference = left_over()
    marker = tmp_path / "began"
    with engine.beat():
        with engine.worker(WXPAY_JOURNEY_HANGS=str(marker)) as killed:
            until(marker.exists)
            kill(killed)
        event = OrderEvent.objects.get()
        assert (event.dispatched_at, event.dispatch_attempts) == (None, 1)
        assert not is_told(reference), "what its receivers wrote was not committed"
        # Five minutes later, without waiting for them.
        OrderEvent.objects.update(next_dispatch_at=datetime.now(UTC) - timedelta(seconds=1))
        with engine.worker():
            until(lambda: is_told(reference))
            until(lambda: OrderEvent.objects.get().dispatched_at is not None)
    assert OrderEvent.objects.get().dispatch_attempts == 2


@pytest.mark.parametrize("engine", [neighbours.REDIS], indirect=True, ids=["Redis"])
def test_whoever_asks_celery_for_a_job_is_given_its_counts_or_its_failure(
    stage: Stage, engine: Engine
) -> None:
    backlog(3)
    client = Celery("caller", broker=engine.url, backend=engine.url)
    client.conf.task_default_queue = engine.queue
    with engine.worker(WXPAY_JOURNEY_RESULTS=engine.url):
        name = "django_wxpay.tasks.run_job"
        counts = client.send_task(name, ["reports"])
        wrong = client.send_task(name, ["evnets"])
        assert counts.get(timeout=LONG_S)["CALLS_REPORTED"] == 3
        until(wrong.ready)
        assert wrong.state == "FAILURE"
        assert "no such job: evnets (there are events," in str(wrong.result)
        counts.forget()
        wrong.forget()
    client.close()
