"""Names of a package that are imported when the first of them is used.

A process that names fields and states alone then loads no cipher and no client of HTTP.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def imported_late(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for ``package``; ``homes`` are the modules in it, by the names.

    It raises ``AttributeError`` for every other name, and loads nothing for that.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{homes[name]}"), name)
        # Kept, so that it is asked for once.
        setattr(sys.modules[package], name, found)
        return found

    return find
