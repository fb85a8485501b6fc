"""The simulator over real sockets, and on a WSGI server of another make."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
import requests

from django_wxpay.protocol import v2
from django_wxpay.simulator import Options, Reply, Simulator, create_app, running, serve
from django_wxpay.simulator.notifications.delivery import HttpDeliver
from tests.simulator.calling import ACKNOWLEDGED, KEY, MCH_ID, NUMBER, ORDER, Merchant
from tests.waiting import until


class Receiver:
    """A shop's notify_url on a real port; ``answer`` is what each notification gets."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.arrived = threading.Event()
        self.answer = lambda handler: (200, ACKNOWLEDGED)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.received.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = receiver.answer(self)
                self.send_response(status)
                self.send_header("Location", "/elsewhere/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                receiver.arrived.set()

            def log_message(self, *args: object) -> None:
                """Be quiet."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """Callers may hang up; some of these tests are about that."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/notify/"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture
def live() -> Iterator[Simulator]:
    app = create_app()
    yield app
    # What is still waiting would be sent in the middle of other tests.
    app.reset()


@pytest.fixture
def url(live: Simulator) -> Iterator[str]:
    with running(live) as url:
        yield url


@pytest.fixture
def caller(live: Simulator, url: str) -> Iterator[Merchant]:
    merchant = Merchant(live, host=url)
    yield merchant
    merchant.session.close()


def test_an_order_is_placed_paid_and_notified_over_http(
    live: Simulator, caller: Merchant, receiver: Receiver
) -> None:
    caller.place(notify_url=receiver.url)
    assert caller.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER}).status_code == 200
    until(lambda: live.ledger()["trades"][0]["notification"] == "accepted")
    assert v2.verify(v2.decode_xml(receiver.received[0]), KEY)
    assert caller.state() == "SUCCESS"
    [attempt] = live.ledger()["notifications"]
    assert (attempt["url"], attempt["status"]) == (receiver.url, 200)
    assert attempt["body"] == ACKNOWLEDGED.decode()


def test_a_phone_pays_over_http(live: Simulator, caller: Merchant, receiver: Receiver) -> None:
    caller.place(notify_url=receiver.url)
    page = live.ledger()["trades"][0]["page"]
    assert "Payment successful" in caller.session.post(caller.host + page).text
    until(lambda: receiver.received)


def test_retries_follow_a_clock_that_is_moved(
    live: Simulator, caller: Merchant, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (500, b"")
    caller.place(notify_url=receiver.url)
    caller.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER})
    caller.control("clock", {"advance_s": 60})
    assert [row["attempt"] for row in live.ledger()["notifications"]] == [1, 2, 3, 4]
    receiver.answer = lambda _: (200, ACKNOWLEDGED)
    caller.control("clock", {"advance_s": 86_400})
    assert live.ledger()["waiting"] == []
    assert live.ledger()["trades"][0]["notification"] == "accepted"
    assert len(receiver.received) == 5


def test_retries_follow_a_clock_that_runs_fast(
    live: Simulator, caller: Merchant, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (500, b"")
    caller.place(notify_url=receiver.url)
    caller.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER})
    until(lambda: live.ledger()["waiting"])
    caller.control("clock", {"speed": 1000})
    until(lambda: len(receiver.received) >= 4)


def test_a_redirect_is_not_followed(live: Simulator, caller: Merchant, receiver: Receiver) -> None:
    receiver.answer = lambda _: (302, ACKNOWLEDGED)
    caller.place(notify_url=receiver.url)
    live.pay(MCH_ID, NUMBER)
    until(lambda: live.ledger()["notifications"])
    assert live.ledger()["notifications"][0]["status"] == 302
    assert len(receiver.received) == 1


def test_fifty_notifications_at_once(live: Simulator, caller: Merchant, receiver: Receiver) -> None:
    live.inject("concurrent")
    caller.place(notify_url=receiver.url)
    live.pay(MCH_ID, NUMBER)
    until(lambda: live.ledger()["trades"][0]["notification"] == "accepted")
    assert len(receiver.received) == 50
    assert len(set(receiver.received)) == 1


def test_a_shop_that_is_not_there(live: Simulator, caller: Merchant) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        caller.place(notify_url=f"http://127.0.0.1:{taken.getsockname()[1]}/")
        live.pay(MCH_ID, NUMBER)
        until(lambda: live.ledger()["notifications"])
    [attempt] = live.ledger()["notifications"]
    assert (attempt["status"], attempt["accepted"]) == (None, False)
    assert attempt["error"].startswith("ConnectionError")


def test_a_shop_that_takes_too_long_is_given_up_on(receiver: Receiver) -> None:
    deliver = HttpDeliver(0.2)
    done = threading.Event()
    receiver.answer = lambda _: (done.wait(5), (200, ACKNOWLEDGED))[1]
    with pytest.raises(OSError, match="timed out"):
        deliver(receiver.url, b"x", {})
    done.set()


def test_a_shop_that_dribbles_is_given_up_on(receiver: Receiver) -> None:
    def dribble(handler: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b"<")
            time.sleep(0.02)
        return 200, b""

    receiver.answer = dribble
    with pytest.raises(TimeoutError, match="too long"):
        HttpDeliver(0.3)(receiver.url, b"x", {})


def test_an_answer_without_end_is_not_read(receiver: Receiver) -> None:
    receiver.answer = lambda _: (200, b"x" * 70_000)
    with pytest.raises(OSError, match="does not end"):
        HttpDeliver(5)(receiver.url, b"x", {})


@pytest.mark.parametrize("url", ["http://shop..example/", "http://%zz/", "ftp://shop.example/"])
def test_an_address_that_cannot_be_called(url: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        HttpDeliver(1)(url, b"x", {})


@pytest.mark.parametrize("fault", ["reset", "reset_after"])
def test_a_real_reset(live: Simulator, caller: Merchant, fault: str) -> None:
    live.inject(fault)
    with pytest.raises(requests.ConnectionError) as error:
        caller.place()
    assert isinstance(error.value.args[0].args[1], ConnectionResetError)
    assert len(live.ledger()["trades"]) == (fault == "reset_after")


def test_a_real_truncation(live: Simulator, caller: Merchant) -> None:
    live.inject("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        caller.post("/pay/unifiedorder", caller.signed(ORDER))
    assert caller.place()["result_code"] == "SUCCESS"


def test_a_real_delay(live: Simulator, caller: Merchant) -> None:
    live.inject("slow", seconds=0.3, times=2)
    started = time.monotonic()
    assert caller.place()["result_code"] == "SUCCESS"
    assert time.monotonic() - started >= 0.3
    with pytest.raises(requests.ReadTimeout):
        caller.post("/pay/orderquery", b"x", timeout=0.1)


def test_closing_the_server_does_not_wait_for_a_delay(live: Simulator) -> None:
    live.inject("slow", seconds=60)
    answers: list[object] = []

    def ask() -> None:
        try:
            requests.post(f"{url}/pay/orderquery", data=b"x", timeout=30)
        except requests.ConnectionError as error:
            answers.append(error)

    with running(live) as url:
        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: live.ledger()["requests"])
    asking.join(timeout=5)
    assert len(answers) == 1


def test_a_connection_is_kept(live: Simulator, url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        for _ in range(2):
            line.sendall(b"GET /_simulator/static/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_answer(line).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: many", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: 99999999", 413),
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
    ],
)
def test_a_length_that_cannot_be_trusted(url: str, head: bytes, status: int) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(b"POST /pay/unifiedorder HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Traceback" not in answer


def in_chunks(body: bytes, size: int = 50) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    # Extensions and trailers carry nothing that a gateway reads.
    framed = [b"%X;name=value\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join([*framed, b"0\r\n", b"Trailer: x\r\n", b"\r\n"])


def test_a_body_in_chunks_is_a_body(caller: Merchant, live: Simulator) -> None:
    body = caller.signed(ORDER)
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    for _ in range(2):
        response = caller.post("/pay/unifiedorder", pieces or body)
        assert response.request.headers["Transfer-Encoding"] == "chunked"
        assert v2.decode_xml(response.content)["result_code"] == "SUCCESS"
        pieces = iter([body])
    assert caller.state() == "NOTPAY"


def test_after_a_body_in_chunks_the_connection_is_kept(caller: Merchant, url: str) -> None:
    body = in_chunks(caller.signed(ORDER))
    head = b"POST /pay/unifiedorder HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        for _ in range(2):
            line.sendall(head + body)
            assert b"<prepay_id>" in read_document(line)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<xml/>\r\n", 400),
        (b"-1\r\nx\r\n0\r\n\r\n", 400),
        (b"0x5\r\n<xml/\r\n0\r\n\r\n", 400),
        (b"5\r\n<xml/>\r\n0\r\n\r\n", 400),
        (b"FFFFFFFFF\r\n", 400),
        (b"7" * 2000, 400),
        (b"0\r\n" + b"Name: x\r\n" * 65, 400),
        (b"10000\r\n" + b"x" * 0x10000 + b"\r\n", 413),
    ],
)
def test_a_body_in_chunks_that_are_none_is_refused(url: str, body: bytes, status: int) -> None:
    head = b"POST /pay/unifiedorder HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        # A chunk of 64 KiB, often enough for more than is ever read.
        line.sendall(head + body * (20 if status == 413 else 1))
        answer = read_document(line)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("missing", [17, 19, 60])
def test_a_body_in_chunks_that_breaks_off_is_refused(
    caller: Merchant, url: str, missing: int
) -> None:
    head = b"POST /pay/unifiedorder HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(head + in_chunks(caller.signed(ORDER))[:-missing])
        line.shutdown(socket.SHUT_WR)
        assert read_document(line).startswith(b"HTTP/1.1 400 ")


def test_a_mistake_of_our_own_shows_no_stack_trace(caplog: pytest.LogCaptureFixture) -> None:
    def broken(environ: object, start_response: object) -> list[bytes]:
        raise LookupError("a mistake")

    with running(broken) as url, caplog.at_level(logging.ERROR):
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)
        until(lambda: caplog.records)
    assert "failed" in caplog.text


def test_a_caller_who_hangs_up_is_no_mistake(caplog: pytest.LogCaptureFixture) -> None:
    started = threading.Event()

    def slow(environ: Any, start_response: Any) -> list[bytes]:
        started.set()
        time.sleep(0.2)
        start_response("200 OK", [])
        return [b"x" * 20_000_000]

    with running(slow) as url, caplog.at_level(logging.DEBUG, "django_wxpay.simulator.server"):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as line:
            line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            started.wait(5)
        until(lambda: "failed" in caplog.text)
    assert [r.levelname for r in caplog.records if "failed" in r.message] == ["DEBUG"]


def test_two_hosts_are_two_addresses(live: Simulator, url: str) -> None:
    port = url.rsplit(":", 1)[1]
    live.inject("http_502", host=f"127.0.0.1:{port}")
    second = Merchant(live, host=f"http://localhost:{port}")
    assert second.place()["result_code"] == "SUCCESS"
    first = Merchant(live, host=url)
    assert first.post("/pay/unifiedorder", first.signed(ORDER)).status_code == 502


def test_serving_in_the_foreground_until_interrupted(live: Simulator) -> None:
    seen: list[str] = []

    def ready(url: str) -> None:
        seen.append(url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(live, port=0, ready=ready)
    with pytest.raises(requests.ConnectionError):
        requests.get(seen[0], timeout=5)


def test_serving_in_the_foreground_answers(
    live: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[int] = []

    def ask(server: Any, poll_interval: float) -> None:
        thread = threading.Thread(
            target=lambda: answered.append(requests.get(server.url, timeout=5).status_code)
        )
        thread.start()
        server.handle_request()
        thread.join()

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", ask)
    serve(live, port=0)
    assert answered == [200]


def test_an_ipv6_address_is_written_as_one(live: Simulator) -> None:
    try:
        with running(live, host="::1") as url:
            assert url.startswith("http://[::1]:")
            assert requests.get(url, timeout=5).status_code == 200
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_an_address_for_everybody_is_shown_as_ones_own(live: Simulator) -> None:
    with running(live, host="0.0.0.0") as url:
        assert url.startswith("http://127.0.0.1:")


def environ(path: str, body: bytes = b"", **more: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "REQUEST_METHOD": "POST" if body else "GET",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **more,
    }
    setup_testing_defaults(made)
    return made


def called(app: Any, made: dict[str, Any]) -> tuple[str, bytes]:
    statuses: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Any:
        statuses.append(status)
        return lambda data: None

    parts = app(made, start_response)
    try:
        body = b"".join(parts)
    finally:
        getattr(parts, "close", lambda: None)()
    return statuses[0], body


@pytest.mark.parametrize(
    "path",
    [
        "/_simulator/",
        "/_simulator/phone/nope",
        "/_simulator/ledger",
        "/_simulator/static/icon.svg",
        "/pay/nope",
    ],
)
def test_it_is_a_proper_wsgi_application(app: Simulator, path: str) -> None:
    made = environ(path)
    made["QUERY_STRING"] = ""
    status, body = called(validator(app), made)
    assert status[:3] in {"200", "404"}
    assert body


def test_on_another_wsgi_server_faults_do_what_they_can(
    app: Simulator, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("django_wxpay.simulator.http.routing.time.sleep", slept.append)
    body = merchant.signed(ORDER)
    app.inject("slow", seconds=4)
    assert called(app, environ("/pay/unifiedorder", body))[1].endswith(b"</xml>")
    app.inject("truncated")
    assert not called(app, environ("/pay/unifiedorder", body))[1].endswith(b"</xml>")
    app.inject("reset")
    with pytest.raises(ConnectionResetError):
        called(app, environ("/pay/unifiedorder", body))
    assert slept == [4]


def test_under_wsgiref_a_body_in_chunks_is_a_body(app: Simulator, merchant: Merchant) -> None:
    # It neither takes the chunks apart nor says that the input ends.
    made = environ("/pay/unifiedorder", in_chunks(merchant.signed(ORDER)))
    del made["CONTENT_LENGTH"]
    made["HTTP_TRANSFER_ENCODING"] = "chunked"
    assert b"<prepay_id>" in called(app, made)[1]


def test_under_a_server_of_wsgiref_a_body_in_chunks_is_a_body(
    app: Simulator, merchant: Merchant
) -> None:
    class Quiet(WSGIRequestHandler):
        def log_message(self, *args: object) -> None:
            """Be quiet."""

    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/pay/unifiedorder"
        response = requests.post(url, data=iter([merchant.signed(ORDER)]), timeout=5)
        thread.join()
    assert b"<prepay_id>" in response.content


@pytest.mark.parametrize("header", ["chunked", ""])
def test_where_the_input_ends_with_the_body_it_is_read_to_its_end(
    app: Simulator, merchant: Merchant, header: str
) -> None:
    made = environ("/pay/unifiedorder", merchant.signed(ORDER))
    del made["CONTENT_LENGTH"]
    made |= {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": header}
    made["wsgi.input"] = Dribble(made["wsgi.input"].read())
    assert b"<prepay_id>" in called(app, made)[1]


class Dribble(io.BytesIO):
    """An input that returns less than it is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 10))


@pytest.mark.parametrize("terminated", [True, False])
def test_an_endless_body_is_read_no_further_than_its_limit(
    app: Simulator, merchant: Merchant, terminated: bool
) -> None:
    body = b"x" * 70_000
    made = environ("/pay/unifiedorder", body if terminated else in_chunks(body, 1000))
    del made["CONTENT_LENGTH"]
    made |= {"wsgi.input_terminated": terminated, "HTTP_TRANSFER_ENCODING": "chunked"}
    assert "XML格式错误".encode() in called(app, made)[1]
    assert made["wsgi.input"].tell() < 70_000


@pytest.mark.parametrize("coding", ["gzip", "chunked"])
def test_an_input_that_is_not_in_chunks_is_nothing(app: Simulator, coding: str) -> None:
    made = environ("/pay/unifiedorder", b"<xml/>", CONTENT_LENGTH="")
    made["HTTP_TRANSFER_ENCODING"] = coding
    assert "post数据为空".encode() in called(app, made)[1]


@pytest.mark.parametrize("form", [iter, io.BytesIO, bytearray, bytes.decode])
def test_in_process_a_body_may_have_any_form_that_requests_takes(
    merchant: Merchant, form: Callable[[Any], Any]
) -> None:
    body = merchant.signed(ORDER)
    given = iter([body[:9], body[9:]]) if form is iter else form(body)
    answer = merchant.post("/pay/unifiedorder", given)
    assert b"<prepay_id>" in answer.content


@pytest.mark.parametrize("length", ["", "many", "-5"])
def test_a_length_that_is_nonsense_is_nothing(app: Simulator, length: str) -> None:
    made = environ("/pay/unifiedorder", b"<xml/>", CONTENT_LENGTH=length)
    assert "post数据为空".encode() in called(app, made)[1]


def test_a_host_that_is_not_named_is_the_servers(app: Simulator, merchant: Merchant) -> None:
    made = environ("/pay/unifiedorder", merchant.signed(ORDER))
    del made["HTTP_HOST"]
    called(app, made)
    assert app.ledger()["requests"][0]["host"] == "127.0.0.1:80"


@pytest.mark.parametrize("host", ["[", "[::1", "a]b", "127.0.0.1:port", "127.0.0.1:99999"])
def test_a_host_that_is_none_is_nobodys(app: Simulator, merchant: Merchant, host: str) -> None:
    scene = '{"h5_info": {"type": "Wap", "wap_url": "https://shop.test", "wap_name": "Shop"}}'
    order = ORDER | {"trade_type": "MWEB", "scene_info": scene}
    made = environ("/pay/unifiedorder", merchant.signed(order), HTTP_HOST=host)
    assert b"<mweb_url><![CDATA[http://127.0.0.1" in called(app, made)[1]
    status, body = called(app, environ("/_simulator/ledger", b"", HTTP_HOST=host))
    assert (status[:3], b"unknown_host" in body) == ("403", True)


def test_an_unknown_method_reaches_the_app(url: str) -> None:
    response = requests.request("BREW", f"{url}/_simulator/ledger", timeout=5)
    assert response.status_code == 405


def test_header_names_have_no_case(live: Simulator, url: str) -> None:
    response = requests.post(
        f"{url}/_simulator/faults",
        data="fault=slow",
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        timeout=5,
        allow_redirects=False,
    )
    assert response.status_code == 303


def read_document(line: socket.socket) -> bytes:
    """Return an answer up to the end of its document or of the connection."""
    answer = b""
    while not answer.endswith(b"</xml>") and (piece := line.recv(4096)):
        answer += piece
    return answer


def read_answer(line: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"</svg>\n") and (piece := line.recv(4096)):
        answer += piece
    return answer


def test_a_live_pump_ends_when_nothing_is_left(receiver: Receiver) -> None:
    app = create_app(options=Options(live=True), deliver=lambda *_: Reply(200, ACKNOWLEDGED))
    Merchant(app).place()
    before = threading.active_count()
    app.pay(MCH_ID, NUMBER)
    until(lambda: app.ledger()["trades"][0]["notification"] == "accepted")
    until(lambda: threading.active_count() <= before)
