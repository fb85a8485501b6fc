"""The base of every table, and the two kinds of text columns.

Rows of a payment are read where they are written, whatever a router says of reading: a replica
that lags would show an order that does not exist yet, or is not paid yet.

A text column is either ``Exact`` (the caller's own, or an identifier that something is decided
by) or ``Descriptive`` (somebody else's words). Both hold every character and tell upper from
lower case on every database, whatever the collation of its tables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

from django.db import models, router
from django.db.backends.base.base import BaseDatabaseWrapper

# Django's own fields take no type argument at run time.
if TYPE_CHECKING:
    CharFieldBase = models.CharField[str, str]
    TextFieldBase = models.TextField[str, str]
else:
    CharFieldBase = models.CharField
    TextFieldBase = models.TextField

Model = TypeVar("Model", bound=models.Model)

# No database stores half a character, and PostgreSQL no NUL.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

# MySQL and MariaDB take "ABC" for "abc", and their old tables hold no emoji; the other databases
# need nothing. WeChat Pay's numbers tell case apart (protocol-v2 section 3.2). MySQL's has no
# name for one that tells "abc " from "abc" in every version that Django takes.
_OF_MYSQL: Final = "utf8mb4_bin"
_OF_MARIADB: Final = "utf8mb4_nopad_bin"


class PrimaryQuerySet(models.QuerySet[Model]):
    """A query that goes where the rows are written, unless ``using`` names a database."""

    _db: str | None

    @property
    def db(self) -> str:
        return self._db or router.db_for_write(self.model)


class PrimaryManager(models.Manager[Model]):
    """The manager of those queries."""

    def get_queryset(self) -> PrimaryQuerySet[Model]:
        return PrimaryQuerySet(self.model, using=self._db)


class Row(models.Model):
    """One row of a table of ours, read where it is written.

    Lists begin with the newest row, and indexes by time with the oldest one: they are read from
    their ends. One that grew at its beginning would split each full page in two halves.
    """

    objects: ClassVar[PrimaryManager[Self]] = PrimaryManager()

    class Meta:
        abstract = True
        # refresh_from_db and the way from a row to the one that it refers to.
        base_manager_name = "objects"


def storable(text: str, width: int | None = None) -> str:
    """Return ``text`` as every database stores it, cut to ``width`` characters."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)[:width]


def _collation(connection: Any) -> str | None:
    if connection.vendor != "mysql":
        return None
    return _OF_MARIADB if connection.mysql_is_mariadb else _OF_MYSQL


class _ExactMixin:
    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        parameters: dict[str, Any] = super().db_parameters(connection)  # type: ignore[misc]
        return parameters | {"collation": _collation(connection)}


class ExactCharField(_ExactMixin, CharFieldBase):
    """Text that is stored as it is, or not at all."""


class ExactTextField(_ExactMixin, TextFieldBase):
    """Text of any length that is stored as it is, or not at all."""


class UniqueExactCharField(ExactCharField):
    """Text of a unique constraint: "" to every caller, NULL in the database where there is none."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # Of NULLs a unique constraint takes any number, on every database.
        super().__init__(*args, **options | {"null": True, "blank": True, "default": ""})

    def from_db_value(self, value: str | None, *_: object) -> str:
        return value or ""

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value) or None


class DescriptiveCharField(ExactCharField):
    """Somebody else's words: made storable and cut to the column, so no payment waits for them."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001
        value = self.get_prep_value(super().pre_save(model_instance, add))
        # The row in memory says what the database does.
        setattr(model_instance, self.attname, value)
        return value

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return storable(prepared, self.max_length) if isinstance(prepared, str) else prepared


class DescriptiveJSONField(models.JSONField):
    """Somebody else's values: every text among them is made storable."""

    def get_db_prep_value(
        self,
        value: Any,
        connection: BaseDatabaseWrapper,
        prepared: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        return super().get_db_prep_value(storable_json(value), connection, prepared)


def storable_json(value: Any) -> Any:
    """Return ``value`` with every text in it as every database stores it."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable_json(name): storable_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(each) for each in value]
    return value
