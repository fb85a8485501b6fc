"""What a notification costs through the Django view: time and queries, first and again.

A SQLite file in WAL mode, as the example shop has it; the shop's own receiver is connected.

Run: python tests/benchmarks/bench_notifications.py
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import django
from measuring import say, table

ORDERS = 300
URL = "/wxpay/notify/default/payment/"


def main() -> None:
    """Measure and print."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment(debug=False)
    name = Path(tempfile.gettempdir()) / f"wxpay_bench_{os.getpid()}.sqlite3"
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(name)
    was = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        measure()
    finally:
        connection.creation.destroy_test_db(was, verbosity=0)


def measure() -> None:
    """Deliver notifications of many orders, each of them three times."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from django_wxpay.protocol.v2.notices import read_notice
    from tests.journeys.stage import DIRECT, payment_notice

    client = Client()
    numbers = [f"BENCH{at:07d}" for at in range(ORDERS)]
    for number in numbers:
        _order(number)
    bodies = [
        payment_notice(number, transaction_id=f"42{at:026d}") for at, number in enumerate(numbers)
    ]

    def post(body: bytes) -> float:
        began = time.perf_counter()
        answer: Any = client.post(URL, data=body, content_type="text/xml")
        taken = (time.perf_counter() - began) * 1e6
        if b"SUCCESS" not in answer.content:
            raise SystemExit(f"not taken: {answer.content!r}")
        return taken

    def statements(body: bytes) -> list[str]:
        with CaptureQueriesContext(connection) as counted:
            post(body)
        return [row["sql"] for row in counted.captured_queries]

    first, again = statements(bodies[0]), statements(bodies[0])
    empty = [_timed(lambda: client.get("/wxpay/notify/default/payment/")) for _ in range(ORDERS)]
    reading = [_timed(lambda body=body: read_notice(body, merchant=DIRECT)) for body in bodies]
    firsts = [post(body) for body in bodies[1:]]
    duplicates = [post(body) for body in bodies]
    times = {
        "the test client and Django alone (a 405)": statistics.median(empty),
        "reading alone (decode, verify, fact)": statistics.median(reading),
        "first delivery: recorded, settled, shop told": statistics.median(firsts),
        "a duplicate": statistics.median(duplicates),
    }
    table(f"{ORDERS} notifications, median", times, base="a duplicate")
    say(f"  95th percentile: first {_p95(firsts):.0f} us, duplicate {_p95(duplicates):.0f} us")
    say()
    for title, sql in (("first delivery", first), ("a duplicate", again)):
        ours = [line for line in sql if "shop_" not in line]
        verbs = [line.split()[0] for line in ours]
        work = [verb for verb in verbs if verb not in {"BEGIN", "COMMIT"}]
        say(f"  queries of ours, {title}: {len(work)}, with BEGIN and COMMIT {len(ours)}")
        say(f"    {' '.join(verbs)}")


def _order(number: str) -> None:
    from django_wxpay import services

    services.create_order(
        trade_type="NATIVE",
        body="Tea",
        total_fee=1250,
        product_id="TEA-1",
        out_trade_no=number,
    )


def _timed(action: Any) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1e6


def _p95(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=20)[-1]


if __name__ == "__main__":
    main()
