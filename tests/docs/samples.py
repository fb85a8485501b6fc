"""Running what pages print: samples written into a project, command lines in a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.laws.source import ROOT

# The first line of a sample: its file, and words for the reader.
NAMED: Final = re.compile(r"(?:#|<!--) ([\w/]+\.(?:py|html|ini))(?:[,:] (.*?))?(?: -->)?")
_OURS: Final = ("PYTEST_", "COV_", "COVERAGE_", "WXPAY_", "DJANGO_SETTINGS_MODULE")


def named(text: str) -> tuple[str, str]:
    """Return the file of a sample, and the words behind it."""
    found = NAMED.fullmatch(text.splitlines()[0])
    assert found, f"this sample does not say where it goes:\n{text}"
    return found[1], found[2] or ""


def write(folder: Path, text: str) -> None:
    """Write a sample into its file, below what is there if it says so."""
    name, words = named(text)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    is_more = words.startswith(("at the end", "below"))
    before = path.read_text(encoding="utf-8") + "\n" if is_more else ""
    path.write_text(before + text, encoding="utf-8")


def environment(account: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a reader's shell: without ours, with this run's Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONOPTIMIZE": ""} | (account or {})


def bash(folder: Path, *lines: str, account: dict[str, str] | None = None) -> str:
    """Run command lines in a folder, as one script, and return what they print."""
    run = subprocess.run(
        ["bash", "-e", "-c", "\n".join(lines)],
        cwd=folder,
        env=environment(account),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-6000:]
    return run.stdout + run.stderr


def codes(printed: str) -> list[str]:
    """Return the codes of what ``check`` has found, in its order."""
    return re.findall(r"\(\w+\.([EW]\d+)\)", printed)
