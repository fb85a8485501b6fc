"""What is wrong with what was given is said in sentences that every language can make anew.

Marked as messages, so that ``.ci/translations.py`` holds each of them against the catalogue.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.laws.source import ROOT

_ERRORS: Final = frozenset({"InvalidParameter", "InvalidOrder", "InvalidRefund", "NotRefundable"})
# How many of their arguments name a parameter.
_NAMES: Final = {"NotRefundable": 0}
_WORDS: Final = re.compile(r"[A-Za-z]{2,} [A-Za-z]|^missing$")
# Neither REST nor the admin leads to these, so that an engineer alone reads them.
_WITHOUT_A_DOOR: Final = (
    "protocol/endpoints",
    "protocol/v2/batch_reports.py",
    "gateway/v2/calls.py",
    "gateway/v3/endpoints.py",
    "services/calling.py",
    "services/doctor",
    "services/reports",
)
_HERE: Final = ROOT / "django_wxpay"


def _paths() -> list[Path]:
    folders = [_HERE / name for name in ("protocol", "gateway", "services")]
    return [
        path
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        if not str(path.relative_to(_HERE)).startswith(_WITHOUT_A_DOOR)
    ]


def unmarked(text: str) -> Iterator[str]:
    """Yield what the source ``text`` says of a value in words that are no message."""
    for node in ast.walk(ast.parse(text)):
        for value in _said(node):
            for each in _alternatives(value):
                if isinstance(each, ast.JoinedStr | ast.BinOp):
                    yield ast.unparse(each)
                if isinstance(each, ast.Constant) and _WORDS.search(str(each.value)):
                    yield str(each.value)


def _said(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in _ERRORS:
            yield from node.args[_NAMES.get(node.func.id, 1) :]
        yield from (each.value for each in node.keywords if each.arg == "described")
    # The rules of parameters, and the checks of documents.
    if isinstance(node, ast.FunctionDef) and re.fullmatch("text|problem|.*_problem", node.name):
        returned = (each.value for each in ast.walk(node) if isinstance(each, ast.Return))
        yield from (each for each in returned if each is not None)
    if isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "rule" for target in node.targets
    ):
        yield node.value


def _alternatives(value: ast.expr) -> Iterator[ast.expr]:
    if isinstance(value, ast.IfExp):
        yield from _alternatives(value.body)
        yield from _alternatives(value.orelse)
    else:
        yield value


def test_whatever_is_said_of_a_value_is_a_message() -> None:
    paths = _paths()
    assert len(paths) > 100
    found = [f"{path.name}: {text}" for path in paths for text in unmarked(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        'raise InvalidOrder("body", "is too long")',
        'raise InvalidOrder("body", _("is too long"), f"at most {most} bytes")',
        'raise NotRefundable("is not paid", refundable=0)',
        'raise InvalidRefund("type", _("not known"), "one of " + words)',
        'rule = "a time with a zone"',
        'def problem(self, value):\n    return "" if value else "is not there"',
        'Text(max=3, described="three letters")',
    ],
)
def test_the_law_sees_what_is_no_message(text: str) -> None:
    assert list(unmarked(text))
