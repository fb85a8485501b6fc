"""Small pieces of Markdown, for pages that are written by a program."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a row's line ends become blanks, and its bars are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip()).replace("|", "\\|")


def code(text: object) -> str:
    """Return ``text`` in back-ticks."""
    return f"`{text}`"


def block(text: str, language: str = "python") -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


def docstring(thing: object) -> str:
    """Return the docstring of a function, a class or a property; "" if it has none of its own."""
    found = vars(thing).get("__doc__") if isinstance(thing, type) else inspect.getdoc(thing)
    text = inspect.cleandoc(str(found)) if found else ""
    # What @dataclass and Django's models write by themselves says nothing.
    return "" if re.fullmatch(r"\w+\(.*\)(?: -> None)?", text, re.DOTALL) else text


def page(title: str, introduction: str, *parts: str) -> str:
    """Return a page of its parts, with a blank line between them."""
    return (
        "\n\n".join([f"# {title}", introduction.strip(), *(part.strip() for part in parts)]) + "\n"
    )
