"""Citations of the documents in ``docs/``: found in comments and docstrings, held to headings.

A citation names its document and the section: "protocol-v2 section 5.2", "protocol-v3
sections 3.2 and 4.2", "protocol-v2 sections 3.1 to 3.5", "interface.md section 4".
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tests.laws.source import ROOT

DOCUMENTS: Final[Mapping[str, str]] = {
    "protocol-v2": "docs/protocol/v2.md",
    "protocol-v3": "docs/protocol/v3.md",
    "interface.md": "docs/interface.md",
    "architecture.md": "docs/architecture.md",
}
_NUMBER: Final = r"(?:\d+(?:\.\d+)*|[A-Z]\.\d+)"
_NUMBERS: Final = rf"{_NUMBER}(?:(?:,| and| or|, and| to) {_NUMBER})*"
_NAMES: Final = "|".join(re.escape(name) for name in DOCUMENTS)
# An RFC has sections too, and they are not ours to hold.
_CITATION: Final = re.compile(
    rf"(?P<document>{_NAMES}|RFC \d+)?,? ?\bsections? (?P<numbers>{_NUMBERS})", re.IGNORECASE
)
# "(protocol-v3 2.4)" and "(7.1)" are citations that no search for "section" finds.
_WORDLESS: Final = re.compile(rf"(?:{_NAMES}),? {_NUMBER}|\(\d+\.\d+\)", re.IGNORECASE)
# What every citation in a comment has on one of its lines.
_MAY_CITE: Final = re.compile(rf"#.*(?:section|{_NAMES}|\(\d+\.\d+\))", re.IGNORECASE)
_HEADING: Final = re.compile(
    r"^#{2,4} (?:Appendix )?(?P<number>\d+(?:\.\d+)*|[A-Z](?:\.\d+)?)\.? ", re.MULTILINE
)


@cache
def headings(document: str) -> frozenset[str]:
    """Return the section numbers of a document; none if it is not written yet."""
    path = ROOT / DOCUMENTS[document]
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return frozenset(_HEADING.findall(text))


def offences(text: str, *, may_be_bare: bool = False) -> list[str]:
    """Return what is wrong with the citations of one comment or docstring.

    A section without its document's name counts as one of the document that the same text
    names; if it names none, or several, the section is bare.
    """
    flat = " ".join(text.split())
    named = {name.lower() for name in re.findall(_NAMES, flat, re.IGNORECASE)}
    wordless = [] if may_be_bare else _WORDLESS.findall(flat)
    return [f'without the word "section": {each}' for each in wordless] + [
        offence
        for match in _CITATION.finditer(flat)
        if not (match["document"] or "").startswith("RFC")
        for offence in _offences_of(match, named, may_be_bare=may_be_bare)
    ]


def _offences_of(match: re.Match[str], named: set[str], *, may_be_bare: bool) -> Iterator[str]:
    document = (match["document"] or "").lower() or (next(iter(named)) if len(named) == 1 else "")
    if not document:
        if not may_be_bare:
            yield f"bare: {match[0].strip()}"
        return
    for number in re.findall(_NUMBER, match["numbers"]):
        if number not in headings(document):
            yield f"no such heading: {document} section {number}"


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the docstrings of a Python file and its comments, adjacent lines as one, by line.

    The comments are left out of a file in which none can cite.
    """
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.lineno, str(node.value.value)
    # To take a file apart is slow, and most comments name no section.
    if any(map(_MAY_CITE.search, source.splitlines())):
        yield from _comments(source)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    first, last, lines = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        row = token.start[0]
        if lines and row != last + 1:
            yield first, " ".join(lines)
            lines = []
        first, last = (first if lines else row), row
        lines.append(token.string.lstrip("#: "))
    if lines:
        yield first, " ".join(lines)
