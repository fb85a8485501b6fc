"""REST in a project with other settings of REST framework: the contract stays as it is.

The classes of REST framework read its settings when they are imported, so the tests of this folder
run once more in a process of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# What is answered, and to what; logins and permissions are held by the others.
SUITE = ("errors", "lists", "notifications", "orders_shown", "placing", "refunds", "schema")


@pytest.mark.long
@pytest.mark.skipif("WXPAY_STRANGE" in os.environ, reason="this is that process")
def test_the_tests_of_this_api_pass_under_other_settings_of_rest_framework() -> None:
    files = [f"tests/api/test_{name}.py" for name in SUITE]
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--ds=tests.api.strange_settings"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        env=os.environ | {"WXPAY_STRANGE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
