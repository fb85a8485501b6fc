"""No answer of the gateway, and no notification, says what it comes from.

H5's page is not one: it is the simulated phone.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping

import pytest

from django_wxpay.simulator import Reply, Simulator, create_app, running
from django_wxpay.simulator.faults.catalogue import CATALOGUE, Stage
from tests.simulator.calling import ACKNOWLEDGED, MCH_ID, NUMBER, ORDER, Merchant
from tests.simulator.v3.calling import MAINLAND, Caller

BETRAYALS = (b"simulat", b"python", b"django", b"wsgi", b"urllib")


class Overheard:
    """What goes over the wire, notifications too."""

    def __init__(self) -> None:
        self.notices: list[tuple[Mapping[str, str], bytes]] = []

    def deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.notices.append((headers, body))
        return Reply(200, ACKNOWLEDGED)


@pytest.fixture
def overheard() -> Overheard:
    return Overheard()


@pytest.fixture
def app(overheard: Overheard) -> Iterator[Simulator]:
    app = create_app(deliver=overheard.deliver)
    yield app
    app.reset()


@pytest.fixture
def url(app: Simulator) -> Iterator[str]:
    with running(app) as url:
        yield url


def raw(url: str, method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """Return an answer as its octets."""
    host, port = url.removeprefix("http://").split(":")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        answer = b""
        try:
            while piece := connection.recv(65_536):
                answer += piece
        except ConnectionResetError:
            pass
    return answer


def assert_looks_real(octets: bytes) -> None:
    assert [word for word in BETRAYALS if word in octets.lower()] == [], octets


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    "path",
    [
        "/pay/unifiedorder",
        "/secapi/pay/refund",
        "/pay/nothing",
        "/v3/certificates",
        "/v3/pay/transactions/native",
        "/v3/refund/domestic/refunds",
        "/v3/nothing",
        "/hk/v3/refunds",
        "/favicon.ico",
        "/v3/%ff%00",
    ],
)
def test_no_answer_betrays_it(url: str, method: str, path: str) -> None:
    for body in (b"", b"<xml><a>1</a></xml>", b"{}", b"\xff"):
        answer = raw(url, method, path, body)
        assert answer.startswith(b"HTTP/1.1 ")
        assert answer.count(b"\r\nServer: nginx\r\n") == 1
        assert_looks_real(answer)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: x",),
        ("Content-Length: 99999999999999999999",),
        (f"Content-Length: {'9' * 5000}",),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked", "Content-Length: 1"),
        ("A" * 70_000,),
        *((f"X-{i}: 1",) * 120 for i in range(1)),
    ],
)
def test_no_refusal_of_the_server_itself_betrays_it(url: str, lines: tuple[str, ...]) -> None:
    answer = raw(url, "POST", "/pay/unifiedorder", b"", *lines)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b"\r\nServer: nginx\r\n" in answer
    assert_looks_real(answer)


ANSWERS = sorted(
    name
    for name, kind in CATALOGUE.items()
    if Stage.ANSWER in kind.stages and not kind.seconds and "timeout" not in name
)


@pytest.mark.parametrize("fault", ANSWERS)
def test_no_fault_betrays_it(app: Simulator, url: str, fault: str) -> None:
    merchant, caller = Merchant(app), Caller(app)
    app.inject(fault, times=2)
    assert_looks_real(raw(url, "POST", "/pay/unifiedorder", merchant.signed(ORDER)))
    assert_looks_real(raw(url, "GET", "/v3/certificates"))
    caller.session.close()


def test_no_trade_and_no_notification_betrays_it(app: Simulator, overheard: Overheard) -> None:
    merchant, caller = Merchant(app), Caller(app)
    for answer in (merchant.place(), merchant.query(), caller.place(), caller.certificates()):
        assert_looks_real(str(answer).encode())
    app.pay(MCH_ID, NUMBER)
    app.pay(MAINLAND, NUMBER)
    assert len(overheard.notices) == 2
    for headers, body in overheard.notices:
        assert headers["User-Agent"] == "Mozilla/4.0"
        assert_looks_real(f"{headers}".encode() + body)
    for certificate in app.keys()["certificates"]:
        assert_looks_real(certificate["pem"].encode())
    for trade in (merchant.query(), caller.query()):
        assert_looks_real(str(trade).encode())
