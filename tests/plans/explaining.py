"""Queries as they were made, and the rows of large tables that each of them reads.

PostgreSQL and MariaDB run a query again and count the rows that they look at, wherever they look:
a sequential scan, the walk along an index past rows that the filter drops, or a range too wide.
SQLite counts the steps of its machine, and a plan of it is judged by its words as well.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.backends.signals import connection_created

from tests.plans.filling import LARGE
from tests.tables import ALIAS, connection

_TABLES: Final = frozenset(model._meta.db_table for model in LARGE)
_EXPLAINED: Final = ("SELECT", "UPDATE", "DELETE")
# "SCAN django_wxpay_order USING INDEX wxpay_order_newest", or an alias in the place of the table.
_SCAN: Final = re.compile(r"SCAN (\w+)")
# To look at a row along an index, to compare a column and to go on takes 4 to 9; to sort it, 27.
_STEPS_A_ROW: Final = 10
_LIST: Final = re.compile(r"(%s, )+")
_ENOUGH: Final = 2
_ALIAS: Final = re.compile(r'"(\w+)" (?:AS )?"?([TU]\d+)"?')


@dataclass(frozen=True, slots=True)
class Query:
    """One statement, with its values apart."""

    sql: str
    params: tuple[Any, ...]

    @property
    def reads_large_tables(self) -> bool:
        return self.sql.startswith(_EXPLAINED) and any(table in self.sql for table in _TABLES)


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows of one large table that a query has looked at, and by what way."""

    table: str
    way: str
    rows: int

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.table} by {self.way}"


@contextmanager
def recorded() -> Iterator[list[Query]]:
    """Fill a list with the queries on large tables, of this thread and of those begun meanwhile."""
    made: list[Query] = []
    times: Counter[str] = Counter()

    def record(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        query = Query(sql, tuple(params or ()))
        if context["connection"].alias == ALIAS and query.reads_large_tables:
            text = _LIST.sub("", sql)
            times[text] += 1
            # A job makes the same query for each row, and its first values may not be typical.
            if times[text] <= _ENOUGH:
                made.append(query)
        return execute(sql, params, many, context)

    def watch(connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(record)

    # A connection of another thread tells of itself; it is closed with its thread.
    connection_created.connect(watch)
    try:
        with connection.execute_wrapper(record):
            yield made
    finally:
        connection_created.disconnect(watch)
        if record in connection.execute_wrappers:
            connection.execute_wrappers.remove(record)


def too_long(query: Query, most: int) -> list[Reading]:
    """Return by what ways ``query`` reads more than ``most`` rows of a large table."""
    return [each for each in _READINGS[connection.vendor](query) if each.rows > most]


def _by_sqlite(query: Query) -> Iterator[Reading]:
    tables = {alias: table for table, alias in _ALIAS.findall(query.sql)}
    with _undone() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.params)
        plan = [line for *_, line in cursor.fetchall()]
    for line in plan:
        match = _SCAN.match(line)
        table = tables.get(match[1], match[1]) if match else ""
        # In the order of an index or of the keys it ends after the rows asked for.
        if match and table in _TABLES and ("LIMIT" not in query.sql or _sorts(plan)):
            yield Reading(table, line, _size(table))
    yield Reading("its tables", " and ".join(plan), _steps(query) // _STEPS_A_ROW)


def _sorts(plan: list[str]) -> bool:
    return any(line.startswith("USE TEMP B-TREE") for line in plan)


def _steps(query: Query) -> int:
    """Return the instructions of SQLite's machine that ``query`` takes, in hundreds."""
    hundreds = 0

    def count() -> int:
        nonlocal hundreds
        hundreds += 1
        return 0

    with _undone() as cursor:
        connection.connection.set_progress_handler(count, 100)
        try:
            cursor.execute(query.sql, query.params)
            if query.sql.startswith("SELECT"):
                cursor.fetchall()
        finally:
            connection.connection.set_progress_handler(None, 100)
    return hundreds * 100


def _size(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608
        (rows,) = cursor.fetchone()
    return int(rows)


def _by_postgresql(query: Query) -> Iterator[Reading]:
    document = _analysed("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)", query)
    for node in _nodes(document):
        if node.get("Relation Name") in _TABLES:
            loops = node["Actual Loops"]
            rows = sum(
                node.get(name, 0)
                for name in (
                    "Actual Rows",
                    "Rows Removed by Filter",
                    "Rows Removed by Index Recheck",
                )
            )
            way = f"{node['Node Type']} {node.get('Index Name', '')}".strip()
            yield Reading(node["Relation Name"], way, round(rows * loops))


def _by_mariadb(query: Query) -> Iterator[Reading]:
    aliases = dict(re.findall(r"`(\w+)` (?:AS )?`?([TU]\d+)`?", query.sql))
    tables = {alias: table for table, alias in aliases.items()}
    for node in _nodes(_analysed("ANALYZE FORMAT=JSON", query)):
        name = node.get("table_name")
        table = tables.get(str(name), name)
        if table in _TABLES and node.get("r_rows") is not None:
            way = f"{node.get('access_type')} {node.get('key', '')}".strip()
            yield Reading(str(table), way, round(node["r_rows"] * node.get("r_loops", 1)))


def _analysed(verb: str, query: Query) -> Any:
    """Return the plan of a query that is run once more for it."""
    with _undone() as cursor:
        cursor.execute(f"{verb} {query.sql}", query.params)
        (plan,) = cursor.fetchone()
    return json.loads(plan) if isinstance(plan, str) else plan


@contextmanager
def _undone() -> Iterator[Any]:
    with transaction.atomic(using=ALIAS), connection.cursor() as cursor:
        yield cursor
        transaction.set_rollback(True, using=ALIAS)


def _nodes(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
        for each in document.values():
            yield from _nodes(each)
    elif isinstance(document, list):
        for each in document:
            yield from _nodes(each)


_READINGS: Final[dict[str, Callable[[Query], Iterator[Reading]]]] = {
    "sqlite": _by_sqlite,
    "postgresql": _by_postgresql,
    "mysql": _by_mariadb,
}
