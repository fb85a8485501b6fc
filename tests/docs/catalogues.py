"""Reading translation catalogues, written and compiled, as msgid -> msgstr."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

from tests.laws.source import ROOT

# The folders that have a catalogue of their own.
HOMES = ("django_wxpay", "example_project/shop")
CATALOGUE = Path("locale/zh_Hans/LC_MESSAGES/django.po")

_QUOTED = r'"(?:\\.|[^"\\])*"'
# Chinese has one plural form, so msgstr[0] is the whole translation.
_FIELD = re.compile(rf"^(msgid|msgstr)(?:\[0\])?((?:\s*{_QUOTED})+)", re.MULTILINE)


def catalogues() -> list[Path]:
    return [ROOT / home / CATALOGUE for home in HOMES]


def written(path: Path) -> dict[str, str]:
    """Return what a .po file holds; what is fuzzy is untranslated, what is obsolete is gone."""
    found = {}
    for entry in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
        lines = "\n".join(line for line in entry.splitlines() if not line.startswith("#"))
        parts = {keyword: _joined(text) for keyword, text in _FIELD.findall(lines)}
        if parts.get("msgid"):
            found[parts["msgid"]] = "" if "\n#, fuzzy" in f"\n{entry}" else parts["msgstr"]
    return found


def _joined(text: str) -> str:
    return "".join(ast.literal_eval(piece) for piece in re.findall(_QUOTED, text))


def compiled(path: Path) -> dict[str, str]:
    """Return what the .mo file beside ``path`` holds."""
    with path.with_suffix(".mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)._catalog
    keys = {message: message[0] if isinstance(message, tuple) else message for message in catalogue}
    return {key: catalogue[message] for message, key in keys.items() if key}
