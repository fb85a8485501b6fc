"""The adapter's queue of idle connections, its deadline, and what it relies on in urllib3."""

from __future__ import annotations

import http.client
import io
import queue
import socket
from collections.abc import Iterator

import pytest
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from django_wxpay.gateway.http.adapter import (
    IDLE_S,
    DeadlineReader,
    DeadlineResponse,
    IdleConnections,
    PooledAdapter,
)

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


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


def test_bytes_are_read_while_there_is_time(pair: Pair) -> None:
    ours, theirs = pair
    ours.settimeout(5)
    theirs.sendall(b"hello")
    with io.BufferedReader(DeadlineReader(ours)) as reader:
        assert reader.read(5) == b"hello"


def test_time_runs_once_and_not_anew_with_every_byte(pair: Pair) -> None:
    ours, theirs = pair
    ours.settimeout(5)
    now = [0.0]
    theirs.sendall(b"abc")
    with DeadlineReader(ours, lambda: now[0]) as reader:
        assert reader.read(1) == b"a"
        now[0] = 4.0
        assert reader.read(1) == b"b"
        assert ours.gettimeout() == 1.0
        now[0] = 5.0
        with pytest.raises(TimeoutError, match="too long"):
            reader.read(1)


def test_a_clock_that_goes_back_grants_no_more_than_the_time_out(pair: Pair) -> None:
    ours, theirs = pair
    ours.settimeout(5)
    now = [100.0]
    theirs.sendall(b"a")
    with DeadlineReader(ours, lambda: now[0]) as reader:
        now[0] = 0.0
        assert reader.read(1) == b"a"
    assert ours.gettimeout() == 5.0


def test_a_socket_without_a_time_out_gets_no_time_at_all(pair: Pair) -> None:
    ours, theirs = pair
    ours.settimeout(None)
    theirs.sendall(b"a")
    with DeadlineReader(ours) as reader, pytest.raises(TimeoutError):
        reader.read(1)


def test_closing_the_reader_leaves_the_socket_open(pair: Pair) -> None:
    ours, theirs = pair
    ours.settimeout(5)
    DeadlineReader(ours).close()
    ours.sendall(b"still here")
    assert theirs.recv(16) == b"still here"


# What the adapter relies on in urllib3 and http.client


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_pool_is_made_of_our_queue_and_our_response(scheme: str) -> None:
    adapter = PooledAdapter()
    pool = adapter.poolmanager.connection_from_url(f"{scheme}://a.test")
    assert isinstance(pool.pool, IdleConnections)
    assert isinstance(pool, urllib3.HTTPConnectionPool)
    connection = pool._new_conn()
    assert isinstance(connection, HTTPSConnection if scheme == "https" else HTTPConnection)
    assert connection.response_class is DeadlineResponse


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_so_is_every_pool_behind_a_proxy(scheme: str) -> None:
    manager = PooledAdapter().proxy_manager_for("http://proxy.test:3128")
    pool = manager.connection_from_url(f"{scheme}://a.test")
    assert isinstance(pool.pool, IdleConnections)
    assert pool.ConnectionCls.response_class is DeadlineResponse


def test_urllib3_still_makes_its_pools_from_the_names_that_are_replaced() -> None:
    manager = urllib3.PoolManager()
    assert set(manager.pool_classes_by_scheme) == {"http", "https"}
    for pool in manager.pool_classes_by_scheme.values():
        assert issubclass(pool.QueueCls, queue.LifoQueue)
        assert issubclass(pool.ConnectionCls, http.client.HTTPConnection)
        assert pool.ConnectionCls.response_class is http.client.HTTPResponse


def test_a_connection_reads_its_answer_with_the_class_it_names(pair: Pair) -> None:
    ours, theirs = pair
    ours.settimeout(5)
    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    response = DeadlineResponse(ours)
    assert isinstance(response.fp, io.BufferedReader)
    assert isinstance(response.fp.raw, DeadlineReader)
    response.begin()
    assert (response.status, response.read()) == (200, b"hi")
