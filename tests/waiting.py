"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# Generous, because a test waits this long only if it is about to fail.
LONGEST_S: Final = 40.0


def until(happens: Callable[[], object]) -> None:
    """Return as soon as ``happens`` returns true, or fail."""
    deadline = time.monotonic() + LONGEST_S
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
