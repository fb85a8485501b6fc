"""The command ``python -m tests.benchmarks``: all paths, beside their limits and peers.

It exits 1 if a benchmark failed, and with ``--strict`` if a reach is missed as well.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests import neighbours
from tests.benchmarks import report
from tests.benchmarks.machine import this_machine
from tests.benchmarks.measuring import Result, described, say
from tests.benchmarks.peers.environments import ROOT
from tests.benchmarks.running import (
    NONE,
    Failed,
    Run,
    benchmarks,
    measure_one,
    plan,
    results_of,
)

PAGE = ROOT / "docs" / "performance.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, print the table, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.one:
        measure_one(options.one, is_quick=options.quick)
        return 0
    if options.write and options.only:
        parser.error("--write needs every benchmark: leave --only out")
    names = benchmarks()
    chosen = [name for name in names if not options.only or name in map(_full, options.only)]
    whole = set(map(_full, options.whole))
    if strange := (set(map(_full, options.only)) | whole) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(strange))}; there are {', '.join(names)}")
    databases = _databases(parser, options.database)
    machine = this_machine(databases)
    for line in report.summary(machine):
        say(line)
    runs = [
        measure(name, database, is_quick=options.quick and name not in whole)
        for name, database in plan(chosen, databases)
    ]
    if options.write:
        page = report.page(machine, runs, is_quick=options.quick, whole=sorted(whole))
        PAGE.write_text(page, encoding="utf-8")
    return _closed(runs, is_strict=options.strict)


def measure(name: str, database: str, *, is_quick: bool) -> Run:
    """Run one benchmark on one database, and print its rows as they come."""
    say(f"\n{name}{f' on {database}' if database != NONE else ''}")
    began = time.monotonic()
    rows: list[Result] = []
    error = ""
    try:
        for row in results_of(f"tests.benchmarks.{name}", database=database, is_quick=is_quick):
            rows.append(row)
            say(f"  {described(row)}")
    except Failed as failure:
        error = str(failure)
        say(f"  FAILED\n{error}")
    seconds = time.monotonic() - began
    say(f"  {seconds:.0f} s")
    return Run(benchmark=name, database=database, results=tuple(rows), seconds=seconds, error=error)


def _closed(runs: Sequence[Run], *, is_strict: bool) -> int:
    """Print what was missed and what failed, and return the exit code."""
    rows = [row for run in runs for row in run.results]
    missed = [row for row in rows if not row.is_reached]
    failed = [f"{run.benchmark} {run.database}".strip() for run in runs if run.error]
    say(f"\n{len(rows)} rows, {len(missed)} miss their reach, {len(failed)} benchmarks failed")
    for row in missed:
        say(f"  missed: {row.path}")
    for name in failed:
        say(f"  FAILED: {name}")
    return 1 if failed or (missed and is_strict) else 0


def _databases(parser: argparse.ArgumentParser, choice: str) -> list[str]:
    """Return the databases to measure on; one that is asked for by name has to be there."""
    if choice != "all":
        if not neighbours.DATABASES[choice].is_there():
            parser.error(f"{neighbours.DATABASES[choice].name} is not here")
        return [choice]
    here = {name: server.is_there() for name, server in neighbours.DATABASES.items()}
    for name, is_here in here.items():
        if not is_here:
            say(f"{neighbours.DATABASES[name].name} is not here")
    return [name for name, is_here in here.items() if is_here]


def _full(name: str) -> str:
    return name if name.startswith("bench_") else f"bench_{name}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds and small tables")
    parser.add_argument("--whole", nargs="+", default=[], metavar="NAME", help="not quick, these")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="some benchmarks")
    parser.add_argument("--database", choices=[*neighbours.DATABASES, "all"], default="sqlite")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a reach is missed")
    parser.add_argument("--one", default="", metavar="MODULE", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
