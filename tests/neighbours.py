"""The servers beside us: which the suite may use, which are there, and which were used.

``WXPAY_TEST_DATABASE`` chooses the database of a run: sqlite (the default), postgresql or
mariadb. ``WXPAY_TEST_ISOLATION=strict`` runs PostgreSQL with SERIALIZABLE and MariaDB with
REPEATABLE READ, MySQL's own default, in the place of READ COMMITTED, which is Django's. Nothing
here is needed: the suite passes on a machine that has only SQLite.
"""

from __future__ import annotations

import os
import socket
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymysql
from psycopg import IsolationLevel

_POSTGRESQL_SOCKETS: Final = Path("/var/run/postgresql")
_HOST: Final = "127.0.0.1"
_PATIENCE_S: Final = 0.25

# Two checkouts on one machine never share a test database.
_NAME: Final = f"wxpay_{zlib.crc32(str(Path(__file__).resolve()).encode()):08x}"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A server that may run on this machine; port 0 is no server at all."""

    name: str
    port: int

    def is_there(self) -> bool:
        """Say whether something listens, without waiting long to find out."""
        if not self.port:
            return True
        try:
            socket.create_connection((_HOST, self.port), timeout=_PATIENCE_S).close()
        except OSError:
            return False
        return True


SQLITE: Final = Neighbour("SQLite", 0)
POSTGRESQL: Final = Neighbour("PostgreSQL", 5432)
MARIADB: Final = Neighbour("MariaDB", 3306)
REDIS: Final = Neighbour("Redis", 6379)
RABBITMQ: Final = Neighbour("RabbitMQ", 5672)
NEIGHBOURS: Final = (SQLITE, POSTGRESQL, MARIADB, REDIS, RABBITMQ)
DATABASES: Final = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "mariadb": MARIADB}


def database(choice: str) -> dict[str, Any] | None:
    """Return Django's entry for ``choice``, or None for the example project's own SQLite."""
    is_strict = os.environ.get("WXPAY_TEST_ISOLATION") == "strict"
    if DATABASES[choice] is POSTGRESQL:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _NAME,
            "USER": "postgres",
            "OPTIONS": {"isolation_level": IsolationLevel.SERIALIZABLE} if is_strict else {},
            "HOST": str(_POSTGRESQL_SOCKETS) if _POSTGRESQL_SOCKETS.is_dir() else _HOST,
        }
    if DATABASES[choice] is MARIADB:
        pymysql.install_as_MySQLdb()
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": _NAME,
            "USER": "root",
            "HOST": _HOST,
            # Reading every trusted certificate costs 50 ms a connection, and nothing here is TLS.
            "OPTIONS": {
                "charset": "utf8mb4",
                "ssl_disabled": True,
                "isolation_level": "repeatable read" if is_strict else "read committed",
            },
        }
    return None


def summary(used: set[str]) -> str:
    """Return the closing line of a run; ``used`` holds names of neighbours."""
    return "services: " + "; ".join(
        f"{each.name} {'used' if each.name in used else _idle(each)}" for each in NEIGHBOURS
    )


def _idle(neighbour: Neighbour) -> str:
    return "here, not used" if neighbour.is_there() else "not here"
