"""Law 2: an order's ``trade_state`` is written in one file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.laws.source import EXAMPLE, PACKAGE, Module, modules

WRITER = "django_wxpay/services/transitions/orders.py"
WRITING_METHODS = {
    "update",
    "create",
    "get_or_create",
    "update_or_create",
    "save",
    "bulk_update",
    "bulk_create",
    "Order",
    "setattr",
    "model",
}


def writes(module: Module) -> Iterator[str]:
    """Yield where ``trade_state`` is given a value in the database or on a row."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_is_the_state(target) for target in targets):
                yield f"{module.path}:{node.lineno} assigns"
        elif isinstance(node, ast.Call) and _name(node) in WRITING_METHODS and _speaks_of_it(node):
            yield f"{module.path}:{node.lineno} {_name(node)}"


def _is_the_state(target: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == "trade_state" for node in ast.walk(target)
    )


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _speaks_of_it(call: ast.Call) -> bool:
    return any(keyword.arg == "trade_state" for keyword in call.keywords) or any(
        isinstance(node, ast.Constant) and node.value == "trade_state"
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        for node in ast.walk(argument)
    )


def test_only_settling_writes_the_state_of_an_order() -> None:
    found = [line for module in modules(PACKAGE, EXAMPLE) for line in writes(module)]
    assert [line for line in found if not line.startswith(f"{WRITER}:")] == []
    assert [line for line in found if line.startswith(f"{WRITER}:")] != []


@pytest.mark.parametrize(
    "text",
    [
        "order.trade_state = 'SUCCESS'",
        "order.trade_state, x = 'SUCCESS', 1",
        "Order.objects.filter(pk=1).update(trade_state='SUCCESS')",
        "Order.objects.filter(pk=1).update(**{'trade_state': 'SUCCESS'})",
        "order.save(update_fields=['trade_state'])",
        "setattr(order, 'trade_state', 'SUCCESS')",
        "Order(trade_state='SUCCESS')",
    ],
)
def test_the_law_sees_a_write(text: str) -> None:
    assert len(list(writes(Module("example.py", ast.parse(text))))) == 1


@pytest.mark.parametrize(
    "text",
    ["Order.objects.filter(trade_state='SUCCESS')", "order.trade_state == 'SUCCESS'"],
)
def test_the_law_lets_everybody_read(text: str) -> None:
    assert list(writes(Module("example.py", ast.parse(text)))) == []
