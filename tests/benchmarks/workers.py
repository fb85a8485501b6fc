"""A worker of ``bench_workers``: it does what it is asked to, ours or the same by bare SQL.

Run by ``bench_workers``: python -m tests.benchmarks.workers DATABASE. It reads one line of JSON
for each piece of work, and answers with one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from tests.benchmarks.databases import set_up, use

HOST = "http://gateway.bench"


def main(database_name: str) -> None:
    """Work until the other side closes the pipe."""
    set_up()
    use(database_name)
    _configure()
    _answer(ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        _latency["s"] = asked["latency_s"]
        began = time.process_time()
        done = _JOBS[asked["job"]](asked["rows"])
        _answer(done=done, cpu_s=time.process_time() - began)


_latency = {"s": 0.0}


def _answer(**answer: Any) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


def _configure() -> None:
    import logging

    from django.conf import settings

    from django_wxpay.services import gateways
    from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID, scripted_v2, standing

    logging.disable()
    entry = {"APPID": APPID, "MCH_ID": MCH_ID, "API_KEY": API_KEY, "HOSTS": [HOST]}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": entry},
        "REPORT_LEVEL": "off",
    }
    unpaid = standing("NOTPAY")

    def slowly(sent: dict[str, str]) -> Any:
        time.sleep(_latency["s"])
        return unpaid(sent)

    scripted = scripted_v2()
    scripted.answers["/pay/orderquery"] = slowly
    gateways.mount(HOST, scripted)


def _events(_: list[int]) -> int:
    from django_wxpay.models.counts import Counts
    from django_wxpay.services.worker.jobs import chosen_jobs
    from django_wxpay.services.worker.running import run_until_done

    (job,) = chosen_jobs(["events"])
    return run_until_done(job).result.counts[Counts.EVENTS_DELIVERED]


def _sweep(_: list[int]) -> int:
    from django_wxpay.models.counts import Counts
    from django_wxpay.services.worker.jobs import chosen_jobs
    from django_wxpay.services.worker.running import run_until_done

    (job,) = chosen_jobs(["sync"])
    return run_until_done(job).result.counts[Counts.ORDERS_CHECKED]


def _bare_events(numbers: list[int]) -> int:
    """Deliver each event with the three statements and two commits that it needs at least."""
    from django.db import connection, transaction
    from django.utils import timezone

    at = connection.ops.adapt_datetimefield_value
    lease = (
        "UPDATE django_wxpay_orderevent SET dispatch_attempts = 1, next_dispatch_at = %s "
        "WHERE id = %s AND dispatched_at IS NULL AND dispatch_attempts = 0"
    )
    pack = "UPDATE shop_purchase SET paid_at = %s WHERE reference = %s AND paid_at IS NULL"
    mark = (
        "UPDATE django_wxpay_orderevent SET dispatched_at = %s, next_dispatch_at = NULL "
        "WHERE id = %s AND dispatched_at IS NULL"
    )
    events = _rows(
        "SELECT e.id, o.reference FROM django_wxpay_orderevent e "
        "JOIN django_wxpay_order o ON o.id = e.order_id WHERE e.id BETWEEN %s AND %s",
        numbers,
    )
    for number, reference in events:
        now = timezone.now()
        with connection.cursor() as cursor:
            cursor.execute(lease, [at(now + timedelta(minutes=5)), number])
            with transaction.atomic():
                cursor.execute(pack, [at(now), reference])
                cursor.execute(mark, [at(now), number])
    return len(events)


def _bare_sweep(numbers: list[int]) -> int:
    """Sweep the orders on as many threads, with four statements and three commits for each."""
    from django.db import connection

    from django_wxpay.services.sync.sweep import MOST_THREADS

    waiting: SimpleQueue[int] = SimpleQueue()
    for number in numbers:
        waiting.put(number)
    insert, values = _report()

    def sweep() -> None:
        try:
            while True:
                _sweep_one(waiting.get_nowait(), insert, values)
        except Empty:
            connection.close()

    threads = [Thread(target=sweep) for _ in range(MOST_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(numbers)


def _sweep_one(number: int, insert: str, values: list[Any]) -> None:
    from django.db import connection
    from django.utils import timezone

    at = connection.ops.adapt_datetimefield_value
    due = "UPDATE django_wxpay_order SET next_check_at = %s WHERE id = %s"
    with connection.cursor() as cursor:
        until = timezone.now() + timedelta(minutes=5)
        cursor.execute(f"{due} AND next_check_at <= %s", [at(until), number, at(timezone.now())])
        time.sleep(_latency["s"])
        cursor.execute(insert, values)
        cursor.execute("SELECT * FROM django_wxpay_order WHERE id = %s", [number])
        cursor.fetchone()
        cursor.execute(
            "UPDATE django_wxpay_order SET next_check_at = %s, trade_state_desc = %s WHERE id = %s",
            [at(until), "in NOTPAY", number],
        )


def _rows(sql: str, numbers: list[int]) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, [numbers[0], numbers[-1]])
        return list(cursor.fetchall())


def _report() -> tuple[str, list[Any]]:
    """Return the INSERT of a measured call, and the values of one."""
    from django.db import connection

    from django_wxpay.models import ApiReport
    from tests.factories import ApiReportFactory

    report = ApiReportFactory.build()
    fields = [field for field in ApiReport._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    places = _places(fields)
    values = [
        field.get_db_prep_save(getattr(report, field.attname), connection) for field in fields
    ]
    table = ApiReport._meta.db_table
    return f"INSERT INTO {table} ({columns}) VALUES ({places})", values  # noqa: S608 - our own names


def _places(fields: Iterable[object]) -> str:
    return ", ".join("%s" for _ in fields)


_JOBS: dict[str, Callable[[list[int]], int]] = {
    "events": _events,
    "sweep": _sweep,
    "bare_events": _bare_events,
    "bare_sweep": _bare_sweep,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
