"""Background jobs as tasks of Celery, and of Django where it has tasks (6.0 and later).

A task takes the name of a job and nothing else, so a new row in the table of jobs is all that an
engine needs. Whatever looks for tasks in the installed apps imports this module, whether its
engine is Celery or not: importing it never fails, and it lacks what there is no engine for. So do
a project's settings and its ``celery.py``, before Django has its apps: the services, which need
them, are imported when the first task runs.
"""

from __future__ import annotations

import time
from collections import UserDict
from collections.abc import MutableMapping
from contextlib import suppress
from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

# How long a run goes on while there is more to do. The next tick of the schedule goes on with the
# rest, and the jobs behind this one have had their turn meanwhile.
_LEAST_S: Final = 20.0
_MOST_S: Final = 300.0
# The last piece of a run may wait for a receiver, which has 240 s at most. What takes longer than
# all of that hangs, and would hold a slot of the pool for good.
_SOFT_LIMIT_S: Final = 600
_HARD_LIMIT_S: Final = 660
# A tick that waited longer is dropped, so that a day without workers is not made up tick by tick.
# Not less: a worker compares it with its own clock, which may be an hour off.
_EXPIRES_S: Final = 7200.0

_DJANGO: Final = 'Django 6.0, and a backend "default" in TASKS that takes the queue "default"'
_ENGINES: Final = {
    "run_job": f"Celery (pip install 'django-wxpay[celery]'), or {_DJANGO}",
    "django_run_job": _DJANGO,
}


class JobFailed(Exception):
    """A job raised; the text names it and the error, as the admin shows them."""


def run_within_limit(name: str) -> dict[str, int]:
    """Run the job of this name for a bounded time, and return its counts.

    It ends when nothing is left to do, or soon after the job's interval, 20 s at least and 300 s
    at most. Safe beside workers and beside itself. Raises ``ValueError`` for a name that is not in
    the table, ``JobFailed`` if the job raised, and ``InsideTransaction`` in an open transaction.
    """
    # A list would be as many names, and none would be all of them.
    (job,) = _running().chosen_jobs([str(name)])
    ends_at = time.monotonic() + limit_s(job.every_s)
    (run,) = _running().run_jobs(job.name, stop=lambda: time.monotonic() >= ends_at)
    if not run.succeeded:
        raise JobFailed(str(run))
    return {str(name): count for name, count in run.result.counts.items()}


def limit_s(every_s: float) -> float:
    """Return the seconds after which a run of a job with this interval begins nothing more."""
    return min(max(every_s, _LEAST_S), _MOST_S)


def beat_schedule(*names: str, queue: str = "") -> MutableMapping[str, dict[str, Any]]:
    """Return entries for Celery's ``beat_schedule``: one for each job of these names (none: all).

    Their messages go to ``queue`` ("": where the project's routes send them). It is a dict, or in
    a module that is imported before Django's apps are ready, such as the settings, a mapping that
    looks the jobs up when Celery reads it. Raises ``ValueError`` for a name that is not in the
    table.
    """
    later = _Later(names, queue)
    return dict(later) if apps.ready else later


class _Later(UserDict[str, dict[str, Any]]):
    """The entries, looked up when they are first read or added to."""

    def __init__(self, names: tuple[str, ...], queue: str) -> None:
        self._names = names
        # Nobody asks for the result of a tick; Background jobs show how it went.
        self._options: dict[str, Any] = {"expires": _EXPIRES_S, "ignore_result": True}
        if queue:
            self._options["queue"] = queue

    @cached_property
    def data(self) -> dict[str, dict[str, Any]]:  # type: ignore[override]
        return {
            f"django_wxpay.{job.name}": {
                "task": f"{__name__}.run_job",
                "schedule": job.every_s,
                "args": [job.name],
                "options": dict(self._options),
            }
            for job in _running().chosen_jobs(self._names)
        }


def _running() -> Any:
    return import_module("django_wxpay.services.worker.running")


with suppress(ImportError):
    from celery import Task, shared_task

    # Celery's own class takes no type argument at run time.
    if TYPE_CHECKING:
        _TaskOfCelery = Task[[str], dict[str, int]]
    else:
        _TaskOfCelery = Task

    class CeleryRunJob(_TaskOfCelery):
        """The class of Celery's task, which can be enqueued with Django's as well."""

        abstract = True

        def enqueue(self, name: str) -> Any:
            """Run the job with the backend of ``TASKS``, and not through Celery."""
            return _task("django_run_job").enqueue(name)

    @shared_task(
        bind=True,
        base=CeleryRunJob,
        # Whatever the project's own default is: what a lost run leaves is free again when its
        # leases end, and the next tick does it. A message that came back would only bring back
        # what killed its worker.
        acks_late=False,
        # A state that says "failed", for those who watch it, although ticks keep no results.
        store_errors_even_if_ignored=True,
        soft_time_limit=_SOFT_LIMIT_S,
        time_limit=_HARD_LIMIT_S,
    )
    def run_job(self: CeleryRunJob, name: str) -> dict[str, int]:  # noqa: ARG001 - Celery's own
        """Run the job of this name, as ``run_within_limit`` does."""
        return run_within_limit(name)


def _run_job(name: str) -> dict[str, int]:
    return run_within_limit(name)


# Where a backend finds the task again.
_run_job.__name__ = _run_job.__qualname__ = "django_run_job"


@cache
def _task(name: str) -> Any:
    needs = f"{__name__}.{name} needs {_ENGINES[name]}"
    try:
        # Not when this module is imported: to make a task is to read TASKS, and it may be the
        # settings that import.
        tasks = import_module("django.tasks")
    except ImportError as error:
        raise ImportError(needs) from error
    try:
        return tasks.task(_run_job)
    except (ImproperlyConfigured, tasks.exceptions.InvalidTask) as error:
        raise ImportError(needs) from error


if TYPE_CHECKING:
    from django.tasks import Task as DjangoTask

    django_run_job: DjangoTask[[str], dict[str, int]]
else:

    def __getattr__(name: str) -> Any:
        """Return Django's task, which is ``run_job`` too where there is no Celery."""
        if name in _ENGINES:
            return _task(name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
