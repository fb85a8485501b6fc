"""Asserts under ``python -O``, which the run in the strangers' project switches on."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from typing import Final

import pytest

from tests.laws.source import ROOT

# Not collected by itself, for its name is not that of a test.
WRONG: Final = "tests/strangers/wrong.py"


@pytest.mark.long
def test_what_is_wrong_fails_under_minus_o() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", WRONG],
        cwd=ROOT,
        env={**os.environ, "PYTHONOPTIMIZE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 failed, 1 passed" in child.stdout, child.stdout + child.stderr


def test_every_module_that_asserts_is_rewritten() -> None:
    asserting = [
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path in ROOT.glob("tests/**/*.py")
        # The tests of the samples' project are imported in that project alone.
        if not path.name.startswith(("test_", "conftest", "bench_", "project_tests"))
        if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert len(asserting) > 3
    asserting.append(__name__)
    loaders = {name: type(importlib.import_module(name).__loader__).__name__ for name in asserting}
    assert {name: loader for name, loader in loaders.items() if "Rewriting" not in loader} == {}


def test_this_run_is_what_the_settings_say() -> None:
    is_optimized = os.environ.get("PYTHONOPTIMIZE", "") not in {"", "0"}
    assert bool(sys.flags.optimize) == is_optimized
