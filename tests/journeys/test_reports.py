"""Latency reports from end to end: a shop's calls, two workers, and WeChat Pay's ledger."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from requests.adapters import HTTPAdapter

from django_wxpay import services
from django_wxpay.models import ApiReport
from django_wxpay.protocol import v2
from tests.factories import ApiReportFactory
from tests.journeys.stage import Stage
from tests.races.running import at_once

# WXPAY_REPORT_ROWS=10000 pytest -s tests/journeys/test_reports.py -k exactly_once
ROWS = int(os.environ.get("WXPAY_REPORT_ROWS", "500"))


def backlog(count: int) -> list[str]:
    rows = ApiReportFactory.build_batch(count)
    ApiReport.objects.bulk_create(rows)
    return [row.out_trade_no for row in rows]


def test_the_calls_of_an_order_reach_the_ledger_word_for_word(stage: Stage) -> None:
    order = stage.clerk.placed()
    stage.clerk.query(order)
    assert stage.wechat.ledger()["reports"] == []
    assert services.send_reports().sent == 2

    reports = stage.wechat.ledger()["reports"]
    by_path = {report["interface_url"].removeprefix(stage.wechat.url): report for report in reports}
    assert by_path.keys() == {"/pay/unifiedorder", "/pay/orderquery"}
    for report in reports:
        assert report["out_trade_no"] == order["out_trade_no"]
        assert (report["return_code"], report["result_code"]) == ("SUCCESS", "SUCCESS")
        assert report["user_ip"] == "127.0.0.1"
    shown = stage.clerk.get("api-reports/").json()["results"]
    assert [row["report_status"] for row in shown] == ["SENT", "SENT"]


def test_two_workers_side_by_side_deliver_each_row_exactly_once(stage: Stage) -> None:
    numbers = backlog(ROWS)
    began = time.perf_counter()
    runs = at_once(*[lambda: services.send_reports(limit=None)] * 2)
    took = time.perf_counter() - began

    assert [run for run in runs if isinstance(run, BaseException)] == []
    assert sum(run.sent for run in runs if isinstance(run, services.ReportRun)) == ROWS
    told = Counter(report["out_trade_no"] for report in stage.wechat.ledger()["reports"])
    assert told == Counter(numbers)
    assert set(ApiReport.objects.values_list("report_status", "report_attempts")) == {("SENT", 1)}
    bare = _bare_requests(stage.wechat.url, ROWS)
    line = f"{ROWS} reports: {took:.2f} s by two workers; as many bare requests: {bare:.2f} s\n"
    sys.stdout.write(line)


def _bare_requests(url: str, count: int) -> float:
    """Return the seconds that as many posts take over kept connections, and nothing else."""
    session = requests.Session()
    session.mount(url, HTTPAdapter(pool_maxsize=16))
    body = v2.encode_xml({"mch_id": "1900000109"})

    def post(_: int) -> None:
        assert session.post(f"{url}/payitil/report", data=body).status_code == 200

    began = time.perf_counter()
    with session, ThreadPoolExecutor(16) as pool:
        list(pool.map(post, range(count)))
    return time.perf_counter() - began


@pytest.mark.parametrize(
    "trouble",
    [{"fault": "http_502"}, {"fault": "reset"}, {"fault": "slow", "seconds": 5}],
    ids=["5xx", "reset", "hanging"],
)
def test_a_report_endpoint_in_trouble_costs_payments_nothing(
    stage: Stage, trouble: dict[str, object]
) -> None:
    stage.wechat.inject(**trouble, operation="report", times=10_000)  # type: ignore[arg-type]
    order = stage.clerk.placed()
    backlog(40)
    began = time.monotonic()
    run = services.send_reports(limit=None, workers=4)

    assert time.monotonic() - began < 10
    assert run.sent == 0
    assert 4 <= run.given_up <= 8
    assert run.given_up + run.untried == 41
    waiting = ApiReport.objects.filter(report_status="PENDING")
    assert waiting.count() == run.untried
    # The host is as well as ever: the next call goes there first and is answered.
    assert stage.clerk.query(order).status_code == 200
    assert not ApiReport.objects.exclude(failure="").exists()


def test_an_endpoint_that_is_down_raises_nothing(
    stage: Stage, configure: Callable[..., None], unused_tcp_port_url: str
) -> None:
    backlog(10)
    configure(unused_tcp_port_url)
    run = services.send_reports(workers=2)
    assert (run.sent, run.given_up + run.untried) == (0, 10)
    configure(stage.wechat.url)
    assert services.send_reports().sent == run.untried


@pytest.fixture
def unused_tcp_port_url() -> str:
    """An address at which nobody listens."""
    return "http://127.0.0.1:9"
