"""Notifications whose database connection is killed at each of their statements."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, close_old_connections, connections
from django.test import Client
from django.urls import reverse

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.services import clock
from tests.races.conftest import Shop
from tests.tables import ALIAS, connection
from tests.wechatpay.v2 import payment_notice

pytestmark = pytest.mark.races

# More than one notification makes, its receivers included.
_MOST: range = range(14)


class Killer:
    """A wrapper of statements that has the server kill the session before the ``at``-th."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._seen = 0
        self.has_killed = False

    def __call__(self, execute: Callable[..., Any], *statement: Any) -> Any:
        if self._seen == self._at and not self.has_killed:
            self.has_killed = True
            kill()
        self._seen += 1
        return execute(*statement)


def kill() -> None:
    """Kill this thread's session from another one; SQLite has no sessions."""
    raw = connection.connection
    if connection.vendor == "sqlite":
        return
    other = connections.create_connection(ALIAS)
    try:
        with other.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [raw.info.backend_pid])
            else:
                cursor.execute(f"KILL CONNECTION {raw.thread_id():d}")
                _wait_until_gone(cursor, raw.thread_id())
    finally:
        other.close()


def _wait_until_gone(cursor: Any, session: int) -> None:
    for _ in range(1000):
        cursor.execute("SELECT 1 FROM information_schema.processlist WHERE id = %s", [session])
        if not cursor.fetchone():
            return
    pytest.fail("the session lives on")


@pytest.mark.parametrize("at", _MOST)
def test_a_connection_that_dies_costs_no_payment_and_no_500(
    at: int, order: Order, shop: Shop
) -> None:
    pays_once(order, shop, connection.execute_wrapper(Killer(at)))


def pays_once(order: Order, shop: Shop, trouble: AbstractContextManager[object]) -> None:
    """Deliver a payment in spite of ``trouble``, and look at what came of it."""
    path = reverse("django_wxpay:notify-payment", kwargs={"merchant": "default"})
    client = Client(raise_request_exception=False)

    def deliver() -> bool:
        answer = client.post(path, payment_notice(order.out_trade_no), content_type="text/xml")
        assert answer.status_code == 200, answer.content
        # As at the end of every request, which the test client leaves out.
        close_old_connections()
        return b"SUCCESS" in answer.content

    # WeChat Pay sends it again if it was not accepted, and what is left over is for the jobs.
    with trouble:
        is_accepted = deliver()
    assert is_accepted or deliver()
    OrderEvent.objects.filter(dispatched_at=None).update(next_dispatch_at=clock.now())
    services.dispatch_events()

    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    assert Notification.objects.get().outcome == "APPLIED"
    assert OrderEvent.objects.filter(kind="PAID").count() == 1
    assert shop.lines == [f"paid {order.out_trade_no}"]


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("at", range(3))
def test_a_connection_that_dies_with_a_commit_costs_no_payment_and_doubles_none(
    at: int, is_before: bool, order: Order, shop: Shop
) -> None:
    """Whether the COMMIT arrived, nobody is told."""
    commits: list[int] = []
    backend = type(connections[ALIAS])
    commit = backend._commit

    def commit_and_die(self: Any) -> None:
        commits.append(1)
        is_the_one = len(commits) == at + 1
        if is_the_one and is_before:
            kill()
        commit(self)
        if is_the_one and not is_before:
            kill()
            raise OperationalError(2013, "Lost connection to server during query")

    pays_once(order, shop, mock.patch.object(backend, "_commit", commit_and_die))
