"""Loop of the worker: every job again and again, each on a thread of its own.

A job that hangs or fails delays no other. One whose run was full runs again at once. One that
fails, or gets no response, pauses longer each time, up to a few minutes.

This is not a scheduler: it adds an interval and the signal to stop to the plain functions of
``jobs``. A library for that would bring a dependency, and a second way to stop and to report.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from django.db import connections

from django_wxpay.services.claims import backoff
from django_wxpay.services.worker.jobs import JOBS, Job
from django_wxpay.services.worker.running import run_job

logger = logging.getLogger("django_wxpay.worker")

# Containers are killed ten seconds after they are asked to stop; a report takes less than this.
GRACE_S: Final = 8.0
LONGEST_PAUSE_S: Final = 300.0


class Worker:
    """A context manager that runs ``jobs`` until its end, and then waits up to ``grace_s``.

    ``unfinished`` are the jobs that had not ended by then; their threads end with the process.
    """

    def __init__(self, jobs: Sequence[Job] = JOBS, *, grace_s: float = GRACE_S) -> None:
        self.unfinished: list[str] = []
        self._grace_s = grace_s
        self._stop = threading.Event()
        self._threads = {job.name: self._thread(job) for job in jobs}

    def __enter__(self) -> Self:
        for thread in self._threads.values():
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        deadline = time.monotonic() + self._grace_s
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        self.unfinished = [name for name, each in self._threads.items() if each.is_alive()]
        if self.unfinished:
            logger.warning("jobs that did not end in time: %s", ", ".join(self.unfinished))

    @property
    def crashed(self) -> list[str]:
        """The jobs whose thread ended although the worker has not been stopped."""
        return [name for name, thread in self._threads.items() if not thread.is_alive()]

    def _thread(self, job: Job) -> threading.Thread:
        name = f"wxpay-{job.name}"
        return threading.Thread(target=self._repeat, args=(job,), name=name, daemon=True)

    def _repeat(self, job: Job) -> None:
        failures = 0
        try:
            while not self._stop.is_set():
                run = run_job(job, stop=self._stop.is_set)
                has_failed = not run.succeeded or run.result.no_response
                failures = failures + 1 if has_failed else 0
                if not run.result.has_more:
                    self._stop.wait(pause_s(job, failures))
        finally:
            # A thread has connections of its own, and no request cycle that would close them.
            connections.close_all()


def pause_s(job: Job, failures: int) -> float:
    """Return the seconds until the next run, after ``failures`` runs in a row."""
    return max(job.every_s, backoff(failures, job.every_s, LONGEST_PAUSE_S))
