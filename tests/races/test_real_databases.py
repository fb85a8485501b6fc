"""The same races on the databases that shops run: PostgreSQL and MariaDB, where they are here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from tests import neighbours

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("PYTEST_", "COV_", "COVERAGE_")


@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_every_race_ends_well_on(
    database: str,
    record_property: Callable[[str, object], None],
) -> None:
    server = neighbours.DATABASES[database]
    if database == settings.WXPAY_TEST_DATABASE:
        pytest.skip(f"this whole run is on {server.name}")
    if not server.is_there():
        pytest.skip(f"{server.name} is not here")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-m", "races", "tests/races"),
            *("-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:cov"),
        ],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        | {"WXPAY_TEST_DATABASE": database},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{server.name} used" in run.stdout
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed, run.stdout
    assert int(passed[1]) >= 25
    assert "skipped" not in run.stdout
    record_property("service", server.name)
