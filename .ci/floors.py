"""The floors of ``pyproject.toml``: every dependency at the lowest version that is declared.

``floors.py`` prints them as pins for ``pip install --constraint``. ``floors.py --installed``
ends non-zero where what is installed beside this Python is anything else. Tools of the tests are
left out: users of the package do not install them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Final

PYPROJECT: Final = Path(__file__).resolve().parent.parent / "pyproject.toml"
# The extras that a shop installs; the others are for people who work on the package.
EXTRAS: Final = ("postgresql", "mysql", "celery", "otel")
# Built from C on the machine itself; the tests reach MariaDB through PyMySQL.
NOT_TRIED: Final = {"mysqlclient"}
_FLOOR: Final = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)")


def floors() -> Iterator[tuple[str, str]]:
    """Yield name and lowest version; ``ValueError`` for a declaration that has no floor alone."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = (project["optional-dependencies"][name] for name in EXTRAS)
    for line in chain(project["dependencies"], *extras):
        found = _FLOOR.fullmatch(line)
        if found is None:
            raise ValueError(f"no floor alone: {line}")
        yield found[1], found[2]


def differences() -> Iterator[str]:
    """Yield a line for each dependency that is not installed at its floor."""
    for name, floor in floors():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "absent"
        if found == "absent" and name in NOT_TRIED:
            continue
        if found == "absent" or _numbers(found) != _numbers(floor):
            yield f"{name}: declared from {floor}, installed {found}"


def _numbers(release: str) -> list[str]:
    """Return a release as pip compares it: 44 is 44.0.0."""
    return re.sub(r"(\.0)+$", "", release).split(".")


if __name__ == "__main__":
    if "--installed" in sys.argv:
        sys.exit("\n".join(differences()) or 0)
    print("\n".join(f"{name}=={floor}" for name, floor in floors()))
