from __future__ import annotations

import io
import socket
from collections.abc import Iterator

import pytest

from django_wxpay.gateway.http.adapter import DeadlineReader

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


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
