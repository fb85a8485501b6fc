"""What reporting costs: a backlog drained beside bare POSTs, and an order placed meanwhile.

The simulator is a process of its own. A backlog is drained by as many threads as make the POSTs,
of bytes that were signed before. Then orders are placed while reports go out well, badly or not
at all, from threads of the same process, over the same pool, from a backlog that never ends: the
worst place for them. The ways take turns, and the median order counts.

Run: python -m tests.benchmarks.bench_reporting
"""

from __future__ import annotations

import itertools
import logging
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import requests

from tests.benchmarks.databases import database, set_up
from tests.benchmarks.measuring import FULL, Action, Aim, Result, Scale, ratios, say, show
from tests.benchmarks.simulated import shop

THREADS: Final = 8
REACH: Final = 1.2
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


def results(scale: Scale) -> Iterator[Result]:
    """Measure a backlog that is drained."""
    set_up()
    reports = 200 if scale.is_quick else 1000
    rounds = max(3, scale.rounds // 2)
    with database(), shop() as url:
        yield drained(url, reports=reports, rounds=rounds)


def drained(url: str, *, reports: int, rounds: int) -> Result:
    """Drain so many reports in each round, and make as many POSTs."""
    post = _post(url)
    competitors: dict[str, Action] = {
        "ours": lambda: _drain(reports),
        "limit": lambda: _post_all(post, reports),
    }
    elapsed: dict[str, list[float]] = {name: [] for name in competitors}
    busy: dict[str, list[float]] = {name: [] for name in competitors}
    for at in range(rounds + 1):
        for name, act in competitors.items():
            _fill(reports)
            began, worked = time.perf_counter(), time.process_time()
            act()
            # The first round opens the connections.
            if at:
                elapsed[name].append(time.perf_counter() - began)
                busy[name].append(time.process_time() - worked)
    multiples = ratios(elapsed["ours"], elapsed["limit"])
    low, middle, high = statistics.quantiles(multiples, n=4)
    return Result(
        path="reports drained over as many bare requests",
        limit=f"{reports} times Session.post of signed bytes, on {THREADS} threads too",
        figure=middle,
        reach=REACH,
        aim=Aim.AT_MOST,
        low=low,
        high=high,
        peers={"ours, by processor time": statistics.median(ratios(busy["ours"], busy["limit"]))},
    )


def _fill(reports: int) -> None:
    from django_wxpay.models import ApiReport
    from tests.factories import ApiReportFactory

    ApiReport.objects.all().delete()
    ApiReport.objects.bulk_create(ApiReportFactory.build_batch(reports))


def _drain(reports: int) -> None:
    from django_wxpay import services

    run = services.send_reports(limit=None, workers=THREADS)
    if run.sent != reports:
        raise SystemExit(f"{run.sent} of {reports} reports were sent")


def _post(url: str) -> Callable[[], None]:
    from django_wxpay import conf
    from django_wxpay.protocol.v2.reports import REPORT_PATH, MeasuredCall, report_fields
    from django_wxpay.protocol.v2.xml import encode_xml
    from django_wxpay.services import clock

    account = conf.merchant("default")
    call = MeasuredCall(
        appid=account.appid,
        mch_id=account.mch_id,
        interface_url="https://api.mch.weixin.qq.com/pay/unifiedorder",
        execute_time_ms=87,
        out_trade_no="BENCH0000001",
        return_code="SUCCESS",
        return_msg="OK",
        result_code="SUCCESS",
    )
    body = encode_xml(
        report_fields(
            call,
            mode=account.mode,
            sign_type=account.sign_type,
            key=account.api_key,
            nonce=clock.nonce(),
            now=clock.now(),
        )
    )
    session = requests.Session()

    def post() -> None:
        headers = {"Content-Type": "text/xml"}
        answer = session.post(url + REPORT_PATH, data=body, headers=headers, timeout=(1, 1))
        # A refusal would be quicker, and no limit.
        if b"SUCCESS" not in answer.content:
            raise SystemExit(f"the simulator refuses what is compared with: {answer.text}")

    return post


def _post_all(post: Callable[[], None], count: int) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(post) for _ in range(count)]:
            done.result()


def compare(url: str) -> None:
    """Place orders beside the reports in turns, and print each way against the first."""
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
            services.send_reports(limit=100, workers=THREADS)
            ended.wait(1)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def main() -> None:
    """Measure and print."""
    show(list(results(FULL)))
    logging.disable(logging.CRITICAL)
    with database(), shop() as url:
        compare(url)


if __name__ == "__main__":
    main()
