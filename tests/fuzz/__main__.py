"""The command ``python -m tests.fuzz``: a run of many inputs on a database of its own."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.running import CaseFinding

# A run that keeps what it should not shows within some ten thousand inputs.
_MEMORY_SLACK_MB = 48


def main() -> int:
    options = _parser().parse_args()
    os.environ["WXPAY_TEST_DATABASE"] = options.database
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.fuzz.settings"

    import django

    django.setup()
    from django.db import connection

    name = f"wxpay_fuzz_{options.seed}_{os.getpid()}"
    if options.database != "sqlite":
        connection.settings_dict["TEST"]["NAME"] = name
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        return _run(options)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=0, help="end after so many, 0: never")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "mariadb"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="run the case of this index alone")
    parser.add_argument("--family", action="append", default=[], help="of these families alone")
    parser.add_argument("--keep-going", action="store_true", help="count findings, and go on")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    return parser


def _run(options: argparse.Namespace) -> int:
    from tests.fuzz import reporting
    from tests.fuzz.cases import BATCH, make_case
    from tests.fuzz.running import Harness

    harness = Harness(options.seed, families=tuple(options.family))
    findings: list[CaseFinding] = []
    memory = reporting.Memory(slack_mb=_MEMORY_SLACK_MB)
    started = time.monotonic()
    with harness.running():
        if options.only is not None:
            case = make_case(options.seed, options.only, harness.families)
            problem = harness.run_alone(case)
            print(f"case {case.index} ({case.family}), {len(case.inputs)} inputs:", end=" ")
            print(problem or "no finding")
            return 1 if problem else 0
        first = 0
        # Ctrl-C ends it early, and it says what it has seen until then.
        with contextlib.suppress(KeyboardInterrupt):
            while harness.counts.total < options.inputs and not _is_over(options, started):
                found = harness.run_batch(first)
                reporting.keep(harness, found, options)
                findings += found
                if found and not options.keep_going:
                    break
                first += BATCH
                memory.look(harness.counts.total)
    print(reporting.summary(harness, findings, memory, time.monotonic() - started))
    return 1 if findings or memory.has_grown else 0


def _is_over(options: argparse.Namespace, started: float) -> bool:
    return bool(options.minutes) and time.monotonic() - started > options.minutes * 60


if __name__ == "__main__":
    sys.exit(main())
