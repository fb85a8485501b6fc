"""The same plans on the databases that shops run: PostgreSQL and MariaDB, where they are here."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.elsewhere import SERVERS, passes_on

# At a million orders it takes as long as the database needs for its indexes.
_LONGEST_S = 240 if "WXPAY_TEST_ROWS" not in os.environ else 14_400


@pytest.mark.long
@pytest.mark.parametrize("database", SERVERS)
def test_every_plan_is_as_short_on(
    database: str, record_property: Callable[[str, object], None]
) -> None:
    marked = "-m", "plans", "tests/plans", "--ignore=tests/plans/test_sqlite.py"
    passes_on(database, record_property, *marked, least=30, longest_s=_LONGEST_S)
