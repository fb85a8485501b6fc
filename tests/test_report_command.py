"""``wxpay_report``, as cron calls it, against the simulated WeChat Pay."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_wxpay.models import ApiReport
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from tests.factories import ApiReportFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def wxpay(settings: Any) -> Any:
    entry = {"APPID": "wx8888888888888888", "MCH_ID": "1900000109"}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": entry | {"API_KEY": "TESTKEYtestkeyTESTKEYtestkey0000"}},
    }
    with simulated_wxpay() as simulated:
        yield simulated


def output_of(*arguments: str) -> str:
    out = StringIO()
    call_command("wxpay_report", *arguments, stdout=out)
    return out.getvalue()


def test_it_prints_what_was_reported_and_what_is_left(wxpay: SimulatedWXPay) -> None:
    rows = [ApiReportFactory() for _ in range(5)]
    ApiReportFactory(merchant="gone")
    assert output_of("--limit", "2") == (
        "2 reported, 0 given up, 0 cannot be reported, 4 waiting\n"
    )
    assert output_of("--until-empty", "--limit", "1") == (
        "3 reported, 0 given up, 1 cannot be reported, 0 waiting\n"
    )
    reported = [report["out_trade_no"] for report in wxpay.ledger()["reports"]]
    assert sorted(reported) == sorted(row.out_trade_no for row in rows)


def test_in_an_outage_it_ends_and_gives_nothing_up(wxpay: SimulatedWXPay) -> None:
    for _ in range(20):
        ApiReportFactory()
    wxpay.inject("http_502", operation="report", times=100)
    assert (
        output_of("--until-empty") == "0 reported, 0 given up, 0 cannot be reported, 20 waiting\n"
    )
    assert set(ApiReport.objects.values_list("report_status", flat=True)) == {"PENDING"}
    assert wxpay.ledger()["reports"] == []


def test_a_limit_is_a_number_of_rows(wxpay: SimulatedWXPay) -> None:
    with pytest.raises(CommandError, match="--limit"):
        output_of("--limit", "0")


def test_broken_settings_are_one_line_of_output(settings: Any) -> None:
    settings.WXPAY = {}
    with pytest.raises(CommandError, match="Run manage"):
        output_of()
