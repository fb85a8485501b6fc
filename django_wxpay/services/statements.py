"""Statements of the ORM that are compiled once, for what every payment runs.

Django builds and compiles a query each time that it is run, which was nine tenths of the work on a
notification. So there, and nowhere else, a query is written with the ORM once, with a ``Slot``
where a value will stand, and its SQL is kept. The SQL is Django's own, and each value is prepared
by the field of its column: nothing here knows a database.

As with ``update`` and ``bulk_create``, no signal of a model is sent. As with a cursor of one's own,
a transaction in which a statement fails is to be left by an exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

from django.db import models
from django.db.models.expressions import Expression
from django.db.models.sql import InsertQuery, UpdateQuery

from django_wxpay.services.transactions import connection

Row = TypeVar("Row", bound=models.Model)

# What is compiled holds its connection, so it is kept with it, and ends with its thread.
_KEPT: Final = "wxpay_statements"
_WAYS: Final = ("get_prep_value", "get_db_prep_value", "get_db_prep_save")
_TEXTS: Final = (models.CharField, models.TextField)


class Slot(Expression):
    """The place of a value of the column ``name`` of ``model``.

    ``key`` is its name among the values that a statement is run with: the column's, if none is
    given.
    """

    def __init__(self, model: type[models.Model], name: str, key: str = "") -> None:
        column: Any = model._meta.get_field(name)  # noqa: SLF001 - Django's documented model API
        super().__init__(output_field=column)
        self.column, self.key = column, key or column.attname
        kind = type(column)
        self._keeps_text = all(
            getattr(kind, way) in {getattr(text, way) for text in _TEXTS} for way in _WAYS
        )

    def as_sql(self, *_: object) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)

    def prepared(self, value: Any, there: Any) -> Any:
        """Return ``value`` as the driver of the database takes it."""
        # Most columns are text that their field keeps as it is, which takes it ten calls to find
        # out: a fifth of all that a payment runs.
        if value is None or (self._keeps_text and type(value) is str):
            return value
        return self.column.get_db_prep_save(value, there)


class Update:
    """``rows.update(**values)``, compiled once."""

    def __init__(self, rows: models.QuerySet[Any], **values: Any) -> None:
        self._rows, self._values = rows, values

    def run(self, **values: Any) -> int:
        """Give the slots their ``values``, and return how many rows were written."""
        there = connection()
        with there.cursor() as cursor:
            _kept(there, self).run(cursor, values)
            return int(cursor.rowcount)

    def compiled(self, there: Any) -> _Compiled:
        query: Any = self._rows.query.chain(UpdateQuery)
        query.add_update_values(self._values)
        compiler = query.get_compiler(connection=there)
        return _Compiled(compiler, *compiler.as_sql())


class Insert(Generic[Row]):
    """``row.save(force_insert=True)``, compiled once."""

    def __init__(self, model: type[Row]) -> None:
        self._meta: Any = model._meta  # noqa: SLF001 - Django's documented model API
        self._columns = [each for each in self._meta.concrete_fields if not each.primary_key]
        self._slots = [Slot(model, each.name) for each in self._columns]
        # The other columns are saved as they stand in the row.
        self._made = [
            each for each in self._columns if type(each).pre_save is not models.Field.pre_save
        ]

    def run(self, row: Row) -> None:
        """Insert ``row``, and give it its primary key."""
        there: Any = connection()
        values = row.__dict__ | {each.attname: each.pre_save(row, add=True) for each in self._made}
        with there.cursor() as cursor:
            _kept(there, self, row).run(cursor, values)
            if there.features.can_return_columns_from_insert:
                (row.pk,) = cursor.fetchone()
            else:
                table, key = self._meta.db_table, self._meta.pk.column
                row.pk = there.ops.last_insert_id(cursor, table, key)
        state: Any = row._state  # noqa: SLF001 - Django's documented model API
        state.adding, state.db = False, there.alias

    def compiled(self, there: Any, row: Row) -> _Compiled:
        query = InsertQuery(self._meta.model)
        query.insert_values(self._columns, [row], raw=True)
        compiler = query.get_compiler(connection=there)
        compiler.returning_fields = [self._meta.pk]
        ((sql, _),) = compiler.as_sql()
        # Its placeholders are the same for every row, for none of its octets is null.
        return _Compiled(compiler, sql, self._slots)


class Select(Generic[Row]):
    """``rows.first()`` in no order, compiled once."""

    def __init__(self, rows: models.QuerySet[Row]) -> None:
        self._rows: Any = rows.order_by()[:1]

    def run(self, **values: Any) -> Found[Row] | None:
        """Give the slots their ``values``, and return the row that is found, or None."""
        there = connection()
        with there.cursor() as cursor:
            compiled = _kept(there, self)
            compiled.run(cursor, values)
            columns = cursor.fetchone()
        return None if columns is None else Found(compiled, columns)

    def get(self, **values: Any) -> Row:
        """Return the row that is found; raises the ``DoesNotExist`` of its model."""
        found = self.run(**values)
        if found is None:
            raise self._rows.model.DoesNotExist
        return found.row()

    def compiled(self, there: Any) -> _CompiledSelect:
        compiler = self._rows.query.get_compiler(connection=there)
        return _CompiledSelect(compiler, *compiler.as_sql())


class Found(Generic[Row]):
    """A row as the database gave it: ``row`` builds the model, an annotation needs none."""

    def __init__(self, compiled: _CompiledSelect, columns: Any) -> None:
        self._compiled, self._columns = compiled, columns

    def annotation(self, name: str) -> Any:
        """Return a text or a number that the query was annotated with."""
        return self._columns[self._compiled.annotations[name]]

    def row(self) -> Row:
        """Return the row with its annotations, as the query would."""
        row: Row = self._compiled.row(self._columns)
        return row


class _Compiled:
    def __init__(self, compiler: Any, sql: str, parameters: Any) -> None:
        self.compiler, self._sql, self._parameters = compiler, sql, tuple(parameters)

    def run(self, cursor: Any, values: Mapping[str, Any]) -> None:
        there = self.compiler.connection
        parameters = [
            each.prepared(values[each.key], there) if type(each) is Slot else each
            for each in self._parameters
        ]
        cursor.execute(self._sql, parameters)


class _CompiledSelect(_Compiled):
    def __init__(self, compiler: Any, sql: str, parameters: Any) -> None:
        super().__init__(compiler, sql, parameters)
        selected = [each[0] for each in compiler.select[: compiler.col_count]]
        self.annotations: dict[str, int] = compiler.annotation_col_map or {}
        self._model = compiler.klass_info["model"]
        self._places = compiler.klass_info["select_fields"]
        self._names = [selected[at].target.attname for at in self._places]
        self._converters = list(compiler.get_converters(selected).items())

    def row(self, columns: Any) -> Any:
        there, values = self.compiler.connection, list(columns)
        for at, (converters, expression) in self._converters:
            for convert in converters:
                values[at] = convert(values[at], expression, there)
        row = self._model.from_db(there.alias, self._names, [values[at] for at in self._places])
        for name, at in self.annotations.items():
            setattr(row, name, values[at])
        return row


def _kept(there: Any, statement: Any, *example: Any) -> Any:
    kept = there.__dict__.setdefault(_KEPT, {})
    found = kept.get(statement)
    if found is None:
        found = kept[statement] = statement.compiled(there, *example)
    return found
