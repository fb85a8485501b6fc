"""Errors of three databases and their drivers, and what each calls for."""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg
import pymysql
import pytest
from django.db import Error, IntegrityError, InterfaceError, InternalError, OperationalError

from django_wxpay.services.database_errors import (
    Remedy,
    UndoneByAnother,
    ended_transaction,
    is_in_aborted_transaction,
    may_have_ended_transaction,
    remedy,
)


def wrapped(error: Error, driver: BaseException) -> Error:
    """Return ``error`` as Django raises it for an error of a driver."""
    error.__cause__ = driver
    return error


def mysql(code: int) -> pymysql.err.OperationalError:
    return pymysql.err.OperationalError(code, "in its words")


def sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("in its words")
    error.sqlite_errorcode = code
    return error


class Psycopg2Error(Exception):
    """psycopg2 calls the SQLSTATE ``pgcode``."""

    pgcode = "40001"


PG = psycopg.errors
WAIT: list[BaseException] = [
    UndoneByAnother("another worker was faster"),
    wrapped(OperationalError(), PG.SerializationFailure()),
    wrapped(OperationalError(), PG.DeadlockDetected()),
    wrapped(OperationalError(), PG.LockNotAvailable()),
    wrapped(OperationalError(), Psycopg2Error()),
    PG.DeadlockDetected(),
    wrapped(OperationalError(), mysql(1213)),
    wrapped(OperationalError(), mysql(1205)),
    wrapped(OperationalError(), mysql(1020)),
    mysql(1213),
    wrapped(OperationalError(), sqlite(5)),
    wrapped(OperationalError(), sqlite(5 | 2 << 8)),
    wrapped(OperationalError(), sqlite(6)),
    OperationalError("database is locked"),
]
RECONNECT: list[BaseException] = [
    wrapped(OperationalError(), psycopg.OperationalError("the connection is closed")),
    wrapped(OperationalError(), PG.AdminShutdown()),
    wrapped(OperationalError(), PG.ConnectionFailure()),
    wrapped(OperationalError(), PG.IdleInTransactionSessionTimeout()),
    psycopg.InterfaceError("the connection is lost"),
    wrapped(OperationalError(), mysql(2006)),
    wrapped(OperationalError(), mysql(2013)),
    wrapped(OperationalError(), mysql(1927)),
    wrapped(InterfaceError(), pymysql.err.InterfaceError(0, "")),
    pymysql.err.InterfaceError(0, ""),
    mysql(2013),
    InterfaceError("connection already closed"),
]
NONE: list[BaseException] = [
    OperationalError("no such table: tea"),
    OperationalError("the database is away"),
    wrapped(OperationalError(), sqlite(13)),
    wrapped(OperationalError(), PG.QueryCanceled()),
    wrapped(OperationalError(), PG.DiskFull()),
    wrapped(InternalError(), PG.InFailedSqlTransaction()),
    wrapped(IntegrityError(), PG.UniqueViolation()),
    wrapped(IntegrityError(), pymysql.err.IntegrityError(1062, "Duplicate entry")),
    wrapped(OperationalError(), psycopg.ProgrammingError("no connection")).__cause__,  # type: ignore[list-item]
    wrapped(OperationalError(), mysql(1364)),
    ValueError(1213),
    ValueError("database is locked"),
    KeyError(0),
    OSError(2006, "not a driver's"),
    Exception(),
]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(each, Remedy.WAIT) for each in WAIT]
    + [(each, Remedy.RECONNECT) for each in RECONNECT]
    + [(each, Remedy.NONE) for each in NONE],
    ids=repr,
)
def test_what_failed_decides_what_is_done(error: BaseException, expected: Remedy) -> None:
    assert remedy(error) is expected


@pytest.mark.parametrize(
    ("error", "ended", "may_have", "aborted"),
    [
        (wrapped(OperationalError(), mysql(1213)), True, False, False),
        (wrapped(OperationalError(), mysql(1205)), False, True, False),
        (wrapped(InternalError(), PG.InFailedSqlTransaction()), False, False, True),
        (wrapped(OperationalError(), sqlite(5)), False, False, False),
    ],
)
def test_what_an_error_says_about_its_transaction(
    error: Any, ended: bool, may_have: bool, aborted: bool
) -> None:
    assert ended_transaction(error) is ended
    assert may_have_ended_transaction(error) is may_have
    assert is_in_aborted_transaction(error) is aborted
