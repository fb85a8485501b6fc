"""A threaded HTTP/1.1 server that can also delay, truncate and reset an answer."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final

from django_wxpay.simulator.http.adapter import Application, Called, call, environment
from django_wxpay.simulator.http.messages import BODY_LIMIT, Environ, is_chunked, read_chunked
from django_wxpay.simulator.http.tls import CLIENT_CERTIFICATE_KEY

logger = logging.getLogger("django_wxpay.simulator.server")

# A socket closed with this option (linger for 0 s) sends RST instead of FIN.
_AT_ONCE: Final = struct.pack("ii", 1, 0)

# Bodies beyond the gateway's limit are read, to be answered, up to here.
_LARGEST_READ: Final = 16 * BODY_LIMIT


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, app: Application, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self.app = app
        self.tls = tls
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self.aborted: set[socket.socket] = set()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        name = str(host).replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - shown, not bound
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            self.connections.discard(request)
            try:
                request = self._secured(request, self.tls)
            except OSError:
                # A client that trusts nobody here, or shows a certificate that nobody knows.
                logger.debug("%s: no TLS", client_address[0], exc_info=True)
                return
            self.connections.add(request)
        super().process_request_thread(request, client_address)

    @staticmethod
    def _secured(request: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        # On the connection's own thread: one that says nothing holds up no other.
        request.settimeout(_Handler.timeout)
        return tls.wrap_socket(request, server_side=True)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        if request in self.aborted:
            self.aborted.discard(request)
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client may hang up at any time: that is no error.
        gone = isinstance(sys.exception(), ConnectionError | ssl.SSLError)
        level = logging.DEBUG if gone else logging.ERROR
        logger.log(level, "%s: %s failed", client_address[0], request, exc_info=True)

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                # Beneath TLS, whose own goodbye would wait for the thread that is reading.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One HTTP/1.1 connection; every request goes to the app."""

    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "wxpay-simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    # The real gateway drops connections that have been idle for about this long.
    timeout = 8

    def __getattr__(self, name: str) -> Callable[[], None]:
        # The base class looks for do_GET, do_POST and so on; the app knows its own methods.
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
        else:
            self._answer(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is theirs
        logger.debug(format, *args)

    def _body(self) -> bytes | None:
        """Read the body; None after a request without a usable length was refused."""
        if "Transfer-Encoding" in self.headers:
            return self._chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            self.send_error(HTTPStatus.BAD_REQUEST)
        elif int(length) > _LARGEST_READ:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            return self.rfile.read(int(length))
        return None

    def _chunks(self) -> bytes | None:
        """Read a body in chunks; None after one that has another form was refused."""
        if "Content-Length" in self.headers:
            # Two lengths are how one request is smuggled inside another.
            self.send_error(HTTPStatus.BAD_REQUEST)
            return None
        if not is_chunked(self.headers["Transfer-Encoding"]):
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
            return None
        try:
            body = read_chunked(self.rfile, _LARGEST_READ + 1)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return None
        if len(body) > _LARGEST_READ:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        return body

    def _answer(self, body: bytes) -> None:
        called = call(self.server.app, self._environment(body))
        if self.server.closing.wait(called.network_fault.delay_s) or called.network_fault.reset:
            self._reset()
            return
        self.send_response_only(called.status, called.reason)
        for name, value in (*self._own_headers(called), *called.headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(called.body[: called.network_fault.cut_at])
        if called.network_fault.cut_at is not None:
            self.close_connection = True

    def _own_headers(self, called: Called) -> list[tuple[str, str]]:
        headers = [("Date", self.date_time_string())]
        if not any(name == "Server" for name, _ in called.headers):
            headers.append(("Server", self.server_version))
        if not self.close_connection:
            keep = f"timeout={self.timeout}"
            headers += [("Connection", "keep-alive"), ("Keep-Alive", keep)]
        return headers

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.server.aborted.add(self.connection)
        self.close_connection = True

    def _environment(self, body: bytes) -> Environ:
        # Of this connection: the server may listen at every address of the machine.
        host, port = self.connection.getsockname()[:2]
        environ = environment(
            method=self.command,
            scheme="http" if self.server.tls is None else "https",
            target=self.path,
            server=(str(host), int(port)),
            headers=dict(self.headers.items()),
            body=body,
        )
        if isinstance(self.connection, ssl.SSLSocket):
            shown = self.connection.getpeercert(binary_form=True)
            environ[CLIENT_CERTIFICATE_KEY] = ssl.DER_cert_to_PEM_cert(shown) if shown else ""
        return environ


def serve(
    app: Application,
    host: str = "127.0.0.1",
    port: int = 9100,
    *,
    ready: Callable[[str], None] | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve ``app`` until this thread is interrupted; ``ready`` is called with the address.

    With ``tls``, the address is https and client certificates are asked for (``tls_context``).
    Raises ``OSError`` when the address cannot be listened on.
    """
    server = _Server(app, host, port, tls)
    try:
        if ready is not None:
            ready(server.url)
        server.serve_forever(poll_interval=0.1)
    finally:
        server.closing.set()
        server.server_close()


@contextmanager
def running(
    app: Application,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Serve ``app`` on a thread of its own and give its address; 0 is any free port."""
    server = _Server(app, host, port, tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.stop()
        thread.join()
