"""A test database for many threads, and for this run alone.

SQLite in memory has one lock a table and no patience; what the package is made for is a
file in WAL mode, a connection a thread. Every run has a database of its own, so that two
runs of the same checkout never meet.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings


def own_database() -> None:
    """Name the test database of this process; call before any test database is made."""
    entry: dict[str, Any] = settings.DATABASES["default"]
    name = f"wxpay_races_{os.getpid()}"
    if entry["ENGINE"].endswith("sqlite3"):
        name = str(Path(tempfile.gettempdir()) / f"{name}.sqlite3")
    entry.setdefault("TEST", {})["NAME"] = name
