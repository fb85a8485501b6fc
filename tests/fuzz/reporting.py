"""The report of a run: its counts, and each finding with the bytes that lead to it again."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import resource
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz.cases import Case, Input
from tests.fuzz.running import CaseFinding, Harness

_WARM_AFTER = 20_000


class Memory:
    """The resident memory of this process, once it is warm and now, in MiB."""

    def __init__(self, *, slack_mb: int) -> None:
        self._slack_mb = slack_mb
        self.warm_mb = 0.0
        self.now_mb = 0.0

    def look(self, inputs: int) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        self.now_mb = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        if not self.warm_mb and inputs >= _WARM_AFTER:
            self.warm_mb = self.now_mb

    @property
    def has_grown(self) -> bool:
        return bool(self.warm_mb) and self.now_mb > self.warm_mb + self._slack_mb

    def __str__(self) -> str:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        warm = f"{self.warm_mb:.0f} MiB after {_WARM_AFTER} inputs, " if self.warm_mb else ""
        return f"{warm}{self.now_mb:.0f} MiB at the end, {peak:.0f} MiB at most"


def summary(harness: Harness, findings: list[CaseFinding], memory: Memory, seconds: float) -> str:
    """Return the counts of a run, one subject a line."""
    counts = harness.counts
    lines = [
        f"{counts.total} inputs in {counts.cases} cases, seed {harness.seed}",
        f"time: {seconds:.0f} s, {counts.total / max(seconds, 1e-9):.0f} inputs a second",
        f"processor: {time.process_time():.0f} s",
        "families: " + _listed(counts.inputs),
        "answers: " + _listed(counts.outcomes),
        "rows kept: " + _listed(counts.rows),
        "calls to WeChat Pay: " + _listed(harness.ledger.counts),
        f"memory: {memory}" + (", which has grown" if memory.has_grown else ""),
    ]
    if findings:
        found = Counter(finding.case.family for finding in findings)
        lines.append(f"FINDINGS: {len(findings)}: {_listed(found)}")
    else:
        lines.append("no finding")
    return "\n".join(lines)


def keep(harness: Harness, findings: list[CaseFinding], options: argparse.Namespace) -> None:
    """Print ``findings``, and write what leads to each again, made as small as it goes."""
    for finding in findings:
        kind = finding.case.family, _kind(finding.problem)
        # One of a kind is enough to look at; the others are counted.
        if kind not in harness.reported:
            harness.reported.add(kind)
            _keep(harness, finding, options)


def _kind(problem: str) -> str:
    """Return the last line of ``problem`` without the numbers of its case."""
    return re.sub(r"[A-Za-z]*[0-9]\w*|'[^']*'", "", problem.strip().splitlines()[-1])


def _keep(harness: Harness, finding: CaseFinding, options: argparse.Namespace) -> None:
    case, problem, is_alone = _smallest(harness, finding)
    options.findings.mkdir(exist_ok=True)
    path: Path = options.findings / f"{options.database}-seed{options.seed}-index{case.index}.txt"
    again = f"python -m tests.fuzz --database {options.database} --seed {options.seed}"
    again += "".join(f" --family '{each}'" for each in options.family)
    how = f"--only {case.index}" if is_alone else f"and the batch of index {case.index}"
    lines = [f"{case.family}: {problem}", f"{again} {how}", *map(_shown, case.inputs)]
    path.write_text("\n".join(lines), encoding="utf-8", errors="backslashreplace")
    last = problem.strip().splitlines()[-1]
    print(f"FINDING in {case.family}, index {case.index}: {last} ({path})", flush=True)


def _smallest(harness: Harness, finding: CaseFinding) -> tuple[Case, str, bool]:
    """Return the fewest inputs of the case that still lead to a finding alone."""
    case, problem = finding.case, harness.run_alone(finding.case)
    if not problem:
        return case, finding.problem, False
    for sent in list(case.inputs) if not problem.startswith("not settled") else []:
        fewer = dataclasses.replace(case, inputs=[each for each in case.inputs if each is not sent])
        # What is not sent need not be settled; a finding of the same kind is what counts.
        if _kind(harness.run_alone(fewer) or "none") == _kind(problem):
            case = fewer
    return case, problem, True


def _shown(sent: Input) -> str:
    where = sent.path or f"{sent.alias} {sent.kind}"
    headers = dict(sent.headers) | dict(sent.environ)
    return f"\n{sent.method} {where} ({sent.sender.value})\n{headers}\n{sent.body.hex()}"


def _listed(counts: Counter[str]) -> str:
    found: Iterable[tuple[str, int]] = sorted(counts.items())
    return ", ".join(f"{name} {count}" for name, count in found) or "none"
