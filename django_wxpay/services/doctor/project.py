"""Problems of the project around the package: its databases, URLs and receivers.

The system checks and the doctor both read them here. What queries a database is apart from what
looks at settings alone, because ``manage.py check`` queries only the databases that it is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.urls import NoReverseMatch, reverse
from django.utils import translation

from django_wxpay.conf import Problem
from django_wxpay.models import Order
from django_wxpay.models.base import (
    DescriptiveCharField,
    DescriptiveJSONField,
    ExactCharField,
    ExactTextField,
)
from django_wxpay.services.doctor.findings import one_line
from django_wxpay.services.doctor.merchants import account_problems, listed, orphan_problems
from django_wxpay.services.transactions import atomic, database
from django_wxpay.signals import order_paid

_UTF8MB3: Final = frozenset({"utf8", "utf8mb3"})
_COLUMNS: Final = (
    "SELECT table_name, column_name, character_set_name, collation_name "
    "FROM information_schema.columns "
    "WHERE table_schema = DATABASE() AND character_set_name IS NOT NULL"
)
_OPEN_TEXTS: Final = (ExactCharField, ExactTextField, DescriptiveJSONField)
# What importing the modules of a project's URLs may raise.
_UNLOADABLE: Final = (
    AttributeError,
    ImportError,
    ImproperlyConfigured,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def connection_problems() -> Iterator[Problem]:
    """Yield what the settings of our database get wrong, without a query."""
    written = {router.db_for_write(model) for model in _models()}
    unknown = sorted(alias for alias in written if not _exists(alias))
    if unknown:
        yield Problem("E025", f'tables go to DATABASES["{unknown[0]}"], which is missing or empty')
        return
    if len(written) > 1:
        names = ", ".join(sorted(written))
        yield Problem("E025", f"the router writes tables of one app to several databases: {names}")
        return
    (alias,) = written
    if not _may_relate(alias):
        yield Problem("E025", f'the router forbids relations inside DATABASES["{alias}"]')
    entry, options = _entry(alias), _entry(alias).get("OPTIONS") or {}
    where = f'DATABASES["{alias}"]'
    if not entry["AUTOCOMMIT"]:
        yield Problem("E024", f'{where}["AUTOCOMMIT"] is False')
    engine, mode = entry["ENGINE"], options.get("transaction_mode")
    if engine.endswith("sqlite3") and mode != "IMMEDIATE":
        yield Problem("W003", f"{where} is SQLite with deferred transactions")
    if "mysql" in engine and options.get("charset") in _UTF8MB3:
        yield Problem("W005", f'{where}["OPTIONS"]["charset"] cannot carry four-byte characters')


def table_problems(databases: Iterable[str] | None = None) -> Iterator[Problem]:
    """Yield what is wrong in the database of our tables, if it is one of ``databases``.

    A database that does not answer, and tables that are missing, are a problem and no error.
    """
    alias = database()
    if databases is not None and alias not in databases:
        return
    where = f'DATABASES["{alias}"]'
    if not _exists(alias):
        yield Problem("W006", f"{where} is missing or empty")
        return
    try:
        # Checks may run inside a test's transaction, which an error would otherwise break.
        with atomic():
            yield from list(_table_problems(connections[alias], where))
    except (Error, ImproperlyConfigured) as error:
        yield Problem("W006", f"the database does not answer a query: {database_error(error)}")


def database_error(error: Exception) -> str:
    """Return an error of the database in one line, without the statement and its values."""
    # PostgreSQL writes them after the first line.
    (first, *_) = [*str(error).splitlines(), ""]
    return f"{type(error).__name__}: {one_line(first)}"


def url_problems() -> Iterator[Problem]:
    """Yield why ``notify_url`` cannot be made, or is not the same for everybody."""
    addresses = set()
    try:
        # Two languages that no project has to offer; only i18n_patterns tells them apart.
        for language in ("en", "zh-hans"):
            with translation.override(language):
                kwargs = {"merchant": "default"}
                addresses.add(reverse("django_wxpay:notify-payment", kwargs=kwargs))
    except NoReverseMatch:
        yield Problem("E007", "django_wxpay.urls is not included in the URLconf")
    except _UNLOADABLE as error:
        text = one_line(f"{type(error).__name__}: {error}")
        yield Problem("E007", f"the URLconf cannot be loaded: {text}")
    if len(addresses) > 1:
        yield Problem("W013", "django_wxpay.urls is included inside i18n_patterns")


def receiver_problems() -> Iterator[Problem]:
    """Yield that ``order_paid`` has no receiver; the URLconf has to be loaded before."""
    if not order_paid.has_listeners(Order):
        yield Problem(
            "W009", "no receiver is connected to order_paid, so no payment reaches your code"
        )


def _models() -> list[type[models.Model]]:
    return list(apps.get_app_config("django_wxpay").get_models())


def _exists(alias: str) -> bool:
    return alias in connections.settings and not _entry(alias)["ENGINE"].endswith("dummy")


def _entry(alias: str) -> Mapping[str, Any]:
    entry: Mapping[str, Any] = connections.settings[alias]
    return entry


def _may_relate(alias: str) -> bool:
    one, other = Order(), Order()
    one._state.db = other._state.db = alias  # noqa: SLF001
    return bool(router.allow_relation(one, other))


def _table_problems(connection: BaseDatabaseWrapper, where: str) -> Iterator[Problem]:
    wanted = {model._meta.db_table: model for model in _models()}  # noqa: SLF001
    missing = sorted(wanted.keys() - set(connection.introspection.table_names()))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        yield Problem("W006", f"{where} lacks the table {missing[0]}{more}")
        return
    if connection.vendor == "mysql":
        yield from _text_problems(connection, where, wanted)
    elif connection.vendor == "postgresql":
        yield from _encoding_problems(connection, where)
    yield from orphan_problems(connection.alias)
    yield from account_problems()


def _text_problems(
    connection: BaseDatabaseWrapper,
    where: str,
    wanted: Mapping[str, type[models.Model]],
) -> Iterator[Problem]:
    narrow: defaultdict[str, list[str]] = defaultdict(list)
    caseless: defaultdict[str, list[str]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS)
        rows = [row for row in cursor.fetchall() if row[0] in wanted]
    for table, column, charset, collation in rows:
        # The words of a list of ours are ASCII, wherever they stand.
        is_open = column in _columns(wanted[table], *_OPEN_TEXTS)
        if is_open and charset != "utf8mb4":
            narrow[charset].append(f"{table}.{column}")
        if column in _identifiers(wanted[table]) and not collation.endswith(("_bin", "_cs")):
            caseless[collation].append(f"{table}.{column}")
    for charset, names in narrow.items():
        text = f"cannot hold four-byte characters ({charset}): {listed(names)}"
        yield Problem("W005", f"{where}: columns that {text}")
    for collation, names in caseless.items():
        text = f"compared without regard to case ({collation}): {listed(names)}"
        yield Problem("W008", f"{where}: identifiers are {text}")


def _columns(model: type[models.Model], *kinds: type[models.Field[Any, Any]]) -> set[str]:
    fields = model._meta.concrete_fields  # noqa: SLF001
    return {str(field.column) for field in fields if isinstance(field, kinds)}


def _identifiers(model: type[models.Model]) -> set[str]:
    """Return the columns of texts by which something is decided."""
    return _columns(model, ExactCharField) - _columns(model, DescriptiveCharField)


def _encoding_problems(connection: BaseDatabaseWrapper, where: str) -> Iterator[Problem]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        (encoding,) = cursor.fetchone()
    if encoding != "UTF8":
        yield Problem("W005", f"{where} is encoded in {encoding}, which lacks characters")
