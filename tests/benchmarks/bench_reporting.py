"""What reporting costs a payment: an order, placed while reports go out well, badly or not at all.

The simulator is a process of its own. The reports go out from threads of the same process
that places the orders, over the same pool, from a backlog that never ends: the worst place
for them. The ways take turns, and the median order counts.

Run: python tests/benchmarks/bench_reporting.py
"""

from __future__ import annotations

import itertools
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import requests
from bench_calls import serve, served
from measuring import say

ORDERS = 40
ROUNDS = 6
UP = "the report API answers"
WAYS: dict[str, dict[str, Any] | None] = {
    "no report is sent": None,
    UP: {},
    "the report API is down (connections break)": {"fault": "reset"},
    "the report API is down (HTTP 502)": {"fault": "http_502"},
    "the report API hangs": {"fault": "slow", "seconds": 5},
}
_numbers = itertools.count(1)


def main() -> None:
    """Measure and print."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    logging.disable(logging.CRITICAL)
    from django.conf import settings
    from django.db import connection

    name = Path(tempfile.gettempdir()) / f"wxpay_bench_{os.getpid()}.sqlite3"
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(name)
    was = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        with served() as url:
            point_at(url)
            compare(url)
    finally:
        connection.creation.destroy_test_db(was, verbosity=0)


def point_at(url: str) -> None:
    """Let the shop's merchant be the simulator's."""
    from django.conf import settings
    from django.core.signals import setting_changed

    from tests.journeys.stage import DIRECT

    entry = {"APPID": DIRECT.appid, "MCH_ID": DIRECT.mch_id, "API_KEY": DIRECT.api_key.reveal()}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": entry | {"HOSTS": [url]}},
    }
    setting_changed.send(sender=None, setting="WXPAY", value=settings.WXPAY, enter=True)


def compare(url: str) -> None:
    """Take turns, and print each way against the first."""
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    place()
    for _ in range(ROUNDS):
        for name, fault in WAYS.items():
            requests.post(f"{url}/_simulator/reset", timeout=5)
            if fault:
                told = fault | {"operation": "report", "times": 1_000_000}
                requests.post(f"{url}/_simulator/faults", json=told, timeout=5)
            with reporting() if fault is not None else no_reporting():
                taken[name] += [place() for _ in range(ORDERS)]
    base = statistics.median(taken[UP])
    say(f"{ORDERS * ROUNDS} orders each, milliseconds: median, 95th of 100, and the median's ratio")
    for name, times in taken.items():
        middle, late = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        say(f"  {name:<46}{middle:8.2f}{late:8.2f}   x {middle / base:.2f}")
    say()


def place() -> float:
    """Return the milliseconds that one order takes, from nothing to its QR code."""
    from django_wxpay import services

    began = time.perf_counter()
    services.checkout(
        trade_type="NATIVE",
        body="Tea",
        total_fee=100,
        product_id="TEA",
        out_trade_no=f"BENCH{next(_numbers):07d}",
    )
    return (time.perf_counter() - began) * 1000


@contextmanager
def no_reporting() -> Iterator[None]:
    """Do nothing else."""
    yield


@contextmanager
def reporting() -> Iterator[None]:
    """Send reports of a backlog in the background, again and again, as a worker does."""
    from django.db import connection

    from django_wxpay import services
    from django_wxpay.models import ApiReport
    from tests.factories import ApiReportFactory

    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            if not ApiReport.objects.filter(report_status="PENDING").exists():
                ApiReport.objects.bulk_create(ApiReportFactory.build_batch(500))
            services.send_reports(limit=100, workers=8)
            ended.wait(1)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(sys.argv[-1])
    else:
        main()
