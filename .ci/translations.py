"""Hold every catalogue against the source: whatever a person may read has its translation.

Works on copies, since makemessages rewrites what it reads. Needs GNU gettext.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copytree, ignore_patterns

import django

from tests.docs.catalogues import CATALOGUE, HOMES, compiled, written
from tests.laws.source import ROOT

MAKEMESSAGES = (sys.executable, "-m", "django", "makemessages", "-l", CATALOGUE.parts[1])


def of_django() -> set[str]:
    """Return what Django translates itself; our admin pages may borrow its words."""
    folder = Path(django.__file__).parent
    return {message for path in folder.glob(f"**/{CATALOGUE}") for message in compiled(path)}


def missing(home: str) -> list[str]:
    """Return the messages of the source that nobody translates."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(copytree(ROOT / home, f"{folder}/home", ignore=ignore_patterns("*.pyc")))
        subprocess.run(MAKEMESSAGES, cwd=copy, check=True, stdout=subprocess.DEVNULL)
        wanted = written(copy / CATALOGUE)
    given = written(ROOT / home / CATALOGUE)
    print(f"{home}: {len(wanted)} messages in the source, {len(given)} in the catalogue")
    return sorted(each for each in wanted.keys() - of_django() if not given.get(each))


if __name__ == "__main__":
    lines = [f"{home}: not translated: {message!r}" for home in HOMES for message in missing(home)]
    sys.exit("\n".join(lines) or 0)
