from __future__ import annotations

import queue

import pytest

from django_wxpay.gateway.http.adapter import IDLE_S, IdleConnections


class Connection:
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("idle_s", "is_closed"),
    [(0.0, False), (6.9, False), (7.0, False), (7.01, True), (3600.0, True), (-1.0, True)],
)
def test_an_idle_connection_is_closed_before_the_gateway_does_it(
    idle_s: float, is_closed: bool
) -> None:
    now = [50.0]
    kept = IdleConnections(2, clock=lambda: now[0])
    connection = Connection()
    kept.put(connection)
    now[0] += idle_s
    assert kept.get(block=False) is connection
    assert connection.is_closed is is_closed


def test_the_limit_is_under_the_eight_seconds_of_the_gateway() -> None:
    assert IDLE_S == 7.0


def test_a_forked_process_does_not_speak_on_its_parents_connection() -> None:
    process = [1]
    kept = IdleConnections(2, process=lambda: process[0])
    connection = Connection()
    kept.put(connection)
    process[0] = 2
    assert kept.get(block=False) is connection
    assert connection.is_closed


def test_a_connection_that_was_never_opened_stays_none() -> None:
    now = [50.0]
    kept = IdleConnections(2, clock=lambda: now[0])
    kept.put(None)
    now[0] += 100
    assert kept.get(block=False) is None


def test_the_connection_used_last_is_used_first() -> None:
    kept = IdleConnections(2)
    first, second = Connection(), Connection()
    kept.put(first)
    kept.put(second)
    with pytest.raises(queue.Full):
        kept.put(Connection(), block=False)
    assert [kept.get(), kept.get()] == [second, first]
    with pytest.raises(queue.Empty):
        kept.get(block=False)
