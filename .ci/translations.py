"""Hold every catalogue against the source: whatever a person may read has its translation, and
nothing is translated that nobody reads any more.

Works on copies, since makemessages rewrites what it reads. Needs GNU gettext.
"""

from __future__ import annotations

import ast
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


def unmarked() -> set[str]:
    """Return every text of the folders that give advice without marking it as a message."""
    folders = [ROOT / "django_wxpay" / name for name in ("protocol", "services")]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return {text for text in texts if isinstance(text, str)}


def wanted(home: str) -> set[str]:
    """Return the messages of the source."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(copytree(ROOT / home, f"{folder}/home", ignore=ignore_patterns("*.pyc")))
        subprocess.run(MAKEMESSAGES, cwd=copy, check=True, stdout=subprocess.DEVNULL)
        return set(written(copy / CATALOGUE))


def faults(home: str) -> list[str]:
    """Return the messages that nobody translates, and the translations that nobody uses."""
    said, given = wanted(home), written(ROOT / home / CATALOGUE)
    print(f"{home}: {len(said)} messages in the source, {len(given)} in the catalogue")
    missing = sorted(each for each in said - of_django() if not given.get(each))
    stale = sorted(given.keys() - said - unmarked())
    return [
        *(f"{home}: not translated: {message!r}" for message in missing),
        *(f"{home}: not used: {message!r}" for message in stale),
    ]


if __name__ == "__main__":
    lines = [line for home in HOMES for line in faults(home)]
    sys.exit("\n".join(lines) or 0)
