"""Our tables are one database: no door, no service and no table goes by Django's default one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import models

from django_wxpay.models.base import (
    DescriptiveCharField,
    DescriptiveJSONField,
    ExactCharField,
    ExactTextField,
    PrimaryQuerySet,
)
from tests.laws.source import PACKAGE, Module, modules

# The one place that asks the router.
KEEPER = "django_wxpay/services/transactions.py"
BOUND_TO_DEFAULT = {"atomic", "on_commit", "non_atomic_requests", "connection", "get_connection"}
TABLES = list(apps.get_app_config("django_wxpay").get_models())


def uses(module: Module) -> Iterator[str]:
    """Yield where something of ``django.db`` is used that means the default database."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in BOUND_TO_DEFAULT:
            if isinstance(node.value, ast.Name) and node.value.id in {"transaction", "db"}:
                yield f"{module.path}:{node.lineno} {node.attr}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django.db"):
            names = {alias.name for alias in node.names} & BOUND_TO_DEFAULT
            yield from (f"{module.path}:{node.lineno} {name}" for name in names)


def test_transactions_are_opened_where_the_router_is_asked() -> None:
    found = [line for module in modules(PACKAGE) for line in uses(module)]
    assert [line for line in found if not line.startswith(f"{KEEPER}:")] == []
    assert found != []


@pytest.mark.parametrize(
    "text",
    [
        "with transaction.atomic(): pass",
        "transaction.on_commit(f)",
        "x = transaction.non_atomic_requests(view)",
        "from django.db import connection",
        "from django.db.transaction import atomic",
        "db.connection.cursor()",
    ],
)
def test_the_law_sees_a_transaction_on_the_default_database(text: str) -> None:
    assert len(list(uses(Module("example.py", ast.parse(text))))) == 1


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_table_is_read_where_it_is_written(table: type[models.Model]) -> None:
    for manager in (table._default_manager, table._base_manager):
        assert isinstance(manager.all(), PrimaryQuerySet)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_text_column_says_what_it_does_with_somebody_elses_words(
    table: type[models.Model],
) -> None:
    ours = (DescriptiveCharField, DescriptiveJSONField, ExactCharField, ExactTextField)
    plain = {
        field.name
        for field in table._meta.local_concrete_fields
        if isinstance(field, models.CharField | models.TextField | models.JSONField)
        and not isinstance(field, ours)
        # Words of a list of ours.
        and not field.choices
    }
    # Made here from what was said: a digest, and counts by kind of failure.
    assert plain <= {"conflict_key", "failures"}
