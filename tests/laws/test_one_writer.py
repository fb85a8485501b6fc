"""Law 2: the states of orders and refunds are written in a few files of one package."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.laws.source import EXAMPLE, PACKAGE, Module, modules

ROOM = "django_wxpay/services/transitions"
WRITERS = {
    "trade_state": {f"{ROOM}/orders.py"},
    # What we ask for, and what WeChat Pay states.
    "refund_status": {f"{ROOM}/refund_requests.py", f"{ROOM}/refunds.py"},
}
WRITING_METHODS = {
    "update",
    "create",
    "get_or_create",
    "update_or_create",
    "save",
    "bulk_update",
    "bulk_create",
    "Order",
    "Refund",
    "setattr",
    "model",
}


def writes(module: Module, state: str) -> Iterator[str]:
    """Yield where the column ``state`` is given a value in the database or on a row."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_is_the_state(target, state) for target in targets):
                yield f"{module.path}:{node.lineno} assigns"
        elif isinstance(node, ast.Call) and _writes(node, state):
            yield f"{module.path}:{node.lineno} {_name(node)}"


def _writes(call: ast.Call, state: str) -> bool:
    return _name(call) in WRITING_METHODS and _speaks_of_it(call, state)


def _is_the_state(target: ast.AST, state: str) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == state for node in ast.walk(target))


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _speaks_of_it(call: ast.Call, state: str) -> bool:
    return any(keyword.arg == state for keyword in call.keywords) or any(
        isinstance(node, ast.Constant) and node.value == state
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        for node in ast.walk(argument)
    )


@pytest.mark.parametrize(("state", "writers"), WRITERS.items())
def test_only_a_transition_writes_the_state(state: str, writers: set[str]) -> None:
    found = [line for module in modules(PACKAGE, EXAMPLE) for line in writes(module, state)]
    assert {line.partition(":")[0] for line in found} == writers


@pytest.mark.parametrize("state", WRITERS)
@pytest.mark.parametrize(
    "text",
    [
        "order.{} = 'SUCCESS'",
        "order.{}, x = 'SUCCESS', 1",
        "Order.objects.filter(pk=1).update({}='SUCCESS')",
        "Order.objects.filter(pk=1).update(**{{'{}': 'SUCCESS'}})",
        "order.save(update_fields=['{}'])",
        "setattr(order, '{}', 'SUCCESS')",
        "Order({}='SUCCESS')",
        "Refund({}='SUCCESS')",
    ],
)
def test_the_law_sees_a_write(text: str, state: str) -> None:
    assert len(list(writes(Module("example.py", ast.parse(text.format(state))), state))) == 1


@pytest.mark.parametrize("state", WRITERS)
@pytest.mark.parametrize("text", ["Order.objects.filter({}='SUCCESS')", "order.{} == 'SUCCESS'"])
def test_the_law_lets_everybody_read(text: str, state: str) -> None:
    assert list(writes(Module("example.py", ast.parse(text.format(state))), state)) == []


def partial_instances(module: Module) -> Iterator[str]:
    """Yield where a row is made up from its primary key, with every other column empty."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and _name(node)[:1].isupper():
            keys = {keyword.arg for keyword in node.keywords} & {"pk", "id"}
            yield from (f"{module.path}:{node.lineno} {_name(node)}" for _ in keys)


def test_no_row_is_made_up_from_its_key() -> None:
    """Whoever was handed it would read empty columns, and may save them."""
    folders = (PACKAGE / "services", PACKAGE / "models", EXAMPLE)
    assert [line for module in modules(*folders) for line in partial_instances(module)] == []


def test_the_law_sees_a_row_made_up_from_its_key() -> None:
    made_up = ast.parse("Refund(pk=1, refund_status='SUCCESS')")
    assert len(list(partial_instances(Module("example.py", made_up)))) == 1
