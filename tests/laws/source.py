"""The package's own source, read once, for the laws to be held against."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "django_wxpay"
EXAMPLE: Final = ROOT / "example_project"


@dataclass(frozen=True, slots=True)
class Module:
    """One file: where it is, and what it says."""

    path: str
    tree: ast.Module


@cache
def modules(*folders: Path) -> tuple[Module, ...]:
    """Return every module below ``folders``, migrations left out."""
    return tuple(
        Module(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        if "migrations" not in path.parts
    )


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the dotted names that one import statement binds or reaches into."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)
