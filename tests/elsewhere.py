"""A part of the suite, run once more on a database that shops use in production."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings

from tests import neighbours

ROOT: Final = Path(__file__).resolve().parents[1]
SERVERS: Final = ("postgresql", "mariadb")
_OURS: Final = ("PYTEST_", "COV_", "COVERAGE_")


def passes_on(
    database: str,
    record_property: Callable[[str, object], None],
    *part: str,
    least: int,
    longest_s: float,
) -> None:
    """Run the tests that ``part`` selects: at least ``least`` pass, and none is skipped.

    Skips where the server is not here, or the whole run is on it.
    """
    server = neighbours.DATABASES[database]
    if database == settings.WXPAY_TEST_DATABASE:
        pytest.skip(f"this whole run is on {server.name}")
    if not server.is_there():
        pytest.skip(f"{server.name} is not here")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--long", *part),
            *("-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:cov"),
        ],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        | {"WXPAY_TEST_DATABASE": database},
        capture_output=True,
        text=True,
        timeout=longest_s,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{server.name} used" in run.stdout
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed, run.stdout
    assert int(passed[1]) >= least
    assert "skipped" not in run.stdout
    record_property("service", server.name)
