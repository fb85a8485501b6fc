"""Law 4: below services nobody looks at a clock, throws dice or reads settings."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.laws.source import PACKAGE, Module, imported, modules

BELOW = ("protocol", "gateway", "models")
FORBIDDEN_IMPORTS = (
    "random",
    "secrets",
    "uuid",
    "django.conf",
    "django.utils.timezone",
    "django_wxpay.conf",
    "os.environ",
    "os.urandom",
    "os.getenv",
)
FORBIDDEN_CALLS = {"now", "utcnow", "today", "time", "time_ns", "urandom", "localtime", "gmtime"}


def impurities(module: Module) -> Iterator[str]:
    """Yield where a module takes what it should have been given."""
    for node in ast.walk(module.tree):
        for name in imported(node):
            if any(name == each or name.startswith(f"{each}.") for each in FORBIDDEN_IMPORTS):
                yield f"{module.path}:{node.lineno} imports {name}"
        if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_CALLS and _is_module(node):
            yield f"{module.path}:{node.lineno} {ast.unparse(node)}"


def _is_module(node: ast.Attribute) -> bool:
    """Say whether the attribute is reached on a module or class of time, not on our own object."""
    return ast.unparse(node.value).split(".")[-1] in {
        "datetime",
        "date",
        "time",
        "timezone",
        "os",
        "dt",
    }


@pytest.mark.parametrize("room", BELOW)
def test_what_stands_below_services_is_given_its_clock_and_its_dice(room: str) -> None:
    rooms = modules(PACKAGE / room)
    assert rooms != ()
    assert [line for module in rooms for line in impurities(module)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import random",
        "from secrets import token_hex",
        "from django.conf import settings",
        "from django.utils import timezone",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime as dt\nx = dt.datetime.now()",
        "import time\nx = time.time()",
        "import time\ndef f(clock=time.time): ...",
        "import os\nx = os.urandom(16)",
    ],
)
def test_the_law_sees_an_impurity(text: str) -> None:
    assert list(impurities(Module("example.py", ast.parse(text)))) != []


@pytest.mark.parametrize(
    "text",
    [
        "import time\ndef f(clock=time.monotonic): ...",
        "self.now()",
        "from datetime import datetime",
    ],
)
def test_the_law_allows_a_clock_that_is_handed_in(text: str) -> None:
    assert list(impurities(Module("example.py", ast.parse(text)))) == []
