"""Parameters of which the first runs always, and the others with ``--long`` alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first_of(values: Iterable[Any]) -> list[Any]:
    """Return ``values`` for ``parametrize``, all but the first marked as long."""
    first, *others = values
    marked = [
        pytest.param(*(each if isinstance(each, tuple) else (each,)), marks=pytest.mark.long)
        for each in others
    ]
    return [first, *marked]
