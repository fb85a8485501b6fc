"""The databases of a benchmark: made for it, used as in production, and dropped at its end.

``WXPAY_TEST_DATABASE`` chooses the server, as for the tests. SQLite is a file in WAL mode that
waits for the disk as the example shop does. ``TMPDIR`` chooses the disk.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.apps import apps

from tests import neighbours
from tests.benchmarks.measuring import say

SETTINGS = "tests.settings"
WHEN_TESTS_NEED_NO_DISK = "PRAGMA synchronous=OFF;"
AS_THE_SHOP_HAS_IT = "PRAGMA synchronous=NORMAL;"


def set_up() -> None:
    """Set Django up for this process, once, as it is in production: without ``DEBUG``."""
    if apps.ready:
        return
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    django.setup()
    from django.conf import settings

    settings.DEBUG = False
    options = settings.DATABASES["default"].get("OPTIONS", {})
    if "init_command" in options:
        options["init_command"] = options["init_command"].replace(
            WHEN_TESTS_NEED_NO_DISK, AS_THE_SHOP_HAS_IT
        )


@contextmanager
def database(name: str = "only") -> Iterator[str]:
    """Make an empty database with all tables, use it, and give its full name; drop it at the end.

    Several may be open, one within the other; ``use`` goes from one to another.
    """
    set_up()
    from django.db import connection

    full = f"wxpay_bench_{os.getpid()}_{name}"
    if connection.vendor == "sqlite":
        full = str(Path(tempfile.gettempdir()) / f"{full}.sqlite3")
    was = str(connection.settings_dict["NAME"])
    connection.settings_dict["TEST"]["NAME"] = full
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield full
    finally:
        use(full)
        connection.creation.destroy_test_db(was, verbosity=0)


def use(full: str) -> None:
    """Go over to the database of this full name; a worker joins its parent's with it."""
    set_up()
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = full


def use_merchants(merchants: Mapping[str, Any]) -> None:
    """Give the shop these merchants."""
    from django.conf import settings
    from django.core.signals import setting_changed

    settings.WXPAY = {"NOTIFY_BASE_URL": "https://shop.example.com", "MERCHANTS": merchants}
    setting_changed.send(sender=None, setting="WXPAY", value=settings.WXPAY, enter=True)


def keep_connection(*, is_kept: bool) -> None:
    """Keep the connection after a request (``CONN_MAX_AGE=None``), or close it (0, the default)."""
    from django.db import connection

    connection.close()
    connection.settings_dict["CONN_MAX_AGE"] = None if is_kept else 0


def version() -> str:
    """Return the server's name and version: ``SQLite 3.46.1``."""
    set_up()
    from django.db import connection

    if connection.vendor == "sqlite":
        numbers = connection.get_database_version()
    else:
        # The database of the settings exists only while a test uses it.
        with connection._nodb_cursor() as cursor:
            numbers = cursor.db.get_database_version()
    server = neighbours.DATABASES[os.environ.get("WXPAY_TEST_DATABASE", "sqlite")]
    return f"{server.name} {'.'.join(map(str, numbers))}"


if __name__ == "__main__":
    say(version())
