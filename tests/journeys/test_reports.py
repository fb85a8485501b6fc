"""Latency reports from end to end: a shop's calls, two workers, and WeChat Pay's ledger."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests
from requests.adapters import HTTPAdapter

from django_wxpay import services
from django_wxpay.gateway import failover
from django_wxpay.models import ApiReport
from django_wxpay.protocol import v2
from django_wxpay.services import SaleState, TerminalSale
from tests.factories import ApiReportFactory
from tests.journeys.stage import Stage
from tests.races.running import at_once

# WXPAY_REPORT_ROWS=10000 pytest -s tests/journeys/test_reports.py -k exactly_once
ROWS = int(os.environ.get("WXPAY_REPORT_ROWS", "500"))


TROUBLES = [
    pytest.param({"fault": "http_502"}, id="5xx"),
    pytest.param({"fault": "reset"}, id="reset"),
    pytest.param({"fault": "slow", "seconds": 5}, id="hanging", marks=pytest.mark.long),
]


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


@pytest.mark.long
def test_two_workers_side_by_side_deliver_each_row_exactly_once(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A machine that is busy may take longer than a report waits, which would send it again.
    monkeypatch.setattr(failover, "REPORT_TIMEOUT", (30.0, 30.0))
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


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_report_endpoint_in_trouble_costs_payments_nothing(
    stage: Stage, trouble: dict[str, object]
) -> None:
    stage.wechat.inject(**trouble, operation="report", times=10_000)  # type: ignore[arg-type]
    order = stage.clerk.placed()
    backlog(40)
    run = services.send_reports(limit=None, workers=4)

    assert (run.sent, run.given_up) == (0, 0)
    assert 4 <= run.unanswered <= 8
    assert run.unanswered + run.untried == 41
    # Not one is lost to an outage, however long it lasts.
    assert set(ApiReport.objects.values_list("report_status", "report_claim")) == {("PENDING", "")}
    # The host is as well as ever: the next call goes there first and is answered.
    assert stage.clerk.query(order).status_code == 200
    assert not ApiReport.objects.exclude(failure="").exists()


def test_an_endpoint_that_is_down_raises_nothing(
    stage: Stage, configure: Callable[..., None], unused_tcp_port_url: str
) -> None:
    backlog(10)
    configure(unused_tcp_port_url)
    run = services.send_reports(workers=2)
    assert (run.sent, run.unanswered + run.untried) == (0, 10)
    configure(stage.wechat.url)
    assert services.send_reports().sent == 10


def test_a_quick_pay_sale_as_a_whole_reaches_the_ledger(stage: Stage) -> None:
    started_at = datetime.now(UTC)
    order = stage.clerk.placed()
    services.record_sale(
        "default", out_trade_no=order["out_trade_no"], started_at=started_at, execute_time_ms=7400
    )
    assert services.send_reports().sent == 2

    told = {report["interface_url"]: report for report in stage.wechat.ledger()["reports"]}
    whole = told[f"{stage.wechat.url}/pay/micropay/total"]
    assert (whole["execute_time_"], whole["out_trade_no"]) == ("7400", order["out_trade_no"])
    assert (whole["return_code"], whole["result_code"]) == ("SUCCESS", "SUCCESS")
    assert f"{stage.wechat.url}/pay/unifiedorder" in told
    summary = stage.clerk.get("api-reports/summary/").json()["results"]
    (row,) = [row for row in summary if row["interface_url"] == whole["interface_url"]]
    assert (row["count"], row["p50_ms"], row["failure_rate"]) == (1, 7400, 0)


def terminal_sales(count: int) -> tuple[TerminalSale, ...]:
    """Return what a terminal has kept of a morning on which nobody had enough money."""
    opening = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
    return tuple(
        TerminalSale(
            out_trade_no=f"TILL7-{number:026d}",
            begin_at=opening + timedelta(minutes=number),
            end_at=opening + timedelta(minutes=number, seconds=9),
            state=(SaleState.OK, SaleState.FAIL, SaleState.CANCELLED)[number % 3],
            err_msg="" if number % 3 == 0 else "余额不足，请顾客更换付款方式" * (number % 4),
        )
        for number in range(count)
    )


@pytest.mark.parametrize("merchant", ["default", "md5", "institution"])
def test_the_sales_of_a_terminal_go_out_in_batches_each_once(stage: Stage, merchant: str) -> None:
    sales = terminal_sales(30)
    run = services.report_sales(merchant, sales, device_info="till-7", user_ip="10.0.0.7")
    assert run == services.SalesRun(delivered=sales)

    reports = stage.wechat.ledger()["reports"]
    assert 30 / 7 < len(reports) < 30
    trades = [trade for report in reports for trade in json.loads(report["trades"])]
    assert [trade["out_trade_no"] for trade in trades] == [sale.out_trade_no for sale in sales]
    assert [trade["err_msg"] for trade in trades] == [sale.err_msg for sale in sales]
    assert [trade["state"] for trade in trades] == ["OK", "FAIL", "CANCLE"] * 10
    assert (trades[1]["begin_time"], trades[1]["end_time"]) == ("20260101090100", "20260101090109")
    for report in reports:
        assert report["interface_url"] == f"{stage.wechat.url}/pay/batchreport/micropay/total"
        assert (report["device_info"], report["user_ip"]) == ("till-7", "10.0.0.7")
        assert len(report["trades"].encode()) <= 1024
    assert not ApiReport.objects.exists()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_terminal_tells_the_rest_when_the_trouble_is_over(
    stage: Stage, trouble: dict[str, object]
) -> None:
    order, sales = stage.clerk.placed(), terminal_sales(30)
    stage.wechat.inject(**trouble, operation="report", times=2)  # type: ignore[arg-type]
    run = services.report_sales("default", sales)

    assert run == services.SalesRun(unanswered=sales)
    assert len(stage.wechat.calls("report")) == 2
    # The host is as well as ever: the next call goes there first and is answered.
    assert stage.clerk.query(order).status_code == 200
    assert services.report_sales("default", run.unanswered).delivered == sales


def test_a_terminal_and_an_endpoint_that_is_down(
    stage: Stage, configure: Callable[..., None], unused_tcp_port_url: str
) -> None:
    sales = terminal_sales(10)
    configure(unused_tcp_port_url)
    assert services.report_sales("default", sales).unanswered == sales
    configure(stage.wechat.url)
    assert services.report_sales("default", sales).delivered == sales


@pytest.fixture
def unused_tcp_port_url() -> str:
    """An address at which nobody listens."""
    return "http://127.0.0.1:9"
