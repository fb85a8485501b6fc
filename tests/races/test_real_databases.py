"""The same races on the databases that shops run: PostgreSQL and MariaDB, where they are here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.elsewhere import SERVERS, passes_on

# One file for each of the three promises: one state, no refund too many, an event once.
FIRST = tuple(f"tests/races/test_{name}.py" for name in ("transitions", "refunding", "events"))


@pytest.mark.parametrize("database", SERVERS)
def test_the_first_races_end_well_on(
    database: str, record_property: Callable[[str, object], None]
) -> None:
    passes_on(database, record_property, *FIRST, least=10, longest_s=120)


@pytest.mark.long
@pytest.mark.parametrize("database", SERVERS)
def test_every_race_ends_well_on(
    database: str, record_property: Callable[[str, object], None]
) -> None:
    marked = "-m", "races", "tests/races"
    passes_on(database, record_property, *marked, least=25, longest_s=240)
