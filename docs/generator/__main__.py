"""``python -m docs.generator FOLDER``: build the site strictly, and hold it to itself.

A warning of Sphinx's is an error, and so is a page that loads anything from another site.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

import django

CONFIGURATION: Final = Path(__file__).resolve().parent.parent
# What a browser loads by itself, and not when a person follows it.
_LOADED: Final = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["'](?:https?:)?//[^>]*"""
    r"""|<link\b[^>]*\bhref=["'](?:https?:)?//[^>]*"""
    r"""|(?:url\(|@import\s*)["']?(?:https?:)?//[^)\s]*""",
    re.IGNORECASE,
)


def loads_from_elsewhere(site: Path) -> list[str]:
    """Return what pages and style sheets load from other sites."""
    return [
        f"{path.relative_to(site)}: {found[0]}"
        for path in sorted(site.rglob("*"))
        if path.suffix in {".html", ".css"}
        for found in _LOADED.finditer(path.read_text(encoding="utf-8"))
        if 'rel="canonical"' not in found[0]
    ]


def build(folder: str) -> int:
    """Write the site into ``folder``, and return 0 if nothing is wrong with it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    django.setup()
    # Sphinx is asked for only by those who build, and pages need Django to be set up.
    from sphinx.cmd.build import main  # noqa: PLC0415

    from docs.generator.staging import stage  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as source:
        stage(Path(source))
        options = ["-W", "--keep-going", "-q", "-E", "-j", "auto", "-d", f"{source}/.doctrees"]
        code = main([*options, "-c", str(CONFIGURATION), "-b", "html", source, folder])
    found = loads_from_elsewhere(Path(folder))
    for each in found:
        print("loaded from another site:", each)
    return code or bool(found)


if __name__ == "__main__":
    sys.exit(build(sys.argv[1]))
