"""Database errors by what they call for: to wait, to connect anew, or to give up.

Decided by the code of the driver, which is the cause of Django's own exception. A driver's
exception may also arrive as it is: not every call of a driver is wrapped by Django.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from django.db import Error, InterfaceError, OperationalError


class Remedy(Enum):
    """The answer to an error: ``WAIT`` for a lock, ``RECONNECT``, or ``NONE`` that helps."""

    WAIT = "wait"
    RECONNECT = "reconnect"
    NONE = "none"


class UndoneByAnother(OperationalError):
    """A transaction of ours that another one was ahead of: rolled back, and to be begun again."""


# SQLSTATE: serialization failure, deadlock, and a lock that was not had in time.
_PG_LOCKS: Final = frozenset({"40001", "40P01", "55P03"})
# Shut down by the server, in its own words; class 08 is the connection itself.
_PG_LOST: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
_PG_ABORTED: Final = "25P02"
# A lock that was not had in time, a deadlock, a row that moved on in a snapshot, and a commit
# that a cluster refused. 3572 is MySQL's NOWAIT.
_MYSQL_LOCKS: Final = frozenset({1205, 1213, 1020, 3101, 3572})
# 0 is PyMySQL's "not connected"; the others are a server that went, was killed or is full.
_MYSQL_LOST: Final = frozenset(
    {0, 1040, 1053, 1152, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2012, 2013, 2026, 2055}
    | {4031},
)
# SQLITE_BUSY, SQLITE_LOCKED, and SQLITE_PROTOCOL: a lock of the write-ahead log.
_SQLITE_LOCKS: Final = frozenset({5, 6, 15})
_MYSQL_DRIVERS: Final = ("pymysql", "MySQLdb")
_DEADLOCK: Final = 1213
_LOCK_TIMEOUT: Final = 1205


def remedy(error: BaseException) -> Remedy:
    """Return what may help against ``error``; ``NONE`` for what is no error of a database."""
    driver = _of_driver(error)
    if isinstance(error, UndoneByAnother):
        return Remedy.WAIT
    if (sqlite := getattr(driver, "sqlite_errorcode", None)) is not None:
        # The low byte is the error, and the others say more about it.
        return Remedy.WAIT if sqlite & 0xFF in _SQLITE_LOCKS else Remedy.NONE
    # Before the SQLSTATE, which PyMySQL's have as well, and which says less.
    if (code := _mysql_code(error)) is not None:
        return _of_mysql(code)
    if (sqlstate := _sqlstate(driver)) is not None:
        return _of_postgresql(error, sqlstate)
    if isinstance(error, OperationalError) and " is locked" in str(error):
        return Remedy.WAIT
    return Remedy.RECONNECT if isinstance(error, InterfaceError) else Remedy.NONE


def ended_transaction(error: BaseException) -> bool:
    """Return whether the server rolls a whole transaction back with ``error`` (MySQL, MariaDB)."""
    return _mysql_code(error) == _DEADLOCK


def may_have_ended_transaction(error: BaseException) -> bool:
    """Return whether a setting of the server decides that (``innodb_rollback_on_timeout``)."""
    return _mysql_code(error) == _LOCK_TIMEOUT


def is_in_aborted_transaction(error: BaseException) -> bool:
    """Return whether an earlier error has ended this transaction already (PostgreSQL)."""
    return _sqlstate(_of_driver(error)) == _PG_ABORTED


def _of_driver(error: BaseException) -> BaseException:
    return error.__cause__ if isinstance(error, Error) and error.__cause__ else error


def _sqlstate(driver: BaseException) -> str | None:
    # By attribute, for no driver need be installed: psycopg, and psycopg2 before it. An error of
    # the connection itself has the attribute, and nothing in it.
    for name in ("sqlstate", "pgcode"):
        if hasattr(driver, name):
            state: Any = getattr(driver, name)
            return str(state or "")
    return None


def _of_postgresql(error: BaseException, sqlstate: str) -> Remedy:
    if sqlstate in _PG_LOCKS:
        return Remedy.WAIT
    is_lost = sqlstate in _PG_LOST or sqlstate.startswith("08")
    if not sqlstate:
        is_lost = type(_of_driver(error)).__name__ in {"OperationalError", "InterfaceError"}
    return Remedy.RECONNECT if is_lost else Remedy.NONE


def _mysql_code(error: BaseException) -> int | None:
    # Only of what a driver or Django raised: another exception may hold any number.
    driver = _of_driver(error)
    is_driver = isinstance(error, Error) or type(driver).__module__.startswith(_MYSQL_DRIVERS)
    code = driver.args[0] if is_driver and driver.args else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _of_mysql(code: int) -> Remedy:
    if code in _MYSQL_LOCKS:
        return Remedy.WAIT
    return Remedy.RECONNECT if code in _MYSQL_LOST else Remedy.NONE
