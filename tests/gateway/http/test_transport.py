from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import requests

from django_wxpay.gateway.http.failures import NoResponse
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import LONGEST_ANSWER, Transport
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.failures import Failure
from tests.gateway.conftest import Authority
from tests.wechatpay.transport import (
    DOCUMENT,
    HTML,
    Behaviour,
    Handler,
    Host,
    ScriptedTransport,
    drips,
    says,
    sends,
    stays_silent,
)

Start = Callable[..., Host]


def ask(transport: Transport, host: str, **more: Any) -> HttpResponse:
    return transport.send(HttpRequest(host=host, path="/pay/unifiedorder", **more))


def missed(transport: Transport, host: str) -> NoResponse:
    with pytest.raises(NoResponse) as caught:
        ask(transport, host, body=b"signed")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    "timeout",
    [
        None,
        5,
        (5,),
        (5, 15, 15),
        (None, 15),
        (5, None),
        (0, 15),
        (5, 0),
        (-1, 15),
        (5, -0.1),
        (float("inf"), 15),
        (5, float("inf")),
        (5, float("nan")),
        (True, 15),
        ("5", "15"),
    ],
)
def test_the_time_out_cannot_be_switched_off(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="time-out"):
        Transport(timeout=timeout)


@pytest.mark.parametrize("recovery_s", [None, 0, -1, float("inf"), float("nan"), True, "180"])
def test_a_rest_is_a_positive_time(recovery_s: Any) -> None:
    with pytest.raises(ConfigurationError, match="recovery_s"):
        Transport(recovery_s=recovery_s)


@pytest.mark.parametrize(
    ("given", "used"),
    [([1, 2], (1.0, 2.0)), ((0.5, 3600), (0.5, 3600.0)), ((1e300, 3601), (3600.0, 3600.0))],
)
def test_the_time_out_reaches_the_adapter_and_is_an_hour_at_most(
    given: Any, used: tuple[float, float]
) -> None:
    seen: list[object] = []

    class Timed(ScriptedTransport):
        def send(self, request: Any, *rest: Any, **more: Any) -> requests.Response:
            seen.append(more["timeout"])
            return super().send(request, *rest, **more)

    transport = Transport(timeout=given)
    transport.mount("http://a.test", Timed((200, DOCUMENT)))
    ask(transport, "http://a.test")
    assert seen == [used]


def test_a_request_arrives_as_it_was_given(transport: Transport, host: Start) -> None:
    there = host(says(DOCUMENT, Request_ID="42"))
    answer = ask(transport, there.url, body="名".encode(), headers={"Content-Type": "text/xml"})
    assert answer == HttpResponse(
        status=200, body=DOCUMENT, headers=answer.headers, user_ip="127.0.0.1"
    )
    assert answer.headers["request-id"] == "42"
    (request,) = there.requests
    assert (request.command, request.path, request.body) == (
        "POST",
        "/pay/unifiedorder",
        "名".encode(),
    )
    assert request.headers["Content-Type"] == "text/xml"
    assert request.headers["User-Agent"] == "django-wxpay/0.1.0"
    assert request.headers["Accept-Encoding"] == "identity"


def test_a_get_has_no_body(transport: Transport, host: Start) -> None:
    there = host(says(DOCUMENT))
    ask(transport, there.url, method="GET")
    assert (there.requests[0].command, there.bodies) == ("GET", [b""])


@pytest.mark.parametrize("status", [200, 400, 404, 500, 503])
def test_every_status_is_an_answer(transport: Transport, host: Start, status: int) -> None:
    there = host(says(HTML, status, Retry_After="0"))
    answer = ask(transport, there.url)
    assert (answer.status, answer.body) == (status, HTML)
    assert len(there.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(transport: Transport, host: Start, status: int) -> None:
    elsewhere = host(says(DOCUMENT))
    there = host(says(b"", status, Location=elsewhere.url))
    assert ask(transport, there.url).status == status
    assert (len(there.requests), len(elsewhere.requests)) == (1, 0)


@pytest.mark.parametrize(
    ("behaviour", "failure", "status"),
    [
        (sends(b""), Failure.RESET, None),
        (sends(b"", reset=True), Failure.RESET, None),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<x", reset=True), "RESET", 200),
        (sends(b"SSH-2.0-nonsense\r\n"), Failure.UNREADABLE, None),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<xml>"), Failure.UNREADABLE, 200),
        (
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<xml>\r\n"),
            Failure.UNREADABLE,
            200,
        ),
        (
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            Failure.UNREADABLE,
            200,
        ),
        (
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n<xml>\r\n0\r\n\r\n"),
            Failure.UNREADABLE,
            200,
        ),
        (says(b"no gzip", Content_Encoding="gzip"), Failure.UNREADABLE, 200),
        (says(b"x" * (LONGEST_ANSWER + 1)), Failure.UNREADABLE, 200),
        (
            says(gzip.compress(b"x" * (8 * LONGEST_ANSWER)), Content_Encoding="gzip"),
            Failure.UNREADABLE,
            200,
        ),
        (stays_silent, Failure.TIMEOUT, None),
        (drips(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99), Failure.TIMEOUT, None),
        (
            drips(b"y" * 99, head=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
            Failure.TIMEOUT,
            200,
        ),
        (
            drips(b"y" * 99, head=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
            Failure.TIMEOUT,
            200,
        ),
    ],
)
def test_a_broken_answer_is_asked_for_once_and_in_bounded_time(
    transport: Transport,
    impatient: Transport,
    host: Start,
    behaviour: Behaviour,
    failure: str,
    status: int | None,
) -> None:
    there = host(behaviour)
    # What drips would be whole in three seconds: that it was given up shows the bound.
    problem = missed(impatient if failure == Failure.TIMEOUT else transport, there.url)
    assert (problem.failure, problem.http_status) == (failure, status)
    assert there.bodies == [b"signed"]


def test_an_answer_of_exactly_one_mebibyte_is_read(transport: Transport, host: Start) -> None:
    there = host(says(b"x" * LONGEST_ANSWER))
    assert len(ask(transport, there.url).body) == LONGEST_ANSWER


def test_a_refused_connection_is_told_as_such(transport: Transport, nobody: str) -> None:
    problem = missed(transport, nobody)
    assert (problem.failure, problem.http_status) == (Failure.CONNECT, None)


def test_a_name_that_does_not_resolve_is_told_as_such(transport: Transport) -> None:
    assert missed(transport, "http://nobody.invalid").failure is Failure.DNS


def test_the_body_is_bytes_whatever_charset_the_headers_claim(
    transport: Transport, host: Start
) -> None:
    text = "<xml><return_msg>签名错误</return_msg></xml>".encode()
    there = host(says(text, Content_Type="text/xml; charset=iso-8859-1"))
    assert ask(transport, there.url).body == text


def test_a_cookie_is_not_brought_back(transport: Transport, host: Start) -> None:
    there = host(says(DOCUMENT, Set_Cookie="session=1; Path=/"))
    ask(transport, there.url)
    ask(transport, there.url)
    assert [request.headers["Cookie"] for request in there.requests] == [None, None]


def test_a_netrc_password_is_not_sent(
    transport: Transport, host: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login shop password open-sesame\n")
    monkeypatch.setenv("NETRC", str(netrc))
    there = host(says(DOCUMENT))
    ask(transport, there.url)
    assert there.requests[0].headers["Authorization"] is None


def test_a_proxy_of_the_environment_is_used_and_kept_open(
    transport: Transport, host: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = host(says(DOCUMENT))
    monkeypatch.setenv("http_proxy", proxy.url)
    for _ in range(3):
        assert ask(transport, "http://api.test").body == DOCUMENT
    assert [request.path for request in proxy.requests] == ["http://api.test/pay/unifiedorder"] * 3
    assert proxy.connections == 1


def test_an_idle_connection_to_a_proxy_is_not_used_again_either(
    host: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    transport = Transport(clock=lambda: now[0])
    proxy = host(says(DOCUMENT))
    monkeypatch.setenv("http_proxy", proxy.url)
    for at in (0.0, 1.0, 9.0):
        now[0] = at
        ask(transport, "http://api.test")
    transport.close()
    assert (len(proxy.requests), proxy.connections) == (3, 2)


def test_an_encrypted_host_is_reached_through_a_proxy_that_sees_nothing(
    transport: Transport,
    host: Start,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy, there = host(says(HTML)), host(says(DOCUMENT), context=authority.context())
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    for _ in range(3):
        assert ask(transport, there.url, body=b"signed").body == DOCUMENT
    assert (proxy.tunnels, proxy.requests) == ([f"127.0.0.1:{there.server_port}"], [])
    assert (there.bodies, there.connections) == ([b"signed"] * 3, 1)


def test_a_proxy_that_refuses_means_nothing_was_sent(
    transport: Transport, host: Start, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = host(says(HTML))
    monkeypatch.setenv("https_proxy", proxy.url)
    assert missed(transport, nobody.replace("http", "https")).failure is Failure.CONNECT
    assert len(proxy.tunnels) == 1


def test_a_proxy_that_is_gone_means_nothing_was_sent(
    transport: Transport, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", nobody)
    assert missed(transport, "http://api.test").failure is Failure.CONNECT


@pytest.mark.parametrize(
    "address", ["ftp://a.test", "a.test", "", "http://", "http://a b", "http://a\nb"]
)
def test_an_address_that_is_none_is_a_configuration_error(
    transport: Transport, address: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ask(transport, address, body=b"signed")
    assert "signed" not in str(caught.value)


def test_a_mounted_adapter_answers_without_a_socket(transport: Transport) -> None:
    fake = ScriptedTransport((200, DOCUMENT))
    transport.mount("http://api.test", fake)
    answer = ask(transport, "http://API.test", body=b"signed")
    assert answer == HttpResponse(status=200, body=DOCUMENT, headers={}, user_ip="")
    assert [request.body for request in fake.requests] == [b"signed"]


def test_a_mounted_adapter_may_have_read_its_answer_already(transport: Transport) -> None:
    class Ready(ScriptedTransport):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            response = super().send(request)
            assert response.content == DOCUMENT
            return response

    transport.mount("http://api.test", Ready((200, DOCUMENT)))
    assert ask(transport, "http://api.test").body == DOCUMENT


def test_the_longest_prefix_wins_and_unmounting_restores(transport: Transport) -> None:
    wide, narrow, later = (
        ScriptedTransport((200, body)) for body in (b"wide", b"narrow", b"later")
    )
    transport.mount("http://", wide)
    transport.mount("http://api.test/pay", narrow)
    transport.mount("http://api", wide)
    assert ask(transport, "http://api.test").body == b"narrow"
    transport.mount("http://api.test/pay", later)
    assert ask(transport, "http://api.test").body == b"later"
    transport.unmount("http://api.test/pay")
    assert ask(transport, "http://api.test").body == b"narrow"
    transport.unmount("http://api.test/pay")
    assert ask(transport, "http://api.test").body == b"wide"


def test_unmounting_gives_the_real_host_back(transport: Transport, host: Start) -> None:
    there = host(says(DOCUMENT))
    fake = ScriptedTransport((503, b""))
    transport.mount(there.url, fake)
    assert ask(transport, there.url).status == 503
    transport.unmount(there.url)
    assert ask(transport, there.url).status == 200
    assert (len(fake.requests), len(there.requests)) == (1, 1)


def test_what_was_not_mounted_cannot_be_unmounted(transport: Transport) -> None:
    with pytest.raises(KeyError):
        transport.unmount("http://api.test")


def test_what_a_simulator_gets_wrong_is_not_taken_for_the_network(transport: Transport) -> None:
    transport.mount("http://api.test", ScriptedTransport(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        ask(transport, "http://api.test")


def test_a_connection_is_kept_for_the_next_request(transport: Transport, host: Start) -> None:
    there = host(says(DOCUMENT))
    for _ in range(5):
        ask(transport, there.url)
    assert (len(there.requests), there.connections) == (5, 1)


def test_a_connection_idle_for_more_than_seven_seconds_is_not_used_again(host: Start) -> None:
    now = [100.0]
    transport = Transport(clock=lambda: now[0])
    there = host(says(DOCUMENT))
    ask(transport, there.url)
    now[0] += 7.0
    ask(transport, there.url)
    assert there.connections == 1
    now[0] += 7.001
    ask(transport, there.url)
    assert (len(there.requests), there.connections) == (3, 2)
    transport.close()


def test_a_connection_that_the_host_has_closed_is_not_used_again(
    transport: Transport, host: Start
) -> None:
    def answers_and_hangs_up(handler: Handler) -> None:
        handler.reply(200, DOCUMENT)
        handler.hang_up()

    there = host(answers_and_hangs_up)
    for _ in range(3):
        ask(transport, there.url)
        time.sleep(0.02)
    assert (len(there.requests), there.connections) == (3, 3)


def test_an_oversized_answer_costs_its_connection(transport: Transport, host: Start) -> None:
    there = host(says(b"x" * (2 * LONGEST_ANSWER)), says(DOCUMENT))
    assert missed(transport, there.url).failure is Failure.UNREADABLE
    assert ask(transport, there.url).body == DOCUMENT
    assert there.connections == 2


def test_a_closed_transport_can_be_used_again(transport: Transport, host: Start) -> None:
    there = host(says(DOCUMENT))
    ask(transport, there.url)
    transport.close()
    assert ask(transport, there.url).status == 200
    assert there.connections == 2


def test_many_threads_share_one_transport(host: Start) -> None:
    def echoes(handler: Handler) -> None:
        handler.reply(200, handler.body)

    there = host(echoes)
    transport = Transport(timeout=(5, 5))
    wrong: list[object] = []
    together = threading.Barrier(8)

    def work(name: int) -> None:
        together.wait(5)
        for turn in range(20):
            body = f"{name}.{turn}".encode() * 50
            answer = ask(transport, there.url, body=body)
            if answer.body != body:
                wrong.append((body, answer))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    transport.close()
    assert wrong == []
    assert len(there.requests) == 8 * 20
    assert there.connections <= 8


def test_the_socket_of_an_answer_need_not_be_there(transport: Transport) -> None:
    class Bare(ScriptedTransport):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            response = super().send(request)
            response.raw = type("Raw", (BytesIO,), {"connection": object()})(DOCUMENT)
            return response

    transport.mount("http://api.test", Bare((200, b"")))
    assert ask(transport, "http://api.test").user_ip == ""
