"""Reasons of failures, of the errors that a real client raises."""

from __future__ import annotations

import socket
import threading

import pytest

from django_wxpay.simulator.notifications.delivery import HttpDeliver
from django_wxpay.simulator.notifications.failures import Failure, failure_of


def failure_at(url: str, timeout_s: float = 10) -> Failure:
    try:
        HttpDeliver(timeout_s)(url, b"", {})
    except OSError as error:
        return failure_of(error)
    raise AssertionError("there was an answer")


def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert failure_at(f"http://127.0.0.1:{port}/") is Failure.REFUSED


def test_somebody_listens_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert failure_at(f"http://127.0.0.1:{port}/", timeout_s=0.2) is Failure.TIMEOUT


@pytest.mark.parametrize(
    ("scheme", "answer", "failure"),
    [
        ("http", b"", Failure.CLOSED),
        ("https", b"HTTP/1.1 200 OK\r\n\r\n", Failure.TLS),
        ("http", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, Failure.UNUSABLE),
    ],
)
def test_the_answer_is_none(scheme: str, answer: bytes, failure: Failure) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        assert failure_at(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/") is failure
        thread.join()


def test_addresses_that_lead_nowhere() -> None:
    assert failure_at("http://no-such-host.invalid/") is Failure.UNKNOWN_HOST
    assert failure_at("http://[/") is Failure.BAD_ADDRESS
    assert failure_of(OSError("of a test")) is Failure.UNUSABLE
