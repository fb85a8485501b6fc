"""Environments for peers that cannot share ours: made once, below ``.benchmarks/``.

git ignores that folder. It may be deleted at any time.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_MADE = "complete"


def python_with(*requirements: str) -> str:
    """Return a Python that has these packages; make its environment if there is none yet.

    Raises ``subprocess.CalledProcessError`` where they cannot be installed.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    name = re.sub(r"[^\w.]+", "-", " ".join((f"py{version}", *requirements)))
    folder = ROOT / ".benchmarks" / name
    python = folder / "bin" / "python"
    if not (folder / _MADE).exists():
        sys.stderr.write(f"making an environment with {', '.join(requirements)}\n")
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
        (folder / _MADE).touch()
    return str(python)
