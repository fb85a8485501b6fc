"""The benchmarks' command: benchmarks run in processes of their own, and what it says of them.

No test asserts a time. The benchmarks here are made for the tests, and measure nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import report, running
from tests.benchmarks.machine import Machine, this_machine
from tests.benchmarks.measuring import (
    CHOSEN_TO_BE_SLOW,
    KEPT_CONNECTION,
    Aim,
    Result,
    described,
    share,
)
from tests.benchmarks.measuring import Scale as RunScale
from tests.benchmarks.profiling import place_of
from tests.benchmarks.running import NONE, Failed, Run
from tests.docs.markdown import text_of
from tests.laws.source import ROOT

ROW = Result(
    path="reading",
    limit="bare",
    figure=0.5,
    reach=0.6,
    low=0.45,
    high=0.55,
    peers={"wechatpy": 0.4},
    note="a reason",
)
QUICKEST = RunScale(rounds=3, round_s=0.001, rows=10)
MACHINE = Machine(
    processor="A CPU",
    cores=2,
    system="Linux 6",
    python="CPython 3.13.1",
    libraries={"Django": "5.2"},
    databases={"sqlite": "SQLite 3.46"},
    load=0.25,
    at=datetime(2026, 11, 29, tzinfo=UTC),
)
SAMPLE = """
from tests.benchmarks.measuring import Result, say

def results(scale):
    say("not a row")
    yield Result(path="rounds", limit="none", figure=scale.rounds, reach=None)
"""
ENDS_BADLY = SAMPLE + "    raise RuntimeError('the reason')\n"
ON_A_DATABASE = """
from tests.benchmarks.databases import database, keep_connection, use
from tests.benchmarks.measuring import Result
from tests.benchmarks.wsgi import accepted, post

def results(scale):
    with database("small") as small, database("large") as large:
        from django.core.handlers.wsgi import WSGIHandler
        from django.db import connection
        from django_wxpay import services
        from django_wxpay.models import Order
        from tests.journeys.stage import payment_notice

        use(small)
        keep_connection(is_kept=True)
        services.create_order(
            trade_type="NATIVE", body="Tea", total_fee=1250, product_id="T", out_trade_no="BENCH1"
        )
        answer = post(WSGIHandler(), "/wxpay/notify/default/payment/", payment_notice("BENCH1"))
        accepted(answer, word=b"SUCCESS")
        paid = Order.objects.filter(trade_state="SUCCESS").count()
        yield Result(path=small, limit="", figure=paid, reach=None)
        with connection.cursor() as cursor:
            waits = cursor.execute("PRAGMA synchronous").fetchone()[0]
        yield Result(path="waits for the disk", limit="", figure=waits, reach=None)
        use(large)
        yield Result(path=large, limit="", figure=Order.objects.count(), reach=None)
"""


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Make a benchmark of this source that processes find, and return its module."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(ROOT))))
    monkeypatch.chdir(ROOT)

    def made(source: str) -> str:
        (tmp_path / "bench_sample.py").write_text(source, encoding="utf-8")
        return "bench_sample"

    return made


def test_a_benchmark_runs_in_a_process_of_its_own(sample: Callable[[str], str]) -> None:
    module = sample(SAMPLE)
    quick, full = (
        list(running.results_of(module, database=NONE, is_quick=is_quick))
        for is_quick in (True, False)
    )
    assert [row.path for row in quick + full] == ["rounds", "rounds"]
    assert quick[0].figure < full[0].figure
    assert module not in sys.modules


def test_a_benchmark_that_fails_keeps_its_rows_and_says_why(sample: Callable[[str], str]) -> None:
    rows = running.results_of(sample(ENDS_BADLY), database=NONE, is_quick=True)
    assert next(rows).path == "rounds"
    with pytest.raises(Failed, match="RuntimeError: the reason"):
        next(rows)


@pytest.mark.long
def test_a_benchmark_has_databases_of_its_own_and_leaves_none(
    sample: Callable[[str], str],
) -> None:
    rows = list(running.results_of(sample(ON_A_DATABASE), database="sqlite", is_quick=True))
    small, waits, large = rows
    assert (small.figure, large.figure) == (1, 0)
    assert waits.figure == 1
    assert small.path != large.path
    assert not Path(small.path).exists()
    assert not Path(large.path).exists()


def test_a_row_arrives_as_it_was_sent() -> None:
    for row in (ROW, Result(path="µ", limit="", figure=1, reach=None, aim=Aim.AT_MOST)):
        assert running.from_line(running.to_line(row)) == row


def test_every_benchmark_of_ours_is_found_and_placed() -> None:
    found = running.benchmarks()
    assert "bench_webhooks" in found
    assert set(found) <= set(running.DATABASES)


# bench_webhooks installs dj-stripe first, and bench_process measures what every test loads.
_RUN_HERE = sorted({*running.benchmarks()} - {"bench_webhooks", "bench_process"})


@pytest.mark.long
@pytest.mark.parametrize("name", _RUN_HERE)
def test_a_benchmark_of_ours_has_rows(name: str) -> None:
    ((_, database),) = running.plan([name], ["sqlite"])
    module = f"tests.benchmarks.{name}"
    assert list(running.results_of(module, database=database, is_quick=True))


def test_benchmarks_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    for name in ("bench_unknown", "bench_process", "bench_v2"):
        (tmp_path / f"{name}.py").write_text(SAMPLE)
    (tmp_path / "bench_nothing.py").write_text("def main(): ...\n")
    assert running.benchmarks(tmp_path) == ["bench_v2", "bench_process", "bench_unknown"]


def test_a_benchmark_without_a_database_runs_once() -> None:
    assert running.plan(["bench_v2", "bench_webhooks", "bench_x"], ["sqlite", "mariadb"]) == [
        ("bench_v2", NONE),
        ("bench_webhooks", "sqlite"),
        ("bench_x", "sqlite"),
        ("bench_webhooks", "mariadb"),
        ("bench_x", "mariadb"),
    ]


@pytest.mark.parametrize(
    ("figure", "error", "options", "code"),
    [
        (0.7, "", ["--strict"], 0),
        (0.5, "", [], 0),
        (0.5, "", ["--strict"], 1),
        (0.7, "broken", [], 1),
    ],
)
def test_the_exit_code_says_what_failed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    figure: float,
    error: str,
    options: list[str],
    code: int,
) -> None:
    def rows(module: str, *, database: str, is_quick: bool) -> object:
        yield Result(path="reading", limit="bare", figure=figure, reach=0.6)
        if error:
            raise Failed(error)

    monkeypatch.setattr(command, "this_machine", lambda _: MACHINE)
    monkeypatch.setattr(command, "results_of", rows)
    assert command.main(["--quick", "--only", "webhooks", *options]) == code
    said = capsys.readouterr().out
    assert f"reading: {figure:.2f}, at least 0.6" in said
    assert ("missed: reading" in said) is (figure < 0.6)
    assert ("FAILED: bench_webhooks sqlite" in said) is bool(error)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--only", "nothing"], "no benchmark bench_nothing"),
        (["--only", "webhooks", "--write"], "--write needs every benchmark"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(arguments)
    assert refused.value.code == 2
    assert reason in capsys.readouterr().err


def test_the_command_writes_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "this_machine", lambda _: MACHINE)
    monkeypatch.setattr(command, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(command, "results_of", lambda *_, **__: iter([ROW]))
    assert command.main(["--quick", "--write"]) == 0
    assert "| reading | bare | 0.50 (0.45 to 0.55) |" in (tmp_path / "performance.md").read_text()


def test_the_page_has_a_table_for_each_database() -> None:
    slow = Result(
        path=f"a document {CHOSEN_TO_BE_SLOW}",
        limit="an honest one",
        figure=3,
        reach=10,
        aim=Aim.AT_MOST,
        note="of attributes",
    )
    kept = Result(path=KEPT_CONNECTION, limit="", figure=2, reach=None, note="20 ms, 10 ms")
    noted = Result(path="a | b", limit="<c>", figure=9, reach=8, unit=" ms", note="what it is")
    page = report.page(
        MACHINE,
        [
            Run(benchmark="bench_v2", database=NONE, results=(ROW, slow), seconds=90),
            Run(benchmark="bench_x", database="sqlite", results=(noted, kept), error="broken"),
        ],
        is_quick=False,
    )
    tables, missed, rest = (
        page.split("## The table")[1].split("## Where")[0],
        page.split("## Where a reach is missed")[1].split("## How")[0],
        page.split("## The slowest documents")[1],
    )
    assert tables.index("### Without a database") < tables.index("### SQLite 3.46")
    assert "| reading | bare | 0.50 (0.45 to 0.55) | ≥ 0.6 | **no** | wechatpy 0.40 |" in tables
    assert "| a \\| b | &lt;c> | 9.00 ms | ≥ 8 ms | yes |  |" in tables
    assert "* **a \\| b**: what it is" in tables
    assert "`bench_x` failed" in tables
    assert CHOSEN_TO_BE_SLOW not in tables
    assert missed.strip() == "* **reading (Without a database), 0.50 (0.45 to 0.55)**: a reason"
    assert "| a document chosen to be slow | an honest one | 3.00 | ≤ 10 | yes |  |" in rest
    assert "* **a document chosen to be slow**: of attributes" in rest
    assert "2.00 times as fast for it: 20 ms, 10 ms." in rest
    assert "took 2 min for this page" in page
    assert "quick run" not in page


def test_the_page_says_what_was_not_measured() -> None:
    page = report.page(MACHINE, [], is_quick=True)
    assert "It was a quick run" in page
    assert "Nowhere." in page
    assert page.count(report.NOT_MEASURED) == 2


def test_the_page_of_the_day_was_written_by_the_command() -> None:
    text = [line for line in report.TEXT.read_text().splitlines() if "$" not in line]
    written = text_of("docs/performance.md").splitlines()
    assert [line for line in text if line not in written] == []
    assert "| Path | Limit | Ours | Reach | Reached | Peers |" in written


def test_the_machine_is_named() -> None:
    machine = this_machine(["sqlite"])
    assert machine.processor != ""
    assert machine.cores >= 1
    assert machine.databases["sqlite"].startswith("SQLite 3.")
    assert "Django" in machine.libraries


def test_a_share_is_of_the_limit() -> None:
    row = share("x", "y", ours=lambda: sum(range(9000)), bare=lambda: None, reach=0.9, scale=TINY)
    assert row.figure < 0.9
    assert row.is_reached is False
    assert "at least 0.9, NOT REACHED" in described(row)


def test_a_figure_that_just_misses_is_not_shown_as_reached() -> None:
    row = Result(path="x", limit="y", figure=0.8496, reach=0.85)
    assert described(row).startswith("x: 0.8496, at least 0.85, NOT REACHED")


TINY = RunScale(rounds=3, round_s=0.001)


def test_the_command_runs_as_a_module() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--database" in asked.stdout


def test_a_row_that_misses_its_reach_has_a_profile_and_one_that_reaches_it_has_none() -> None:
    def slow() -> None:
        sorted(str(number) for number in range(500))

    met, missed = (
        share("sorting", "nothing", ours=slow, bare=int, reach=reach, scale=QUICKEST)
        for reach in (0.0, 1000.0)
    )
    assert met.profile == ()
    calls, *places = missed.profile
    assert calls.endswith(" calls of functions")
    assert any(place.startswith("tests.test_benchmarks ") for place in places)
    assert "profile: " in described(missed)
    assert running.from_line(running.to_line(missed)) == missed


@pytest.mark.parametrize(
    ("file", "name", "place"),
    [
        ("~", "<method 'execute' of 'sqlite3.Cursor' objects>", "sqlite3.Cursor.execute"),
        ("~", "<built-in method builtins.sorted>", "builtins.sorted"),
        ("/a/site-packages/django/db/models/sql/compiler.py", "as_sql", "django.db.models"),
        ("/a/site-packages/requests/sessions.py", "send", "requests"),
        (
            "/repo/django_wxpay/services/transitions/orders.py",
            "f",
            "django_wxpay.services.transitions",
        ),
        ("/usr/lib/python3.11/json/decoder.py", "decode", "Python's decoder"),
    ],
)
def test_a_place_is_a_package_or_a_function_of_c(file: str, name: str, place: str) -> None:
    assert place_of(file, name) == place
