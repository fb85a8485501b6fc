"""The scripted transport: mounted in this process, or as a host on 127.0.0.1.

Only a host can break a connection off or drip its bytes, for that needs a socket.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

Behaviour = Callable[["Handler"], None]

HTML = b"<html><body>Bad gateway</body></html>"
DOCUMENT = b"<xml><return_code>SUCCESS</return_code></xml>"


class Handler(BaseHTTPRequestHandler):
    """Keeps every request, then behaves as the host's script says."""

    protocol_version = "HTTP/1.1"
    server: Host

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(self)
        script = self.server.script
        behave = script[min(len(self.server.requests), len(script)) - 1]
        behave(self)

    do_GET = do_POST  # noqa: N815

    def do_CONNECT(self) -> None:
        self.server.tunnels.append(self.path)
        name, _, port = self.path.partition(":")
        self.close_connection = True
        try:
            far = socket.create_connection((name, int(port)), 2)
        except OSError:
            self.reply(403, HTML)
            return
        with far:
            self.raw(b"HTTP/1.1 200 Connected\r\n\r\n")
            near = self.connection
            while not self.server.over.is_set():
                for side in select.select([near, far], [], [], 0.05)[0]:
                    data = side.recv(65536)
                    if not data:
                        return
                    (far if side is near else near).sendall(data)

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.raw("\r\n".join([*lines, "", ""]).encode() + body)

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def hang_up(self, *, reset: bool = False) -> None:
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # The handler's two files hold the socket open beside the connection itself.
        self.rfile.close()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


class Host(ThreadingHTTPServer):
    """One host; ``script`` names what each request in turn meets, the last for all others."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, *script: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.context = context
        self.requests: list[Handler] = []
        self.connections = 0
        self.tunnels: list[str] = []
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.server_port}"

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        if self.context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(2)
        with self.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, *_: object) -> None:
        pass  # clients that hang up are what these tests are about

    def stop(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


def says(body: bytes, status: int = 200, **headers: str) -> Behaviour:
    return lambda handler: handler.reply(status, body, **headers)


def sends(data: bytes, *, reset: bool = False) -> Behaviour:
    """Send bytes as they are, then hang up."""

    def behave(handler: Handler) -> None:
        if data:
            handler.raw(data)
        handler.hang_up(reset=reset)

    return behave


def stays_silent(handler: Handler) -> None:
    handler.server.over.wait(5)
    handler.hang_up()


def drips(data: bytes, *, head: bytes = b"", every_s: float = 0.03) -> Behaviour:
    """Send ``head`` at once and ``data`` a byte at a time."""

    def behave(handler: Handler) -> None:
        handler.raw(head)
        for at in range(len(data)):
            handler.raw(data[at : at + 1])
            if handler.server.over.wait(every_s):
                return

    return behave


RawAnswer = tuple[int, bytes] | tuple[int, bytes, Mapping[str, str]]


class Dialect(Protocol):
    """The protocol that a transport speaks: how requests are read, and answers written."""

    def read(self, request: requests.PreparedRequest) -> Any: ...

    def write(self, answer: Any, sent: Any) -> RawAnswer: ...


class Raw:
    """No protocol: an answer is a status, a body and perhaps headers, sent as they are."""

    def read(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request

    def write(self, answer: RawAnswer, sent: requests.PreparedRequest) -> RawAnswer:
        return answer


class ScriptedTransport(BaseAdapter):
    """WeChat Pay in this process, without a socket.

    ``answers`` are by path, ``script`` is in the order of requests for all other paths, its
    last one for all that follow. An answer is an exception, what ``dialect`` can write, or a
    function of what was sent that returns one of these. ``calls`` lists every path with what
    was sent to it.
    """

    def __init__(self, *script: Any, dialect: Dialect | None = None) -> None:
        super().__init__()
        self.script = list(script)
        self.dialect = dialect or Raw()
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[str, Any]] = []
        self.requests: list[requests.PreparedRequest] = []

    def paths(self) -> list[str]:
        return [path for path, _ in self.calls]

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        path = urlsplit(str(request.url)).path
        sent = self.dialect.read(request)
        self.requests.append(request)
        self.calls.append((path, sent))
        answer = self._answer(path)
        while callable(answer):
            answer = answer(sent)
        if isinstance(answer, Exception):
            raise answer
        status, body, *headers = self.dialect.write(answer, sent)
        response = requests.Response()
        response.status_code, response.raw = status, BytesIO(body)
        response.headers.update(headers[0] if headers else {})
        response.request, response.url = request, str(request.url)
        return response

    def _answer(self, path: str) -> Any:
        if path in self.answers or not self.script:
            return self.answers[path]
        return self.script[min(len(self.requests), len(self.script)) - 1]

    def close(self) -> None:
        pass
