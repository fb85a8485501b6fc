"""Threads that nobody waits for without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connections

from django_wxpay.services import patience
from tests.tables import ALIAS, atomic


@pytest.fixture
def over() -> Iterator[threading.Event]:
    over = threading.Event()
    yield over
    over.set()


@pytest.mark.django_db(transaction=True)
def test_an_action_runs_on_a_daemon_thread_with_connections_of_its_own() -> None:
    mine = connections[ALIAS]

    def action() -> tuple[bool, bool, bool]:
        connections[ALIAS].ensure_connection()
        here = threading.current_thread()
        return here.daemon, here is threading.main_thread(), connections[ALIAS] is mine

    future = patience.start(action, name="tea")
    assert patience.has_ended(future, 10)
    assert future.result() == (True, False, False)


@pytest.mark.django_db(transaction=True)
def test_one_that_takes_too_long_is_left_behind(over: threading.Event) -> None:
    future = patience.start(lambda: over.wait(10), name="tea")
    assert not patience.has_ended(future, 0.01)
    over.set()
    assert patience.has_ended(future, 10)


@pytest.mark.django_db(transaction=True)
def test_what_it_raises_in_time_is_raised(over: threading.Event) -> None:
    def raises() -> None:
        raise ValueError("tea")

    with pytest.raises(ValueError, match="tea"):
        patience.run_for(raises, 10)


@pytest.mark.django_db(transaction=True)
def test_what_it_raises_later_is_logged(
    over: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    def raises_later() -> None:
        over.wait(10)
        raise ValueError("tea")

    patience.run_for(raises_later, 0.01)
    patience.run_for(lambda: None, 10)
    over.set()
    deadline = time.monotonic() + 10
    while not caplog.records and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [record.getMessage() for record in caplog.records] == [
        "nobody waited for this error any more"
    ]


@pytest.mark.django_db(transaction=True)
def test_in_an_open_transaction_it_runs_here_and_now() -> None:
    with atomic():
        future = patience.start(threading.current_thread, name="tea")
        assert future.done()
        assert future.result() is threading.current_thread()
