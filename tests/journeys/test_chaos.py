"""A short chaos run on each database: whatever is lost or killed, the two ledgers agree.

``nox -s chaos`` is the longer one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import neighbours

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("PYTEST_", "COV_", "COVERAGE_", "WXPAY_", "DJANGO_")


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"])
def test_nothing_is_lost_and_nothing_is_done_twice_on(
    database: str, record_property: Callable[[str, object], None]
) -> None:
    server = neighbours.DATABASES[database]
    if not server.is_there():
        pytest.skip(f"{server.name} is not here")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "tests.chaos", "--database", database),
            *("--orders", "12", "--kills", "3", "--threads", "12"),
        ],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    # That nothing differs is worth as much as what was compared.
    assert len(re.findall(r"^(?:lost|doubled|wrong|stuck): 0$", run.stdout, re.MULTILINE)) == 4
    effects = re.search(r"compared: (\d+) effects", run.stdout)
    assert effects, run.stdout
    assert int(effects[1]) > 0
    assert "kills: 3" in run.stdout
    record_property("service", server.name)
