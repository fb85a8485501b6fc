"""Threads that nobody waits for without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from django.db import DatabaseError, connections
from django.utils import translation

from django_wxpay.services import patience
from tests.tables import ALIAS, atomic

T = TypeVar("T")


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

    def ends_later() -> None:
        over.wait(10)

    patience.run_for(raises_later, 0.01)
    patience.run_for(ends_later, 0.01)
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


@pytest.fixture
def hand() -> Iterator[patience.Hand]:
    hand = patience.Hand(name="tea")
    yield hand
    hand.end()
    hand.wait_for_end()


def _done_by(hand: patience.Hand, action: Callable[[], T]) -> T:
    future = hand.start(action)
    assert patience.has_ended(future, 10)
    return future.result()


@pytest.mark.django_db(transaction=True)
def test_a_hand_keeps_its_thread_and_its_connection_for_the_next_action(
    hand: patience.Hand,
) -> None:
    def action() -> tuple[threading.Thread, Any]:
        connections[ALIAS].ensure_connection()
        return threading.current_thread(), connections[ALIAS].connection

    (thread, driver), again = _done_by(hand, action), _done_by(hand, action)
    assert again == (thread, driver)
    assert thread.daemon
    assert thread is not threading.main_thread()


@pytest.mark.django_db(transaction=True)
def test_a_hand_that_is_told_to_end_closes_its_connections() -> None:
    hand = patience.Hand(name="tea")

    def connect() -> Any:
        connections[ALIAS].ensure_connection()
        return connections[ALIAS]

    own = _done_by(hand, connect)
    assert own.connection is not None
    hand.end()
    hand.wait_for_end()
    assert own.connection is None


@pytest.mark.django_db(transaction=True)
def test_a_hand_is_there_for_the_next_action_whatever_the_last_one_raised(
    hand: patience.Hand,
) -> None:
    def raises() -> None:
        raise ValueError("tea")

    with pytest.raises(ValueError, match="tea"):
        _done_by(hand, raises)
    assert _done_by(hand, lambda: "more tea") == "more tea"


def _leaves_a_transaction_open() -> None:
    atomic().__enter__()


def _leaves_autocommit_off() -> None:
    connections[ALIAS].set_autocommit(False)


def _meets_an_error() -> None:
    with pytest.raises(DatabaseError), connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_tea")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "leaves", [_leaves_a_transaction_open, _leaves_autocommit_off, _meets_an_error]
)
def test_what_an_action_leaves_on_its_connection_is_none_of_the_next_ones(
    hand: patience.Hand, leaves: Callable[[], None]
) -> None:
    def state() -> tuple[Any, bool, bool]:
        here = connections[ALIAS]
        here.ensure_connection()
        return here.connection, here.in_atomic_block, here.get_autocommit()

    before, *_ = _done_by(hand, state)
    _done_by(hand, leaves)
    after, *rest = _done_by(hand, state)
    assert after is not before
    assert rest == [False, True]


@pytest.mark.django_db(transaction=True)
def test_a_language_that_an_action_activates_is_none_of_the_next_ones(
    hand: patience.Hand,
) -> None:
    before = _done_by(hand, translation.get_language)
    _done_by(hand, lambda: translation.activate("ja"))
    assert _done_by(hand, translation.get_language) == before != "ja"


@pytest.mark.django_db(transaction=True)
def test_in_an_open_transaction_a_hand_leaves_the_action_to_its_caller(
    hand: patience.Hand,
) -> None:
    with atomic():
        assert _done_by(hand, threading.current_thread) is threading.current_thread()
