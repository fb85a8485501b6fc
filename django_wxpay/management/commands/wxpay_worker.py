"""``manage.py wxpay_worker``: everything that runs in the background."""

from __future__ import annotations

import time
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_wxpay import conf
from django_wxpay.management.stopping import Stopping, listening
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.services.worker.jobs import JOBS, Job, chosen_jobs
from django_wxpay.services.worker.running import Worker, run_until_done

_TICK_S: Final = 0.1


class Command(BaseCommand):
    help = "Do what is to be done in the background; any number of workers may run side by side."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="do every job once, until what waits is done, and exit: 1 if a job failed",
        )
        names = ",".join(job.name for job in JOBS)
        parser.add_argument("--jobs", default="", help=f"only these of {names}")

    def handle(self, *_: Any, once: bool, jobs: str, **__: Any) -> None:
        """Work until SIGTERM or Ctrl-C, or once."""
        try:
            conf.current()
            chosen = chosen_jobs(filter(None, (name.strip() for name in jobs.split(","))))
        except ConfigurationError as error:
            raise CommandError(f"{error}. Run manage.py check for all of it.") from error
        except ValueError as error:
            raise CommandError(f"--jobs: {error}") from error
        with listening() as stopping:
            if once:
                self._run_once(chosen, stopping)
            else:
                self._work(chosen, stopping)

    def _run_once(self, jobs: tuple[Job, ...], stopping: Stopping) -> None:
        failed = []
        for job in jobs:
            if stopping.is_asked():
                break
            run = run_until_done(job, stop=stopping.is_asked)
            self._say(str(run))
            if not run.succeeded:
                failed.append(run.name)
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")

    def _work(self, jobs: tuple[Job, ...], stopping: Stopping) -> None:
        with Worker(jobs) as worker:
            self._say(f"The worker runs: {', '.join(job.name for job in jobs)}. Ctrl-C stops it.")
            while not stopping.is_asked() and not worker.crashed:
                time.sleep(_TICK_S)
            crashed = worker.crashed
        if crashed:
            raise CommandError(f"stopped, for these jobs crashed: {', '.join(crashed)}")
        if worker.unfinished:
            self._say(f"Did not end in time: {', '.join(worker.unfinished)}.")
        self._say("The worker has stopped.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
