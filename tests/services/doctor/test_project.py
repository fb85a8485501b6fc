"""Problems of the project around the package, as the checks and the doctor both find them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import InterfaceError, OperationalError, connections, models
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext

from django_wxpay.models import Order, OrderEvent
from django_wxpay.services.doctor import diagnosis, merchants, project
from django_wxpay.services.doctor.findings import Finding, Level, Subject
from tests.factories import OrderEventFactory, OrderFactory
from tests.tables import ALIAS, connection

pytestmark = pytest.mark.django_db

ERROR, WARNING, _ = Level


def checked(*databases: str) -> list[str | None]:
    """Return what ``manage.py check`` finds of ours, as its codes."""
    # None would be every database to Django 6.1, those that a test only names among them.
    found = run_checks(databases=list(databases))
    return [message.id for message in found if str(message.id).startswith("django_wxpay.")]


def diagnosed(**options: Any) -> list[Finding]:
    found = diagnosis.diagnose(ask=False, **options)
    return [finding for finding in found if finding.level is not Level.OK]


def the_finding(code: str, **options: Any) -> Finding:
    (finding,) = [each for each in diagnosed(**options) if each.message.endswith(f"({code}).")]
    assert finding.advice
    return finding


class Routed:
    """A router that sends the tables of one app where ``written`` says."""

    def __init__(self, *, related: bool | None = None, **written: str) -> None:
        self.written = written
        self.related = related

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        if model._meta.app_label != "django_wxpay":
            return None
        return self.written.get(model.__name__, self.written.get("other", "default"))

    def allow_relation(self, *objects: Any, **hints: Any) -> bool | None:
        return self.related


# The entry of the database


@contextmanager
def entry(**changes: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setitem(connection.settings_dict, name, value)
        yield


def test_without_autocommit_it_is_an_error_of_both() -> None:
    with entry(AUTOCOMMIT=False):
        assert checked() == ["django_wxpay.E024"]
        assert the_finding("E024").level is ERROR


def test_sqlite_whose_writers_do_not_queue_is_a_warning_of_both() -> None:
    with entry(ENGINE="django.db.backends.sqlite3", OPTIONS={}):
        assert checked() == ["django_wxpay.W003"]
        assert the_finding("W003").level is WARNING
    for database in (
        {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"transaction_mode": "IMMEDIATE"}},
        {"ENGINE": "django.db.backends.postgresql", "OPTIONS": None},
        {"ENGINE": "django.db.backends.mysql", "OPTIONS": {"charset": "utf8mb4"}},
    ):
        with entry(**database):
            assert list(project.connection_problems()) == []


@pytest.mark.parametrize("charset", ["utf8", "utf8mb3"])
def test_a_connection_without_four_byte_characters_is_a_warning(charset: str) -> None:
    with entry(ENGINE="django.db.backends.mysql", OPTIONS={"charset": charset}):
        (problem,) = project.connection_problems()
    assert (problem.code, "four-byte" in problem.message) == ("W005", True)


# The router


def test_tables_in_several_databases_are_an_error_of_both(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings, "events", connection.settings_dict)
    monkeypatch.setattr(diagnosis, "_DATABASE_CHECKS", ())
    settings.DATABASE_ROUTERS = [Routed(OrderEvent="events")]
    assert checked() == ["django_wxpay.E025"]
    finding = the_finding("E025")
    assert finding.level is ERROR
    assert "default, events" in finding.message


def test_relations_that_the_router_forbids_are_an_error(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [Routed(related=False)]
    assert "forbids relations" in the_finding("E025").message
    settings.DATABASE_ROUTERS = [Routed(related=True)]
    assert checked() == []


def test_a_database_that_is_missing_or_empty_is_an_error_of_both_and_no_traceback(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATABASE_ROUTERS = [Routed(other="nowhere")]
    assert "nowhere" in the_finding("E025").message
    assert [each.code for each in project.table_problems()] == ["W006"]

    dummy = {**connection.settings_dict, "ENGINE": "django.db.backends.dummy"}
    monkeypatch.setitem(connections.settings, "nowhere", dummy)
    assert "nowhere" in the_finding("E025").message
    assert [each.code for each in project.table_problems()] == ["W006"]


# The tables


def test_tables_are_looked_at_where_they_are_written_and_only_when_it_is_asked(
    settings: Any,
) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert list(project.table_problems(())) == []
        assert list(project.table_problems(["another"])) == []
        checked()
    assert len(queries) == 0
    assert list(project.table_problems([ALIAS])) == []
    assert checked(ALIAS) == []


def test_missing_tables_are_a_warning_before_migrate_and_an_error_of_the_doctor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection.introspection, "table_names", list)
    (message,) = [each for each in run_checks(databases=[ALIAS]) if "wxpay" in str(each.id)]
    assert message.id == "django_wxpay.W006"
    lacks = "lacks the table django_wxpay_apireport and 17 more"
    assert message.msg == f'DATABASES["{ALIAS}"] {lacks}'
    assert "migrate" in str(message.hint)
    finding = the_finding("W006")
    assert finding.level is ERROR

    names = [model._meta.db_table for model in project._models()][1:]
    monkeypatch.setattr(connection.introspection, "table_names", lambda: names)
    assert "more" not in the_finding("W006").message


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_named_once_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def away() -> list[str]:
        raise error("the server closed the connection\nLINE 1: SELECT secret")

    monkeypatch.setattr(connection.introspection, "table_names", away)
    assert checked(ALIAS) == ["django_wxpay.W006"]
    found = [each for each in diagnosed() if "does not answer" in each.message]
    (finding,) = found
    assert finding.level is ERROR
    assert "secret" not in finding.message


class Answering:
    """A connection whose one query is answered by ``rows``."""

    def __init__(self, vendor: str, *rows: tuple[Any, ...]) -> None:
        self.vendor = vendor
        self.alias = ALIAS
        self.rows = rows
        self.introspection = connection.introspection

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        yield SimpleNamespace(
            execute=lambda sql: None,
            fetchall=lambda: self.rows,
            fetchone=lambda: self.rows[0],
        )


def columns(charset: str, collation: str) -> list[tuple[str, str, str, str]]:
    names = ["out_trade_no", "merchant", "attach", "err_code_des", "trade_state"]
    return [("django_wxpay_order", name, charset, collation) for name in names]


@pytest.mark.parametrize(
    ("charset", "collation", "codes"),
    [
        ("utf8mb4", "utf8mb4_bin", []),
        ("utf8mb4", "utf8mb4_0900_as_cs", []),
        ("utf8mb4", "utf8mb4_general_ci", ["W008"]),
        ("utf8mb4", "utf8mb4_uca1400_ai_ci", ["W008"]),
        ("utf8mb3", "utf8mb3_bin", ["W005"]),
        ("latin1", "latin1_swedish_ci", ["W005", "W008"]),
    ],
)
def test_what_columns_of_mysql_cannot_hold_or_tell_apart_is_found(
    charset: str, collation: str, codes: list[str]
) -> None:
    others = ("shop_basket", "attach", "latin1", "latin1_swedish_ci")
    mysql: Any = Answering("mysql", *columns(charset, collation), others)
    found = list(project._table_problems(mysql, "here"))
    assert [each.code for each in found] == codes
    said = " ".join(each.message for each in found)
    assert "shop_basket" not in said
    if "W005" in codes:
        assert f"({charset}): django_wxpay_order.attach, django_wxpay_order.err_code_des" in said
        assert "trade_state" not in said
    if codes[-1:] == ["W008"]:
        assert "err_code_des" not in found[-1].message


@pytest.mark.parametrize(("encoding", "codes"), [("UTF8", []), ("LATIN1", ["W005"])])
def test_an_encoding_of_postgresql_that_lacks_characters_is_found(
    encoding: str, codes: list[str]
) -> None:
    postgresql: Any = Answering("postgresql", (encoding,))
    assert [each.code for each in project._table_problems(postgresql, "here")] == codes


# Orders of merchants that are gone


def test_open_orders_of_a_merchant_that_is_gone_are_named_with_count_and_age() -> None:
    OrderFactory(merchant="default", created=True)
    OrderFactory(merchant="over", trade_state="CLOSED")
    for day in (3, 1, 2):
        at = datetime(2026, 5, day, 4, tzinfo=UTC)
        OrderFactory(merchant="old", trade_state="NOTPAY", created_at=at)
    assert checked(ALIAS) == ["django_wxpay.W007"]
    finding = the_finding("W007")
    assert (finding.merchant, finding.level) == ("old", ERROR)
    assert finding.message == (
        'WXPAY["MERCHANTS"] lacks "old", which has 3 open orders, the oldest of '
        "2026-05-01 12:00 CST (W007)."
    )
    assert "Put the merchant back" in finding.advice


def test_a_merchant_that_is_gone_is_left_out_where_another_is_asked_about() -> None:
    OrderFactory(merchant="old", created=True)
    assert diagnosed(merchants=["default"]) == []


def test_finding_them_takes_an_index_and_one_look_a_merchant() -> None:
    for merchant in ("default", "institution", "default", "default"):
        OrderFactory(merchant=merchant)
    with CaptureQueriesContext(connection) as queries:
        assert list(merchants.orphan_problems(ALIAS)) == []
    assert len(queries) == 3
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            plans = [
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}").fetchall() for query in queries
            ]
        assert all(step.startswith("SEARCH") for plan in plans for *_, step in plan)


# Receivers and URLs


def test_a_shop_whose_payments_have_no_receiver_is_warned_unless_it_says_otherwise(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "order_paid", Signal())
    finding = the_finding("W009")
    assert finding.level is WARNING
    assert checked() == ["django_wxpay.W009"]

    settings.SILENCED_SYSTEM_CHECKS = ["django_wxpay.W009"]
    assert diagnosed() == []


def test_an_event_that_nobody_listens_for_is_no_work_for_a_job() -> None:
    event = OrderEventFactory(
        dispatched_at=None, dispatch_attempts=0, created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    # Its order was paid months ago, and no bill was compared since.
    assert [each.subject for each in diagnosed()] == [Subject.WORKER, Subject.BILLS]
    OrderEvent.objects.filter(pk=event.pk).update(kind="CONFLICTED")
    assert Subject.WORKER not in [each.subject for each in diagnosed()]


def test_an_error_cannot_be_silenced_in_the_doctor(settings: Any) -> None:
    settings.SILENCED_SYSTEM_CHECKS = ["django_wxpay.E024"]
    with entry(AUTOCOMMIT=False):
        assert the_finding("E024").level is ERROR


def test_urls_that_are_missing_or_cannot_be_loaded_are_an_error_of_the_doctor(
    settings: Any,
) -> None:
    settings.ROOT_URLCONF = "tests.empty_urls"
    assert the_finding("E007").level is ERROR
    settings.ROOT_URLCONF = "tests.no_such_urls"
    assert "cannot be loaded: ModuleNotFoundError" in the_finding("E007").message


def test_an_address_that_depends_on_the_language_is_a_warning_of_both(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.translated_urls"
    assert checked() == ["django_wxpay.W013"]
    assert the_finding("W013").level is WARNING
    assert the_finding("W013").subject is Subject.CONFIGURATION


def test_without_time_zones_the_doctor_says_so_and_compares_no_times(settings: Any) -> None:
    OrderFactory(merchant="old", created=True)
    settings.USE_TZ = False
    found = diagnosed()
    assert [each.message for each in found if each.level is ERROR] == ["USE_TZ is False (E023)."]


def test_the_table_of_every_model_is_one_of_ours() -> None:
    assert Order in project._models()
    assert project._identifiers(Order) >= {"merchant", "out_trade_no", "transaction_id"}
    assert "trade_state" not in project._identifiers(Order)
