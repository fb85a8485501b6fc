"""The chapter "Past one machine": what it gives to copy works, and its numbers are the code's."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import get_commands
from django.db.utils import load_backend

from django_wxpay import conf, signals, tasks
from django_wxpay.models import Order
from django_wxpay.services.retention import RETENTIONS
from django_wxpay.services.sync.sweep import MOST_THREADS
from django_wxpay.services.transitions.crew import MOST_IN_HAND
from django_wxpay.services.transitions.dispatch import FIRST_LEASE, LEASE
from django_wxpay.services.worker.jobs import JOBS
from django_wxpay.services.worker.running import GRACE_S
from tests.docs.markdown import blocks, code_words, rows, section, text_of
from tests.elsewhere import passes_on
from tests.laws.source import ROOT

PAGE = text_of("docs/scaling.md")
PROJECT = """
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_wxpay"]
"""
READ = """
from shop.celery import app
app.loader.import_default_modules()
app.finalize()
print(sorted(entry["args"][0] for entry in app.conf.beat_schedule.values()))
print(app.conf.broker_url.split(":")[0], "django_wxpay.tasks.run_job" in app.tasks)
"""


def block_of(heading: str, first_line: str = "") -> str:
    (found,) = (
        block
        for block in blocks(section(PAGE, heading), "python")
        if block.startswith(first_line or block)
    )
    return found


def test_the_database_is_one_that_django_can_load() -> None:
    namespace: dict[str, Any] = {}
    exec(block_of("2. The database"), namespace)  # noqa: S102
    entry = namespace["DATABASES"]["default"]
    assert load_backend(entry["ENGINE"]).DatabaseWrapper.vendor == "postgresql"


def test_a_shop_with_these_settings_has_every_job_on_celery(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").touch()
    files = {"settings.py": "# settings.py", "celery.py": "# shop/celery.py"}
    for name, first_line in files.items():
        text = block_of("5. Celery", first_line)
        (shop / name).write_text(text + (PROJECT if name == "settings.py" else ""))
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(sorted(job.name for job in JOBS)), "redis True"]


def test_payments_may_have_a_queue_of_their_own() -> None:
    namespace: dict[str, Any] = {}
    exec(block_of("5. Celery", "from django_wxpay.tasks import beat_schedule\n\n\n"), namespace)  # noqa: S102
    sender = SimpleNamespace(conf=SimpleNamespace(beat_schedule={}))
    namespace["add_the_jobs"](sender)
    queues = {
        entry["args"][0]: entry["options"].get("queue")
        for entry in sender.conf.beat_schedule.values()
    }
    assert queues == {
        job.name: "payments" if job.name in {"events", "notifications", "sync"} else None
        for job in JOBS
    }


def test_the_receiver_leaves_the_mail_until_the_commit(
    db: None, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    done: list[str] = []
    parcels = SimpleNamespace(create=lambda order_number: done.append(f"row {order_number}"))
    namespace: dict[str, Any] = {
        "Parcel": SimpleNamespace(objects=parcels),
        "send_the_mail": lambda number: done.append(f"mail {number}"),
    }
    exec(block_of("8. Guarantees and their limits"), namespace)  # noqa: S102
    try:
        with django_capture_on_commit_callbacks() as after:
            namespace["confirm"](order=Order(out_trade_no="A1"), event=None)
        assert done == ["row A1"]
        for action in after:
            action()
        assert done == ["row A1", "mail A1"]
    finally:
        assert signals.order_paid.disconnect(namespace["confirm"])


def test_the_retention_can_be_copied(settings: Any) -> None:
    namespace: dict[str, Any] = {}
    exec(block_of("11. What is kept, and for how long"), namespace)  # noqa: S102
    settings.WXPAY = {**settings.WXPAY, **namespace["WXPAY"]}
    assert conf.current().retention_days == namespace["WXPAY"]["RETENTION_DAYS"]


def test_every_table_that_is_pruned_is_in_the_table_and_no_other() -> None:
    shown = rows(section(PAGE, "11. What is kept, and for how long"))[2:]
    assert {code_words(cells[0])[0] for cells in shown} == {each.setting for each in RETENTIONS}


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    limits = {job.name: tasks.limit_s(job.every_s) for job in JOBS}
    assert (min(limits.values()), limits["pruning"]) == (20, 300)
    assert (GRACE_S, MOST_IN_HAND, LEASE.total_seconds()) == (8, 8, 300)
    assert FIRST_LEASE <= LEASE
    assert "SIGTERM ends it within eight seconds" in PAGE
    assert "and 8 for receivers that are slow" in PAGE


@pytest.mark.parametrize("line", blocks(PAGE, "sh"))
def test_every_command_and_job_exists(line: str) -> None:
    commands = set(re.findall(r"manage\.py (\w+)", line))
    assert commands - set(get_commands()) == set()
    named = {name for names in re.findall(r"--jobs (\S+)", line) for name in names.split(",")}
    assert named in (set(), {job.name for job in JOBS})


PER_ORDER = {"statements": 17, "commits": 9}
RATES = (10, 1_000, 50_000)
A_MONTH_MIN = 30 * 24 * 60
KB_OF_AN_ORDER = 10


def _numbers(cells: list[str]) -> list[float]:
    return [float(cell.replace(",", "")) for cell in cells]


def _rows_by_name() -> dict[str, list[float]]:
    found = {}
    for name, *cells in rows(section(PAGE, "12. On paper")):
        with suppress(ValueError):
            found.setdefault(name, _numbers(cells))
    return found


@pytest.mark.parametrize(
    ("name", "a_second"),
    [
        ("orders a second", 1.0),
        ("commits a second", PER_ORDER["commits"]),
        ("statements a second", PER_ORDER["statements"]),
        ("threads that wait for a placing of 100 ms", 0.1),
        ("threads that wait for a placing of 300 ms", 0.3),
    ],
)
def test_what_is_reckoned_for_a_second_is_the_rate_times_an_orders(
    name: str, a_second: float
) -> None:
    expected = [rate / 60 * a_second for rate in RATES]
    assert _rows_by_name()[name] == pytest.approx(expected, rel=0.05)


def test_the_gigabytes_and_the_workers_are_reckoned_as_it_says() -> None:
    shown = _rows_by_name()
    month = [rate * A_MONTH_MIN * KB_OF_AN_ORDER / 1e6 for rate in RATES]
    assert shown["GB a month, at 10 kB"] == pytest.approx(month, rel=0.01)
    for latency_s in (0.1, 0.3):
        workers = [math.ceil(rate / 60 * latency_s / MOST_THREADS) for rate in RATES]
        assert shown[f"workers that sweep, at {latency_s * 1000:.0f} ms"] == workers


def test_what_an_order_takes_together_is_the_sum_of_its_rows() -> None:
    sums: list[list[float]] = []
    parts: list[list[float]] = []
    for name, *cells in rows(section(PAGE, "12. On paper")):
        if name == "together":
            assert [sum(column) for column in zip(*parts, strict=True)] == _numbers(cells)
            sums.append(_numbers(cells))
        try:
            parts.append(_numbers(cells or ["no numbers"]))
        except ValueError:
            parts = []
    steps, _ = sums
    assert [steps[0], steps[2]] == list(PER_ORDER.values())


@pytest.mark.long
def test_calls_may_be_divided_by_month(record_property: Callable[[str, object], None]) -> None:
    passes_on("postgresql", record_property, "tests/docs/test_partitions.py", least=1, longest_s=60)
