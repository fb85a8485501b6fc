"""The same races on the databases that shops run: PostgreSQL and MariaDB, where they are here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.elsewhere import SERVERS, passes_on


@pytest.mark.parametrize("database", SERVERS)
def test_every_race_ends_well_on(
    database: str, record_property: Callable[[str, object], None]
) -> None:
    marked = "-m", "races", "tests/races"
    passes_on(database, record_property, *marked, least=25, longest_s=240)
