"""``wxpay_doctor``, as the engineer on call reads it, and as a monitor does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from django_wxpay import services
from django_wxpay.models import ApiReport
from django_wxpay.services.doctor import diagnosis
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from tests.conftest import TEST_KEYS
from tests.factories import ApiReportFactory, NotificationFactory, OrderEventFactory
from tests.laws.source import ROOT

pytestmark = pytest.mark.django_db

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
HOSTS = ["http://one.test", "http://two.test"]


@pytest.fixture
def configured(settings: Any) -> dict[str, Any]:
    entry = {"APPID": "wx8888888888888888", "API_KEY": KEY, "HOSTS": HOSTS}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {
            "default": entry | {"MCH_ID": "1900000109"},
            "tea": entry | {"MCH_ID": "1900000110"},
        },
    }
    return settings.WXPAY


@pytest.fixture
def wxpay(configured: dict[str, Any]) -> Iterator[SimulatedWXPay]:
    with simulated_wxpay() as simulated:
        yield simulated


def run(*arguments: str, **options: Any) -> tuple[int, str]:
    """Return with what code it exits, and what it prints."""
    out = StringIO()
    code = 0
    try:
        call_command("wxpay_doctor", *arguments, stdout=out, no_color=True, **options)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert not any(key in out.getvalue() for key in TEST_KEYS)
    return code, out.getvalue()


def call_of_now(**fields: Any) -> ApiReport:
    return ApiReportFactory(created_at=datetime.now(UTC), **fields)


def test_without_a_finding_it_prints_one_line(wxpay: SimulatedWXPay) -> None:
    assert run() == (0, "Nothing is wrong with default, tea.\n")
    asked = wxpay.requests("orderquery")
    assert len(asked) == ApiReport.objects.count() == 4
    assert len({row["out_trade_no"] for row in ApiReport.objects.values("out_trade_no")}) == 4


def test_in_full_it_prints_what_is_ok(wxpay: SimulatedWXPay) -> None:
    code, output = run("--merchant", "tea", verbosity=2)
    lines = output.splitlines()
    assert code == 0
    assert "tea: latency: No calls in this hour and the 1 before." in lines
    assert [line.split(" in ")[0] for line in lines if line.startswith("tea: hosts: ")] == [
        "tea: hosts: one.test (API v2) answers",
        "tea: hosts: two.test (API v2) answers",
    ]
    assert not any(line.startswith("default") for line in lines)


def test_what_is_wrong_comes_first_the_worst_on_top_with_what_to_do(
    wxpay: SimulatedWXPay,
) -> None:
    NotificationFactory(merchant="default", unknown=True, created_at=datetime.now(UTC))
    OrderEventFactory(untold=True, order__merchant="default")
    code, output = run("--offline")
    lines = output.splitlines()
    assert code == 1
    assert lines[0] == "default"
    assert lines[1].startswith("  ERROR events: The shop's receivers refuse 1 event, the oldest")
    assert lines[2].startswith("    -> Fix the receiver")
    assert lines[3].startswith("  WARNING notifications: 1 notification not processed")
    assert lines[4].startswith("    -> Look at the failed ones")
    assert lines[5].startswith("  WARNING bills: The bills of 90 days are not compared yet")
    assert lines[6].startswith("    -> Run manage.py wxpay_reconcile")
    assert lines[7:] == ["Nothing is wrong with tea.", "1 error, 2 warnings"]
    assert wxpay.requests() == []


def test_a_warning_alone_exits_with_zero(wxpay: SimulatedWXPay) -> None:
    NotificationFactory(merchant="tea", unknown=True, created_at=datetime.now(UTC))
    code, output = run()
    assert code == 0
    assert output.splitlines()[-1] == "0 errors, 1 warning"


def test_for_a_monitor_every_finding_is_json(wxpay: SimulatedWXPay) -> None:
    for _ in range(3):
        call_of_now(failed=True, merchant="tea")
    code, output = run("--json", "--offline")
    findings = json.loads(output)
    assert code == 1
    assert {key for finding in findings for key in finding} == {
        "merchant",
        "subject",
        "level",
        "message",
        "advice",
    }
    first = findings[0]
    assert (first["merchant"], first["subject"], first["level"]) == ("tea", "latency", "ERROR")
    assert "TIMEOUT 3" in first["message"]
    assert {finding["level"] for finding in findings[1:]} == {"OK"}


def test_hours_reach_further_back(wxpay: SimulatedWXPay) -> None:
    for _ in range(3):
        ApiReportFactory(created_at=datetime.now(UTC) - timedelta(hours=5), failed=True)
    ApiReport.objects.update(report_status="SENT", is_rolled_up=False)
    services.run_jobs("latency")
    assert run("--offline") == (0, "Nothing is wrong with default, tea.\n")
    code, output = run("--offline", "--hours", "6")
    assert code == 1
    assert "100 % failed" in output


@pytest.mark.parametrize("hours", ["0", "-1", "100000"])
def test_hours_are_a_number_of_hours(wxpay: SimulatedWXPay, hours: str) -> None:
    with pytest.raises(CommandError, match="--hours"):
        run(f"--hours={hours}")


def test_an_unknown_alias_is_an_error_and_no_host_is_called(wxpay: SimulatedWXPay) -> None:
    with pytest.raises(CommandError, match='no merchant "coffee"'):
        run("--merchant", "default", "--merchant", "coffee")
    assert wxpay.requests() == []


@pytest.mark.parametrize("broken", [None, {}, {"MERCHANTS": {"default": {"API_KEY": KEY[:-1]}}}])
def test_with_broken_settings_it_prints_what_is_wrong_with_them(settings: Any, broken: Any) -> None:
    settings.WXPAY = broken
    code, output = run()
    assert code == 1
    assert "ERROR configuration: " in output
    assert "No host was called: the settings are wrong." in output


def test_without_a_database_it_prints_that_and_calls_the_hosts_all_the_same(
    wxpay: SimulatedWXPay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any) -> Any:
        raise OperationalError("no such table: django_wxpay_hourlylatency\nLINE 1: SELECT")

    monkeypatch.setattr(diagnosis, "_DATABASE_CHECKS", (refuse,))
    code, output = run()
    assert code == 1
    assert (
        "ERROR database: The database does not answer a query: OperationalError: "
        "no such table: django_wxpay_hourlylatency.\n    -> Start the database" in output
    )
    assert "LINE 1" not in output
    assert len(wxpay.requests("orderquery")) == 4
    assert output.splitlines()[-1] == "1 error, 0 warnings"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("empty.sqlite3", 'DATABASES["default"] lacks the table django_wxpay_apireport and'),
        ("no/such/folder.sqlite3", "The database does not answer a query"),
    ],
)
def test_from_the_shell_it_ends_with_a_code_and_never_with_a_traceback(
    tmp_path: Path, where: str, words: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "wxpay_doctor"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "EXAMPLE_DATABASE": str(tmp_path / where),
            "SIMULATOR_URL": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout + ended.stderr
    assert f"ERROR database: {words}" in ended.stdout
    assert "127.0.0.1:9 (API v2) gave no trustworthy answer: CONNECT." in ended.stdout
    assert ended.stdout.splitlines()[-1] == "2 errors, 0 warnings"
