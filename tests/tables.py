"""The database of our own tables, in whichever project the suite runs.

Tests open transactions and count queries there; in a project with a router, Django's default
connection is another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from django.db import connections, router, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.connection import ConnectionProxy

from django_wxpay.models import Order

ALIAS: Final = router.db_for_write(Order)
_ATOMIC_REQUESTS: Final = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT")
connection: Any = ConnectionProxy(connections, ALIAS)


def atomic() -> Any:
    """Open a transaction where our tables are written."""
    return transaction.atomic(using=ALIAS)


@contextmanager
def counted() -> Iterator[list[dict[str, str]]]:
    """Fill a list with the queries of every database, whichever tables it holds.

    What ATOMIC_REQUESTS costs is the project's own affair, and left out where it is set.
    """
    found: list[dict[str, str]] = []
    with ExitStack() as stack:
        captured = [stack.enter_context(CaptureQueriesContext(one)) for one in connections.all()]
        yield found
    for one in captured:
        atomic_requests = one.connection.settings_dict["ATOMIC_REQUESTS"]
        found += [
            query
            for query in one.captured_queries
            if not (atomic_requests and query["sql"].startswith(_ATOMIC_REQUESTS))
        ]
