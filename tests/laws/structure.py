"""Measures of the package's structure, printed as a table by ``python -m tests.laws.structure``.

Who imports whom is read from the source. A name that an ``__init__`` re-exports counts as
imported from the module that defines it, for that is the file a reader has to open.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from tests.laws.source import PACKAGE, ROOT, Module, modules

LARGEST_FOLDER: Final = 20
LARGEST_SHARE: Final = 0.2
QUESTIONS: Final = frozenset("What Which How Whether Where Who Whose Why When".split())
# Python, Django or a command line opens these: their importers are not in the package.
_ENTRANCES: Final = ("/management/", "/apps.py", "urls.py", "/testing/", "/views.py")
# Projects import through these, so that a name re-exported there is used from outside.
_PUBLIC_FACES: Final = frozenset({"django_wxpay.services", "django_wxpay.simulator"})
_NO_EXPORTS: Final = frozenset({"logger", "T", "T_co", "__all__"})


def name_of(module: Module) -> str:
    """Return the dotted name of a file."""
    return module.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def package() -> Mapping[str, Module]:
    """Return every module of the package by its dotted name."""
    return {name_of(module): module for module in modules(PACKAGE)}


def is_package(module: Module) -> bool:
    """Say whether a module is the ``__init__`` of its folder."""
    return module.path.endswith("/__init__.py")


@cache
def _imports(name: str) -> tuple[tuple[str, str], ...]:
    """Return what a module imports of ours: the module named, and the name taken from it."""
    found = []
    for node in ast.walk(package()[name].tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return tuple(each for each in found if each[0] in package())


def _origin(module: str, name: str) -> str:
    """Return the module in which ``name``, imported from ``module``, is defined."""
    if f"{module}.{name}" in package():
        return f"{module}.{name}"
    if is_package(package()[module]):
        for source, taken in _imports(module):
            if taken == name:
                return _origin(source, taken)
    return module


@cache
def edges() -> Mapping[str, frozenset[str]]:
    """Return for each module those that it imports, as they are written."""
    return {
        name: frozenset(
            f"{module}.{taken}" if f"{module}.{taken}" in package() else module
            for module, taken in _imports(name)
        )
        for name in package()
    }


@cache
def importers() -> Mapping[str, frozenset[str]]:
    """Return for each module those that use it, re-exports resolved."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, module in package().items():
        for source, taken in _imports(name):
            # Apart from the public faces, an __init__ that re-exports a name does not use it.
            origin = _origin(source, taken)
            re_exports = is_package(module) and origin.startswith(f"{name}.")
            if not re_exports or name in _PUBLIC_FACES:
                found[origin].add(name)
    return {name: frozenset(found[name] - {name}) for name in package()}


def exports(module: Module) -> list[str]:
    """Return the public names that a module defines at its top level."""
    names: list[str] = []
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [name for name in names if not name.startswith("_") and name not in _NO_EXPORTS]


def _files() -> list[Module]:
    """Return the modules that a reader opens for what they hold: no ``__init__``, no entrance."""
    return [
        module
        for module in package().values()
        if not is_package(module) and not any(part in module.path for part in _ENTRANCES)
    ]


def exporting_one_name() -> list[str]:
    """Return the files that hold one public name."""
    return [module.path for module in _files() if len(exports(module)) == 1]


def with_one_importer() -> list[str]:
    """Return the files that one module alone uses."""
    return [module.path for module in _files() if len(importers()[name_of(module)]) == 1]


def share(found: list[str]) -> float:
    """Return how many of the files ``found`` are, from 0 to 1."""
    return len(found) / len(_files())


def folders() -> Counter[str]:
    """Return how many modules each folder holds, its ``__init__`` apart."""
    return Counter(
        str(PurePosixPath(module.path).parent)
        for module in package().values()
        if not is_package(module)
    )


def cycles() -> list[list[str]]:
    """Return every group of modules that import one another in a circle."""
    found: list[list[str]] = []
    reached = {name: _reachable(name) for name in package()}
    for name in package():
        group = sorted(other for other in reached[name] if name in reached[other])
        if group and group not in found:
            found.append(group)
    return found


def _reachable(start: str) -> frozenset[str]:
    seen: set[str] = set()
    waiting = list(edges()[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += edges()[name]
    return frozenset(seen)


def opened_with_a_question() -> list[str]:
    """Return the modules whose docstring opens with a question word in the place of a noun."""
    docs = {module.path: ast.get_docstring(module.tree) or "" for module in package().values()}
    return [path for path, text in docs.items() if text.split(" ", 1)[0] in QUESTIONS]


def _lines() -> Iterator[str]:
    for module in package().values():
        yield (ROOT / module.path).read_text(encoding="utf-8")


def line_count() -> int:
    """Return how many lines the package has, migrations left out."""
    return sum(text.count("\n") for text in _lines())


def comments_per_1000_lines() -> float:
    """Return how many lines in a thousand hold a comment that is no order to a tool."""
    comments = 0
    for text in _lines():
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        found = [token.string for token in tokens if token.type == tokenize.COMMENT]
        comments += sum(not each.startswith(("# noqa", "# type:")) for each in found)
    return 1000 * comments / line_count()


def table() -> str:
    """Return every measure beside its limit."""
    largest, count = folders().most_common(1)[0]
    one_name, one_importer = exporting_one_name(), with_one_importer()
    rows = [
        ("lines of the package", str(line_count()), ""),
        ("modules", str(len(package())), ""),
        (f"largest folder ({largest})", str(count), f"at most {LARGEST_FOLDER}"),
        ("files that export one name", f"{share(one_name):.0%}", f"under {LARGEST_SHARE:.0%}"),
        ("files with one importer", f"{share(one_importer):.0%}", f"under {LARGEST_SHARE:.0%}"),
        ("import cycles", str(len(cycles())), "0"),
        ("docstrings that open with a question", str(len(opened_with_a_question())), "0"),
        ("comments in 1,000 lines", f"{comments_per_1000_lines():.0f}", ""),
    ]
    return "\n".join(f"{name:<60}{value:>8}   {limit}" for name, value, limit in rows)


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
