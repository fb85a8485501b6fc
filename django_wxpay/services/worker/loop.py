"""Doing every job again and again, each on a thread of its own.

A job that hangs or fails keeps nobody else waiting. One whose run was full goes on at once;
one that fails, or whom nobody answers, pauses longer each time, up to a few minutes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from django.db import connections

from django_wxpay.services.worker.jobs import JOBS, Job
from django_wxpay.services.worker.running import run_job

logger = logging.getLogger("django_wxpay.worker")

# Within the ten seconds that a container is given to stop, and longer than a report takes.
GRACE_S: Final = 8.0
LONGEST_PAUSE_S: Final = 300.0


class Worker:
    """Works at ``jobs`` while its context is open; at its end it is as patient as ``grace_s``.

    ``left_behind`` are the jobs that had not ended by then; their threads end with the process.
    """

    def __init__(self, jobs: Sequence[Job] = JOBS, *, grace_s: float = GRACE_S) -> None:
        self.left_behind: list[str] = []
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
        self.left_behind = [name for name, each in self._threads.items() if each.is_alive()]
        if self.left_behind:
            logger.warning("jobs that did not end in time: %s", ", ".join(self.left_behind))

    @property
    def lost(self) -> list[str]:
        """The jobs that nobody works at any more, though the worker has not been stopped."""
        return [name for name, thread in self._threads.items() if not thread.is_alive()]

    def _thread(self, job: Job) -> threading.Thread:
        name = f"wxpay-{job.name}"
        return threading.Thread(target=self._keep_at, args=(job,), name=name, daemon=True)

    def _keep_at(self, job: Job) -> None:
        in_vain = 0
        try:
            while not self._stop.is_set():
                run = run_job(job, stop=self._stop.is_set)
                in_vain = 0 if run.is_well and not run.outcome.is_in_vain else in_vain + 1
                if not run.outcome.is_more:
                    self._stop.wait(pause_s(job, in_vain))
        finally:
            connections.close_all()


def pause_s(job: Job, in_vain: int) -> float:
    """Return the seconds until the next run, after ``in_vain`` runs in a row that were so."""
    longer = min(job.every_s * (1 << min(in_vain, 10)), LONGEST_PAUSE_S)
    return max(job.every_s, longer)
