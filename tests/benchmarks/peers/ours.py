"""Our notification view as a competitor: the example shop, and orders that wait for their money.

Every action is the first notification of an order: verified, settled, and the shop's receiver told.
``HELD`` has another connection to the file of SQLite open meanwhile, as another process may.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial

from tests.benchmarks.databases import database, keep_connection
from tests.benchmarks.peers.obeying import Action, obey
from tests.benchmarks.wsgi import Application, accepted, post

PATH = "/wxpay/notify/default/payment/"
HELD = "held"
_numbers = itertools.count(1)
_holding = ExitStack()


def main() -> None:
    """Serve until the input ends."""
    with database("ours") as file, _holding:
        obey(lambda way, count, is_kept: notifications(file, way, count, is_kept=is_kept))


def notifications(file: str, way: str, count: int, *, is_kept: bool) -> Iterator[Action]:
    """Make orders and their notifications."""
    from django.core.handlers.wsgi import WSGIHandler

    from django_wxpay import services
    from tests.journeys.stage import payment_notice

    application = WSGIHandler()
    for at in itertools.islice(_numbers, count):
        number = f"BENCH{at:07d}"
        services.create_order(
            trade_type="NATIVE",
            body="Tea",
            total_fee=1250,
            product_id="TEA-1",
            out_trade_no=number,
        )
        body = payment_notice(number, transaction_id=f"42{at:026d}")
        yield partial(_posted, application, body)
    keep_connection(is_kept=is_kept)
    _holding.close()
    if way == HELD:
        other = _holding.enter_context(closing(sqlite3.connect(file)))
        # Only a connection that has read takes part in the log.
        other.execute("SELECT count(*) FROM django_migrations").fetchone()


def _posted(application: Application, body: bytes) -> None:
    accepted(post(application, PATH, body), word=b"SUCCESS")


if __name__ == "__main__":
    main()
