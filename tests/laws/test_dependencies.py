"""Every package that is imported is declared, with a floor."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions

from tests.laws.source import PACKAGE, ROOT, Module, imported, modules

OURS = "django_wxpay"
# Imported by its own plug-in alone, which pytest loads: users of it have pytest.
PLUGINS = {"django_wxpay/testing/fixtures.py": {"pytest"}}


def normal(name: str) -> str:
    """Return the name of a distribution as all spellings of it are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> dict[str, str]:
    """Return what pyproject.toml asks for at run time, with the versions asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {}
    for line in project["dependencies"]:
        name, versions = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?(.*)", line).groups()
        found[normal(name)] = versions
    return found


@cache
def installed() -> Mapping[str, list[str]]:
    """Return the distributions by the packages that they bring; to look takes half a second."""
    return packages_distributions()


def foreign(module: Module) -> Iterator[str]:
    """Yield the distributions that a module imports from."""
    distributions = installed()
    for node in module.tree.body:
        for name in imported(node):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top in {OURS, "__future__"}:
                continue
            if top not in PLUGINS.get(module.path, ()):
                yield normal(distributions[top][0])


def test_what_is_imported_is_declared() -> None:
    missing = {
        (module.path, name)
        for module in modules(PACKAGE)
        for name in foreign(module)
        if name not in declared()
    }
    assert missing == set()


def test_what_is_declared_is_imported() -> None:
    used = {name for module in modules(PACKAGE) for name in foreign(module)}
    assert set(declared()) - used == set()


def test_ci_tries_every_floor() -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "floors.py"], capture_output=True, text=True, check=True
    )
    tried = {normal(name): f">={floor}" for name, floor in map(_pin, printed.stdout.split())}
    assert declared().items() <= tried.items()
    assert tried.keys() - declared().keys() == {
        "psycopg",
        "mysqlclient",
        "celery",
        "opentelemetry-api",
    }
    assert "nox -s floors" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def _pin(line: str) -> tuple[str, str]:
    name, floor = line.split("==")
    return name, floor


def test_every_declaration_has_a_floor() -> None:
    assert [name for name, versions in declared().items() if not versions.startswith(">=")] == []
