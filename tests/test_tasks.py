"""Jobs as tasks: of Celery, of Django, and without either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import pytest
from celery import Celery

from django_wxpay import tasks
from django_wxpay.models import BackgroundJob, OrderEvent
from django_wxpay.services.worker import running
from django_wxpay.services.worker.jobs import JOBS, Job, JobResult
from tests.factories import OrderEventFactory
from tests.laws.source import ROOT
from tests.tables import atomic

HAS_TASKS = django.VERSION >= (6, 0)


@pytest.fixture
def app() -> Any:
    """An app of Celery that has no broker."""
    app = Celery("test", broker="memory://", set_as_current=True)
    yield app
    app.close()


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ``events`` raises."""

    def fail(_: Any) -> JobResult:
        raise RuntimeError("the stock is gone")

    _put(monkeypatch, fail)


def _put(monkeypatch: pytest.MonkeyPatch, run: Callable[[Any], JobResult]) -> None:
    job = Job(name="events", run=run, every_s=5)
    monkeypatch.setattr(running, "chosen_jobs", lambda _: (job,))


def test_a_task_runs_one_job_and_returns_its_counts_as_json(app: Celery, db: None) -> None:
    event = OrderEventFactory(dispatched_at=None)
    done = tasks.run_job.apply(args=["events"])
    assert (done.state, done.result) == ("SUCCESS", {"EVENTS_DELIVERED": 1, "LEFT": 0})
    assert json.loads(json.dumps(done.result)) == done.result
    event.refresh_from_db()
    assert event.dispatched_at is not None
    assert list(BackgroundJob.objects.values_list("name", flat=True)) == ["events"]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_row_of_the_table_is_a_task_and_an_entry_of_beat(
    app: Celery, db: None, job: Job
) -> None:
    entry = tasks.beat_schedule()[f"django_wxpay.{job.name}"]
    assert entry == {
        "task": tasks.run_job.name,
        "schedule": job.every_s,
        "args": [job.name],
        "options": {"expires": 7200, "ignore_result": True},
    }
    assert tasks.run_job.apply(args=entry["args"]).state == "SUCCESS"


def test_a_job_that_raises_is_a_task_that_fails(app: Celery, db: None, fails: None) -> None:
    done = tasks.run_job.apply(args=["events"])
    assert done.state == "FAILURE"
    assert repr(done.result) == "JobFailed('events: RuntimeError: the stock is gone')"
    assert BackgroundJob.objects.get().failures_in_a_row == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [("evnets", "evnets"), ("", ""), (["events"], "['events']"), (None, "None"), (7, "7")],
)
def test_a_name_that_no_job_has_runs_nothing(app: Celery, db: None, name: Any, shown: str) -> None:
    done = tasks.run_job.apply(args=[name])
    assert (done.state, type(done.result)) == ("FAILURE", ValueError)
    assert str(done.result).startswith(f"no such job: {shown} (there are events, notifications,")
    assert not BackgroundJob.objects.exists()


def test_a_task_in_an_open_transaction_runs_nothing(app: Celery, db: None) -> None:
    OrderEventFactory(dispatched_at=None)
    with atomic():
        done = tasks.run_job.apply(args=["events"])
    assert (done.state, type(done.result).__name__) == ("FAILURE", "InsideTransaction")
    assert not OrderEvent.objects.filter(dispatched_at__isnull=False).exists()


@pytest.mark.parametrize(
    ("every_s", "limit_s"), [(1, 20), (5, 20), (30, 30), (300, 300), (3600, 300)]
)
def test_a_run_begins_nothing_more_after_its_time(
    monkeypatch: pytest.MonkeyPatch, db: None, every_s: float, limit_s: float
) -> None:
    now = [1000.0]
    asked: list[bool] = []

    def run(stop: Callable[[], bool]) -> JobResult:
        asked.append(stop())
        now[0] += limit_s / 2
        return JobResult(counts={"rows": 1}, has_more=True)

    monkeypatch.setattr(tasks.time, "monotonic", lambda: now[0])
    job = Job(name="events", run=run, every_s=every_s)
    monkeypatch.setattr(running, "chosen_jobs", lambda _: (job,))
    assert tasks.run_within_limit("events") == {"rows": 2}
    assert asked == [False, False]


def test_a_run_ends_when_nothing_is_left(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    left = [3]

    def run(_: Any) -> JobResult:
        left[0] -= 1
        return JobResult(counts={"rows": 1}, has_more=left[0] > 0)

    _put(monkeypatch, run)
    assert tasks.run_within_limit("events") == {"rows": 3}


def test_a_message_is_not_brought_back_and_a_failure_is_kept(app: Celery) -> None:
    app.conf.task_acks_late = True
    app.conf.task_ignore_result = True
    task = tasks.run_job
    assert (task.acks_late, task.store_errors_even_if_ignored) == (False, True)
    assert task.soft_time_limit > 300 + 240
    assert task.time_limit > task.soft_time_limit


def test_beat_may_have_some_jobs_and_a_queue_for_them() -> None:
    entries = tasks.beat_schedule("sync", "events", queue="payments")
    assert list(entries) == ["django_wxpay.events", "django_wxpay.sync"]
    assert {entry["options"]["queue"] for entry in entries.values()} == {"payments"}
    with pytest.raises(ValueError, match=r"^no such job: evnets"):
        tasks.beat_schedule("evnets")


@pytest.mark.skipif(HAS_TASKS, reason="this Django has tasks")
def test_a_django_without_tasks_has_no_task_and_says_why() -> None:
    with pytest.raises(ImportError, match=r"django_run_job needs Django 6\.0, and a backend"):
        from django_wxpay.tasks import django_run_job  # noqa: F401
    with pytest.raises(ImportError, match=r"Django 6\.0"):
        tasks.run_job.enqueue("events")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tasks.nonsense


@pytest.mark.skipif(not HAS_TASKS, reason="Django has tasks from 6.0 on")
def test_a_task_of_django_runs_one_job_at_once(db: None) -> None:
    OrderEventFactory(dispatched_at=None)
    done = tasks.django_run_job.enqueue("events")
    assert (done.status, done.return_value["EVENTS_DELIVERED"]) == ("SUCCESSFUL", 1)
    assert tasks.run_job.enqueue("events").return_value["EVENTS_DELIVERED"] == 0


@pytest.mark.skipif(not HAS_TASKS, reason="Django has tasks from 6.0 on")
def test_a_task_of_django_fails_as_the_job_does(db: None, fails: None) -> None:
    done = tasks.django_run_job.enqueue("events")
    assert done.status == "FAILED"
    assert done.errors[0].exception_class is tasks.JobFailed
    assert "events: RuntimeError: the stock is gone" in done.errors[0].traceback


@pytest.mark.skipif(not HAS_TASKS, reason="Django has tasks from 6.0 on")
def test_a_backend_of_django_is_given_the_name_and_where_the_task_is(
    db: None, settings: Any
) -> None:
    from django.tasks import task_backends
    from django.utils.module_loading import import_string

    settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
    OrderEventFactory(dispatched_at=None)
    waiting = tasks.django_run_job.enqueue("events")
    assert (waiting.status, waiting.args) == ("READY", ["events"])
    assert [each.id for each in task_backends["default"].results] == [waiting.id]
    assert not BackgroundJob.objects.exists()
    assert import_string(waiting.task.module_path) == tasks.django_run_job
    waiting.task.call(*waiting.args)
    assert OrderEvent.objects.filter(dispatched_at__isnull=False).count() == 1


PROGRAM = """
import sys
{without}
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_wxpay"],
    **{more},
)
from django_wxpay import tasks
early = tasks.beat_schedule("events")
import django
django.setup()
assert early == tasks.beat_schedule("events"), early
assert len(early) == 1
try:
    print(type(tasks.run_job).__module__.split(".")[0])
except ImportError as error:
    print(error)
"""
WITHOUT_CELERY = 'sys.modules["celery"] = None'


@pytest.mark.long
@pytest.mark.parametrize(
    ("without", "more", "printed"),
    [
        ("", {}, "celery"),
        ("", {"TASKS": {}}, "celery"),
        (WITHOUT_CELERY, {}, "django" if HAS_TASKS else "needs Celery (pip install 'django-wxpay["),
        (WITHOUT_CELERY, {"TASKS": {}}, "needs Celery (pip install 'django-wxpay[celery]'), or"),
    ],
)
def test_settings_may_import_it_whatever_is_installed(
    without: str, more: dict[str, Any], printed: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(without=without, more=more)],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert printed in done.stdout


SETTINGS = """
from django_wxpay.tasks import beat_schedule
SECRET_KEY = "x"
CELERY_BEAT_SCHEDULE = beat_schedule()
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_wxpay"]
TASKS = {"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
"""
READER = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "early_settings"
from celery import Celery
app = Celery("shop", broker="memory://")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.loader.import_default_modules()
app.finalize()
app.conf.beat_schedule["mine"] = {"task": "mine", "schedule": 5}
scheduled = set(app.conf.beat_schedule)
from django_wxpay.services.worker.jobs import JOBS
assert scheduled == {"mine", *(f"django_wxpay.{job.name}" for job in JOBS)}, scheduled
assert "django_wxpay.tasks.run_job" in app.tasks
import django
if django.VERSION >= (6, 0):
    from django.tasks import task_backends
    assert type(task_backends['default']).__name__ == "DummyBackend"
print("read")
"""


def test_a_schedule_in_the_settings_is_read_by_celery_and_does_not_read_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "early_settings.py").write_text(SETTINGS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", READER],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("read\n", 0), done.stderr
