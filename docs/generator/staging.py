"""The folder that Sphinx reads: the pages of ``docs/``, those of the root, and generated ones.

A link to a page of ours becomes the site's own, one to another file of the repository leads to
the repository's pages, and one that leads nowhere is an error.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from docs.generator.navigation import FROM_THE_ROOT, NAVIGATION, TITLES
from docs.generator.python import commands_page, models_page, services_page, signals_page
from docs.generator.rest import rest_page
from docs.generator.tables import error_codes_page, settings_page

ROOT: Final = Path(__file__).resolve().parent.parent.parent
REPOSITORY: Final = "https://github.com/django-wxpay/django-wxpay/blob/main/"
GENERATED: Final[dict[str, Callable[[], str]]] = {
    "reference/settings.md": settings_page,
    "reference/services.md": services_page,
    "reference/models.md": models_page,
    "reference/signals.md": signals_page,
    "reference/commands.md": commands_page,
    "reference/rest.md": rest_page,
    "reference/error-codes.md": error_codes_page,
}
_LINK: Final = re.compile(r"(\]\()([^)\s]+)(\))")
# What blocks of code are called here, and to whom colours are known.
_LANGUAGES: Final = {"mermaid": "text", "sql": "postgresql"}
# A line that ends within Chinese text. There it means nothing, and in HTML it is a blank.
_WITHIN_CHINESE: Final = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u4e00-\u9fff])")
_FENCED: Final = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)


class BrokenLink(Exception):
    """A link to a file that the repository does not have."""


def stage(folder: Path) -> None:
    """Write every page and picture of the site into ``folder``."""
    for source, name in _pages().items():
        text = (ROOT / source).read_text(encoding="utf-8")
        _write(folder, name, with_links(text, source, name))
    for picture in (ROOT / "docs").glob("*.png"):
        shutil.copy(picture, folder)
    for name, generate in GENERATED.items():
        _write(folder, name, generate())
    index = folder / "index.md"
    index.write_text(index.read_text(encoding="utf-8") + _trees(), encoding="utf-8")


def with_links(text: str, source: str, name: str) -> str:
    """Return a page of the repository with the links that it has on the site."""
    parts = _FENCED.split(text)
    # Every second part is a block of code, in which brackets are no link.
    for number in range(0, len(parts), 2):
        parts[number] = _LINK.sub(
            lambda found: found[1] + _target(found[2], source, name) + found[3],
            _WITHIN_CHINESE.sub("", parts[number]),
        )
    whole = "".join(parts)
    for ours, known in _LANGUAGES.items():
        whole = re.sub(rf"^```{ours}$", f"```{known}", whole, flags=re.MULTILINE)
    return whole


def _target(link: str, source: str, name: str) -> str:
    if re.match(r"[a-z]+:|#", link):
        return link
    path, hash_, anchor = link.partition("#")
    wanted = os.path.normpath(PurePosixPath(source).parent / path)
    on_site = _pages().get(wanted)
    if on_site is None and wanted.startswith("docs/"):
        # A page that is generated is no file of the repository, where the link would be dead.
        inside = wanted.removeprefix("docs/")
        on_site = inside if inside.endswith(".png") else None
    if on_site is not None:
        return os.path.relpath(on_site, PurePosixPath(name).parent) + hash_ + anchor
    if not (ROOT / wanted).exists():
        raise BrokenLink(f"{source}: {link}")
    return REPOSITORY + wanted + hash_ + anchor


def _pages() -> dict[str, str]:
    """Return the site's name of every page that a person wrote, by its place in the repository."""
    docs = ROOT / "docs"
    inside = [path.relative_to(docs).as_posix() for path in sorted(docs.rglob("*.md"))]
    return FROM_THE_ROOT | {f"docs/{path}": path for path in inside}


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _trees() -> str:
    trees = [
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n"
        + "\n".join(f"{TITLES[page]} <{page}>" if page in TITLES else page for page in pages)
        + "\n```\n"
        for caption, pages in NAVIGATION.items()
    ]
    return "\n" + "\n".join(trees)
