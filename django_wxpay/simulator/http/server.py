"""A threaded HTTP/1.1 server that can also delay, truncate and reset an answer, and be a proxy."""

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
from django_wxpay.simulator.http.messages import (
    BODY_LIMIT,
    UPLOAD_LIMIT,
    Environ,
    UnusableBody,
    limit_of,
    read_body,
)
from django_wxpay.simulator.http.proxy import REFUSED, Destination, destination, is_tunnel
from django_wxpay.simulator.http.tls import CLIENT_CERTIFICATE_KEY

logger = logging.getLogger("django_wxpay.simulator.server")

# A socket closed with this option (linger for 0 s) sends RST instead of FIN.
_AT_ONCE: Final = struct.pack("ii", 1, 0)

# The first octet of a connection that speaks TLS: a record of a handshake.
_HANDSHAKE: Final = b"\x16"

# Bodies beyond the gateway's limit are read, to be answered, up to here.
_LARGEST_READ: Final = 16 * BODY_LIMIT
_LARGEST_UPLOAD_READ: Final = 2 * UPLOAD_LIMIT


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        app: Application,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        proxy: ssl.SSLContext | None = None,
    ) -> None:
        self.app = app
        self.tls = tls
        self.proxy = proxy
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
        # On the connection's own thread: one that says nothing holds up no other.
        if self.tls is not None and (self.proxy is None or self._begins_tls(request)):
            self.secure(request, client_address, self.tls)
        else:
            super().process_request_thread(request, client_address)

    def secure(self, request: socket.socket, client_address: Any, tls: ssl.SSLContext) -> None:
        """Serve the requests of a connection on which TLS begins, until it is closed."""
        self.connections.discard(request)
        request.settimeout(_Handler.timeout)
        try:
            secured = tls.wrap_socket(request, server_side=True)
        except OSError:
            # A client that trusts nobody here, or shows a certificate that nobody knows.
            logger.debug("%s: no TLS", client_address[0], exc_info=True)
            return
        self.connections.add(secured)
        super().process_request_thread(secured, client_address)

    @staticmethod
    def _begins_tls(request: socket.socket) -> bool:
        request.settimeout(_Handler.timeout)
        try:
            return request.recv(1, socket.MSG_PEEK) == _HANDSHAKE
        except OSError:
            return False

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
    # What the real one is called; a page of an error is its too.
    server_version = "nginx"
    sys_version = ""
    error_content_type = "text/html"
    error_message_format = (
        "<html>\r\n<head><title>%(code)d %(message)s</title></head>\r\n<body>\r\n"
        "<center><h1>%(code)d %(message)s</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    disable_nagle_algorithm = True
    # The real gateway drops connections that have been idle for about this long.
    timeout = 8

    def __getattr__(self, name: str) -> Callable[[], None]:
        # The base class looks for do_GET, do_POST and so on; the app knows its own methods.
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        is_secured = isinstance(self.connection, ssl.SSLSocket)
        going = Destination(scheme="https" if is_secured else "http", target=self.path)
        if self.server.proxy is not None and not is_secured:
            if self.command == "CONNECT":
                self._tunnel(self.server.proxy)
                return
            if not self.path.startswith("/"):
                proxied = destination(self.path)
                if proxied is None:
                    self._refuse()
                    return
                going = proxied
        body = self._body()
        if body is None:
            self.close_connection = True
        else:
            self._answer(going, body)

    def _tunnel(self, tls: ssl.SSLContext) -> None:
        """Let the client speak with WeChat Pay on this connection, until it is closed."""
        if not is_tunnel(self.path):
            self._refuse()
            return
        self.close_connection = True
        self.send_response_only(HTTPStatus.OK, "Connection established")
        self.end_headers()
        self.server.secure(self.connection, self.client_address, tls)

    def _refuse(self) -> None:
        self.close_connection = True
        self.send_response(HTTPStatus.FORBIDDEN)
        for name, value in (("Content-Type", "text/plain"), ("Content-Length", str(len(REFUSED)))):
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(REFUSED)

    def send_error(self, code: int, *_: str | None, **__: str | None) -> None:
        """Answer with the page of ``code``, which shows no words of Python's library."""
        super().send_error(code)

    def version_string(self) -> str:
        """Return what the ``Server`` header says."""
        return self.server_version

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is theirs
        logger.debug(format, *args)

    def _body(self) -> bytes | None:
        """Read the body; None after a request without a usable length was refused."""
        is_upload = limit_of(self.headers.get("Content-Type", "")) == UPLOAD_LIMIT
        most = _LARGEST_UPLOAD_READ if is_upload else _LARGEST_READ
        try:
            return read_body(self.headers, self.rfile, most)
        except UnusableBody as refused:
            self.send_error(refused.status)
            return None

    def _answer(self, going: Destination, body: bytes) -> None:
        called = call(self.server.app, self._environment(going, body))
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

    def _environment(self, going: Destination, body: bytes) -> Environ:
        # Of this connection: the server may listen at every address of the machine.
        host, port = self.connection.getsockname()[:2]
        environ = environment(
            method=self.command,
            scheme=going.scheme,
            target=going.target,
            server=(str(host), int(port)),
            headers=dict(self.headers.items()),
            body=body,
        )
        if isinstance(self.connection, ssl.SSLSocket):
            shown = self.connection.getpeercert(binary_form=True)
            environ[CLIENT_CERTIFICATE_KEY] = ssl.DER_cert_to_PEM_cert(shown) if shown else ""
        elif going.scheme == "https":
            environ[CLIENT_CERTIFICATE_KEY] = ""
        return environ


def serve(
    app: Application,
    host: str = "127.0.0.1",
    port: int = 9100,
    *,
    ready: Callable[[str], None] | None = None,
    tls: ssl.SSLContext | None = None,
    proxy: ssl.SSLContext | None = None,
) -> None:
    """Serve ``app`` until this thread is interrupted; ``ready`` is called with the address.

    With ``tls``, the address is https and client certificates are asked for (``tls_context``).
    With ``proxy``, the address is that of an HTTP proxy as well, to WeChat Pay's host names:
    tunnels to them end in this TLS. Raises ``OSError`` when the address cannot be listened on.
    """
    server = _Server(app, host, port, tls, proxy)
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
    proxy: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Serve ``app`` on a thread of its own and give its address; 0 is any free port.

    ``tls`` and ``proxy`` are those of ``serve``.
    """
    server = _Server(app, host, port, tls, proxy)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.stop()
        thread.join()
