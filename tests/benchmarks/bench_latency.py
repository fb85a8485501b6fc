"""What a million calls cost those who look at them, against ten thousand.

Each page and list is read at both sizes, in turns, and a call is written down; so is how
quickly calls are rolled up. The calls lie in the same month, a hundred of them not rolled up yet.
``WXPAY_TEST_DATABASE`` chooses the database, as for the tests.

Run: python tests/benchmarks/bench_latency.py [ROWS [MORE_ROWS]]
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
from measuring import say

SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 9
# What comes in between two runs of the worker.
UNCOUNTED = 100
MONTH = timedelta(days=28)
PAGES = {
    "REST summary, 24 hours": "/wxpay/api/api-reports/summary/",
    "REST summary, 28 days": "/wxpay/api/api-reports/summary/?created_after={start}",
    "REST rows, newest page": "/wxpay/api/api-reports/",
    "REST rows, failures only": "/wxpay/api/api-reports/?failure=TIMEOUT",
    "admin, API latency, 24 hours": "/admin/django_wxpay/hourlylatency/",
    "admin, API latency, 30 days": "/admin/django_wxpay/hourlylatency/?range=30d",
    "admin, raw rows": "/admin/django_wxpay/apireport/",
    "admin, raw rows that failed": "/admin/django_wxpay/apireport/?failed=yes",
    "admin, raw rows that wait": "/admin/django_wxpay/apireport/?report_status__exact=PENDING",
}


def main() -> None:
    """Make a database of each size, measure them in turns, and print both."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment(debug=False)
    was = connection.settings_dict["NAME"]
    sizes = [int(text) for text in sys.argv[1:]] or [SMALL, LARGE]
    names: dict[int, str] = {}
    try:
        for size in sizes:
            names[size] = made(size)
        compare(names)
    finally:
        for name in names.values():
            use(name)
            connection.creation.destroy_test_db(was, verbosity=0)


def made(size: int) -> str:
    """Make a database with so many calls, and return its name."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    name = f"wxpay_bench_{os.getpid()}_{size}"
    if connection.vendor == "sqlite":
        name = str(Path(tempfile.gettempdir()) / f"{name}.sqlite3")
    connection.settings_dict["TEST"]["NAME"] = name
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    get_user_model().objects.create(username="bench", is_staff=True, is_superuser=True)
    fill(size)
    return name


def use(name: str) -> None:
    """Go over to another database."""
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = name


def compare(names: dict[int, str]) -> None:
    """Print a line for each thing measured, with its median at every size."""
    from django.db import connection

    rounds: dict[str, dict[int, list[float]]] = {}
    for _ in range(ROUNDS):
        for size, name in names.items():
            use(name)
            for title, taken in measured().items():
                rounds.setdefault(title, {}).setdefault(size, []).append(taken)
    sizes = " and ".join(f"{size:,}" for size in names)
    say(f"{connection.vendor}: milliseconds at {sizes} rows, medians of {ROUNDS} rounds in turns")
    for title, by_size in rounds.items():
        times = [statistics.median(taken) for taken in by_size.values()]
        columns = "".join(f"{taken:10.2f}" for taken in times)
        say(f"  {title:<34}{columns}   x {times[-1] / times[0]:.2f}")
    say()


def measured() -> dict[str, float]:
    """Return the milliseconds that each thing takes in the database of now."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client(raise_request_exception=True)
    client.force_login(get_user_model().objects.get(username="bench"))
    start = (datetime.now(UTC) - MONTH).strftime("%Y-%m-%dT%H:%M:%SZ")

    def get(address: str) -> Callable[[], object]:
        def read() -> None:
            answer = client.get(address.format(start=start))
            assert answer.status_code == 200, (address, answer.status_code)

        return read

    found = {title: best_ms(get(address)) for title, address in PAGES.items()}
    found["writing down one call"] = best_ms(capture, times=20)
    return found


def best_ms(action: Callable[[], object], *, times: int = 1) -> float:
    """Return the best of three, for one of ``times`` goes, after one that does not count."""
    action()
    rounds = []
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(times):
            action()
        rounds.append((time.perf_counter() - began) / times * 1000)
    return min(rounds)


def capture() -> None:
    """Write one call down, as the gateway does after each attempt."""
    from django_wxpay.gateway import CallRecord
    from django_wxpay.services.latency.recording import record_call

    values: dict[str, Any] = dict.fromkeys(CallRecord.__dataclass_fields__, "")
    values |= {
        "api": "v2",
        "mch_id": "1900000109",
        "interface_url": "https://api.mch.weixin.qq.com/pay/unifiedorder",
        "host": "api.mch.weixin.qq.com",
        "started_at": datetime.now(UTC),
        "execute_time_ms": 87,
        "http_status": 200,
        "is_standby": False,
    }
    record_call("default", CallRecord(**values))


def fill(count: int) -> None:
    """Make so many calls, spread over the month and four interfaces at two hosts; count them."""
    from django.db import connection

    from django_wxpay.models import ApiReport
    from django_wxpay.services.latency.rollup import not_rolled_up, roll_up
    from tests.factories import ApiReportFactory

    dice = random.Random(count)  # noqa: S311 - no secret is made
    moments = iter(sorted(datetime.now(UTC) - MONTH * dice.random() for _ in range(count)))
    sample = ApiReportFactory.build()
    columns = [field.attname for field in ApiReport._meta.concrete_fields if field.attname != "id"]
    values = {name: getattr(sample, name) for name in columns}

    def row() -> ApiReport:
        at = next(moments)
        # Now and then the primary is away, for an hour in each hundred.
        is_away = int(at.timestamp()) // 3600 % 100 == 0
        host = "api2.mch.weixin.qq.com" if is_away else "api.mch.weixin.qq.com"
        interface = dice.choice(["unifiedorder", "orderquery", "closeorder", "micropay"])
        return ApiReport(
            **values
            | {
                "host": host,
                "is_standby": is_away,
                "interface_url": f"https://{host}/pay/{interface}",
                "execute_time_ms": round(dice.lognormvariate(5, 0.7)),
                "failure": "TIMEOUT" if dice.random() < 0.005 else "",
                "report_status": "PENDING" if dice.random() < 0.02 else "SENT",
                "created_at": at,
            }
        )

    began = time.perf_counter()
    for at in range(0, count, 5000):
        ApiReport.objects.bulk_create(row() for _ in range(min(5000, count - at)))
    filled = time.perf_counter()
    rolled_up = roll_up(limit=not_rolled_up().count() - UNCOUNTED)
    took = time.perf_counter() - filled
    say(
        f"{count:,} rows made in {filled - began:.1f} s, rolled up in {took:.1f} s "
        f"({rolled_up / took:,.0f} a second)"
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


if __name__ == "__main__":
    main()
