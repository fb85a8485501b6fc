"""From the order to the shop's receiver, in the projects of strangers, each in a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.laws.source import ROOT
from tests.strangers.project import LATE, PROJECTS

# Both orders are paid, and the receiver, which failed once, is called a second time.
SOLD: dict[str, Any] = {
    "optimized": 0,
    "check": [],
    "placed": {"v2": 201, "v3": 201},
    "answers": [200, 200],
    "states": {"v2": "SUCCESS", "v3": "SUCCESS"},
    "told": {"v2": 2, "v3": 2},
    "failed jobs": [],
    "list": [200, ["next", "previous", "results"], ["SUCCESS", "SUCCESS"]],
    "admin": {},
    "stranger": 403,
}
FIRST = {"a plain one"}
REFUSED = {"naive times": "E023", "commits by hand": "E024"}


def came_of(name: str, folder: Path) -> dict[str, Any]:
    """Return what the child process found."""
    options = ["-O"] if name == "python -O" else []
    child = subprocess.run(
        [sys.executable, *options, "-m", "tests.strangers.project", name, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONOPTIMIZE": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr[-4000:]
    verdict: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return verdict


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FIRST else pytest.mark.long)
        for name in PROJECTS
        if name not in REFUSED
    ],
)
def test_a_payment_reaches_the_shop_in_a_project_with(name: str, tmp_path: Path) -> None:
    expected = SOLD | {"optimized": int(name == "python -O")}
    if name == LATE:
        expected["check"] = ["django_wxpay.W009"]
    assert came_of(name, tmp_path) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_check_refuses_a_project_with(name: str, tmp_path: Path) -> None:
    assert came_of(name, tmp_path) == {"check": [f"django_wxpay.{REFUSED[name]}"]}
