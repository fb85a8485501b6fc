"""The page ``docs/performance.md``: the figures of a run, put into the text of ``performance.md``.

The text stands beside this file, so that it is read and corrected as text. Nothing is written into
the page by hand: a reason for a missed reach is the note of its row.
"""

from __future__ import annotations

import string
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.machine import Machine
from tests.benchmarks.measuring import (
    CHOSEN_TO_BE_SLOW,
    KEPT_CONNECTION,
    Aim,
    Result,
    measured,
    value,
)
from tests.benchmarks.running import NONE, Run

TEXT: Final = Path(__file__).with_name("performance.md")
WIDTH: Final = 120
NOT_MEASURED: Final = "It was not measured in this run."


def page(
    machine: Machine, runs: Sequence[Run], *, is_quick: bool, whole: Sequence[str] = ()
) -> str:
    """Return the page in Markdown. ``whole`` benchmarks of a quick run were run in full."""
    rows = [row for run in runs for row in run.results]
    slow = [row for row in rows if _is_slow(row)]
    kept = [row for row in rows if row.path == KEPT_CONNECTION]
    return string.Template(TEXT.read_text(encoding="utf-8")).substitute(
        machine=_filled(_about(machine, is_quick=is_quick, whole=whole)),
        tables="\n".join(_tables(machine, runs)).strip(),
        missed="\n".join(_missed(machine, runs)),
        minutes=_minutes(runs, is_quick=is_quick),
        slow="\n".join([*_table(slow), "", *_notes(slow)]).strip() if slow else NOT_MEASURED,
        kept_connection=_filled(map(_gain, kept)) if kept else NOT_MEASURED,
    )


def summary(machine: Machine) -> Iterator[str]:
    """Yield the machine in lines of text."""
    yield f"{machine.processor}, {machine.cores} cores; {machine.system}; {machine.python}"
    yield _libraries(machine)
    yield f"{', '.join(machine.databases.values())}; load {machine.load:.2f} before the run"


def _about(machine: Machine, *, is_quick: bool, whole: Sequence[str]) -> Iterator[str]:
    yield f"Measured on {machine.at:%Y-%m-%d}: {machine.processor}, {machine.cores} cores,"
    yield f"{machine.system}, {machine.python}, {', '.join(machine.databases.values())};"
    yield f"{_libraries(machine)}. The load was {machine.load:.2f} in the minute before."
    if is_quick:
        full = " and ".join(f"`{name}`" for name in whole)
        but = f", but for {full}, which ran in full" if whole else ""
        yield f"**It was a quick run: short rounds and small tables{but}.**"


def _libraries(machine: Machine) -> str:
    return ", ".join(f"{name} {version}" for name, version in machine.libraries.items())


def _tables(machine: Machine, runs: Sequence[Run]) -> Iterator[str]:
    for database in dict.fromkeys(run.database for run in runs):
        here = [run for run in runs if run.database == database]
        yield f"### {_title(machine, database)}\n"
        yield from _table(row for run in here for row in run.results if not _is_apart(row))
        yield ""
        yield from _notes(row for run in here for row in run.results if not _is_apart(row))
        for run in here:
            if run.error:
                yield f"`{run.benchmark}` failed: what it had still to measure is not here.\n"


def _notes(rows: Iterable[Result]) -> Iterator[str]:
    """Yield what the figures of a table do not say; a missed reach has its section."""
    noted = [row for row in rows if row.note and row.is_reached]
    for row in noted:
        yield _item(row.path, row.note)
    if noted:
        yield ""


def _item(what: str, text: str) -> str:
    return _wrapped(_escaped(f"* **{what}**: {text}"), indent="  ")


def _title(machine: Machine, database: str) -> str:
    return "Without a database" if database == NONE else machine.databases[database]


def _table(rows: Iterable[Result]) -> Iterator[str]:
    yield "| Path | Limit | Ours | Reach | Reached | Peers |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        peers = ", ".join(f"{name} {value(each, row.unit)}" for name, each in row.peers.items())
        met = "" if row.reach is None else "yes" if row.is_reached else "**no**"
        cells = (row.path, row.limit, measured(row), _reach(row), met, peers)
        yield f"| {' | '.join(map(_escaped, cells))} |"


def _reach(row: Result) -> str:
    if row.reach is None:
        return ""
    side = "≥" if row.aim is Aim.AT_LEAST else "≤"
    return f"{side} {row.reach:g} {row.unit.strip()}".strip()


def _missed(machine: Machine, runs: Sequence[Run]) -> Iterator[str]:
    """Yield every row that misses its reach, with its reason."""
    missed = [(run, row) for run in runs for row in run.results if not row.is_reached]
    if not missed:
        yield "Nowhere."
    for run, row in missed:
        where = f"{row.path} ({_title(machine, run.database)}), {measured(row)}"
        yield _item(where, _reason(row))


def _reason(row: Result) -> str:
    if not row.profile:
        return row.note or "the reason is not known."
    profile = f"Profile: {', '.join(row.profile)}."
    return f"{row.note.rstrip('.')}. {profile}" if row.note else profile


def _minutes(runs: Sequence[Run], *, is_quick: bool) -> str:
    minutes = max(1, round(sum(run.seconds for run in runs) / 60))
    if is_quick:
        return f"This page is of such a run, which took {minutes} min."
    return f"The second took {minutes} min for this page, much of it to fill the large tables."


def _gain(row: Result) -> str:
    return f"In this run a notification was {measured(row)} times as fast for it: {row.note}."


def _is_slow(row: Result) -> bool:
    return CHOSEN_TO_BE_SLOW in row.path


def _is_apart(row: Result) -> bool:
    """Say whether a row has a section of its own below the tables."""
    return _is_slow(row) or row.path == KEPT_CONNECTION


def _filled(sentences: Iterable[str]) -> str:
    return _wrapped(" ".join(sentences))


def _wrapped(text: str, *, indent: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("<", "&lt;")
