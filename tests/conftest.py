"""What holds for the whole suite: nothing it prints or logs holds a key, and how it closes.

A test that uses a server other than the run's own database says so with
``record_property("service", "PostgreSQL")``, and the closing line tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import hypothesis
import pytest
from django.conf import settings

from tests import neighbours

# For a second look under another Python: the first look is the long one.
hypothesis.settings.register_profile("quick", max_examples=20, deadline=None, derandomize=True)

pytest_plugins = ["django_wxpay.testing.fixtures"]

# Every key that tests sign with starts like one of these; none may ever be seen.
TEST_KEYS: Final = (
    "192006250b4c09247ec02edce69f6a2d",
    "TESTKEYtestkeyTESTKEYtestkey",
    "TESTONLYapiv3key",
    "abcdefghijklmnopqrstuvwxyz012345",
    "-----BEGIN PRIVATE KEY-----",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Iterator[None]:
    """Fail a test during which a key was printed or logged, however well it went otherwise."""
    report = yield
    seen = "".join(text for title, text in report.sections if title.endswith(report.when))
    if report.passed and any(key in seen for key in TEST_KEYS):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: a key was printed or logged"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which of the servers that this package can live with took part."""
    used = {neighbours.DATABASES[settings.WXPAY_TEST_DATABASE].name}
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        used.update(value for name, value in report.user_properties if name == "service")
    terminalreporter.write_line(neighbours.summary(used))
