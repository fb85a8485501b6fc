"""The background jobs by the number of workers: events delivered and orders swept in a second.

Each worker is a process of its own. What is handed out is in proportion to their number, so a
number that scales takes the same time. The limit of N workers is the least of three: N times one
worker; what N processes reach that do the same by hand-written SQL, each on a share of its own and
without asking who else works; and what the processors bear, by the time that one worker takes of
them. The gateway answers after a latency, in the worker's own process and from that time: signing
its answer is part of it.

Run: python -m tests.benchmarks.bench_workers, or with WXPAY_TEST_DATABASE=postgresql|mariadb
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from tests.benchmarks.databases import database, set_up
from tests.benchmarks.measuring import FULL, Result, Scale, show
from tests.laws.source import ROOT

REACH = 0.85
EVENTS, SWEEP = "events delivered", "orders swept"


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done by one worker, by how many of them, and how often it is measured."""

    workers: tuple[int, ...]
    events: int
    orders: int
    latency_s: float
    rounds: int


_FULL = _Work(workers=(1, 2, 4), events=300, orders=300, latency_s=0.1, rounds=5)
_QUICK = _Work(workers=(1, 2), events=40, orders=60, latency_s=0.05, rounds=1)


@dataclass(frozen=True, slots=True)
class _Run:
    """A number of workers at work: how much in a second, and the processor's seconds for each."""

    rate: float
    cpu_s: float


def results(scale: Scale = FULL) -> Iterator[Result]:
    """Let 1, 2 and 4 workers work in turns with hand-written SQL; yield a row for each number."""
    work = _QUICK if scale.is_quick else _FULL
    set_up()
    with database("workers") as name, ExitStack() as open_workers:
        workers = [open_workers.enter_context(_Worker(name)) for _ in range(max(work.workers))]
        for path, job in ((EVENTS, "events"), (SWEEP, "sweep")):
            rounds = [
                {
                    count: (
                        _run(workers[:count], job, work),
                        _run(workers[:count], f"bare_{job}", work),
                    )
                    for count in work.workers
                }
                for _ in range(work.rounds)
            ]
            yield from (_row(path, count, rounds) for count in work.workers)


def _row(path: str, count: int, rounds: list[dict[int, tuple[_Run, _Run]]]) -> Result:
    shares, bare_shares = [], []
    for each in rounds:
        (one, _), (ours, bare) = each[1], each[count]
        limit = min(count * one.rate, bare.rate, (os.cpu_count() or 1) / one.cpu_s)
        shares.append(ours.rate / limit)
        bare_shares.append(bare.rate / limit)
    low, _, high = statistics.quantiles(shares, n=4) if len(shares) > 1 else shares * 3
    rate = statistics.median(each[count][0].rate for each in rounds)
    cpu_ms = statistics.median(each[count][0].cpu_s for each in rounds) * 1000
    return Result(
        path=f"{path}, {count} worker{'s' if count > 1 else ''}",
        limit="linear, the database's or the processors' own",
        figure=statistics.median(shares),
        reach=REACH,
        low=low,
        high=high,
        peers={"hand-written SQL": statistics.median(bare_shares)},
        note=f"{rate:.0f} a second, {cpu_ms:.1f} ms of a processor each{_of_one_writer(path)}",
    )


def _of_one_writer(path: str) -> str:
    from django.db import connection

    if path != EVENTS or connection.vendor != "sqlite":
        return ""
    return "; SQLite has one writer, which a receiver keeps until its transaction ends"


class _Worker:
    """A process that waits for work, and says how much it did."""

    def __init__(self, database_name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.workers", database_name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        self.answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, order: dict[str, Any]) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{json.dumps(order)}\n")
            self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit("a worker has died")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _run(workers: list[_Worker], job: str, work: _Work) -> _Run:
    """Return what these workers reach together, from the word to the end of the last of them."""
    each = work.events if job.endswith("events") else work.orders
    total = each * len(workers)
    rows = _make_events(total) if job.endswith("events") else _make_orders(total)
    began = time.perf_counter()
    for at, worker in enumerate(workers):
        share = rows[at * each : (at + 1) * each] if job.startswith("bare") else []
        worker.ask({"job": job, "rows": share, "latency_s": work.latency_s})
    answers = [worker.answer() for worker in workers]
    taken = time.perf_counter() - began
    done = sum(answer["done"] for answer in answers)
    if done != total:
        raise SystemExit(f"{job}: {done} of {total} were done")
    return _Run(rate=total / taken, cpu_s=sum(answer["cpu_s"] for answer in answers) / total)


def _make_orders(count: int) -> list[int]:
    """Return the numbers of orders whose check is due, and of no others."""
    from django.utils import timezone

    from django_wxpay.models import ApiReport, Order, OrderEvent
    from example_project.shop.models import Purchase
    from tests.factories import OrderFactory

    for table in (OrderEvent, ApiReport, Order, Purchase):
        table.objects.all().delete()
    now = timezone.now()
    due = {"placed_at": now - timedelta(minutes=4), "next_check_at": now - timedelta(minutes=1)}
    orders = [OrderFactory.build(reference=f"WORK{at:06d}", **due) for at in range(count)]
    Order.objects.bulk_create(orders)
    return list(Order.objects.order_by("id").values_list("id", flat=True))


def _make_events(count: int) -> list[int]:
    """Return the numbers of pending events, each of an order of its own that was bought."""
    from django.utils import timezone

    from django_wxpay.models import Order, OrderEvent
    from example_project.shop.models import Purchase

    _make_orders(count)
    at = timezone.now() - timedelta(minutes=10)
    orders = list(Order.objects.order_by("id"))
    Purchase.objects.bulk_create(
        Purchase(reference=order.reference, tea="longjing", title="Longjing", total_fee=1)
        for order in orders
    )
    OrderEvent.objects.bulk_create(
        OrderEvent(
            order=order,
            kind="PAID",
            from_state="NOTPAY",
            to_state="SUCCESS",
            source="v2.query",
            created_at=at,
        )
        for order in orders
    )
    return list(OrderEvent.objects.order_by("id").values_list("id", flat=True))


if __name__ == "__main__":
    show(list(results()))
