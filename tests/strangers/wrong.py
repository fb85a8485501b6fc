"""Two tests that have to fail and one that holds, for ``test_asserts.py`` to run."""

from __future__ import annotations

from typing import Any

from tests.journeys.stage import Phone


class Silent:
    """A session whose pages are broken."""

    status_code, text = 500, ""

    def get(self, page: str) -> Silent:
        return self


def test_of_its_own() -> None:
    assert len("ab") == 1


def test_by_a_helper() -> None:
    session: Any = Silent()
    Phone("page", session).shows()


def test_that_holds() -> None:
    assert not __debug__
