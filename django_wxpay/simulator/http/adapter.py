"""Calls of the simulator from this process: as a WSGI application, and through ``requests``.

No socket is used and a delay takes no time: one longer than the caller's time-out becomes
that time-out at once, and a shorter one is skipped.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import ProtocolError

from django_wxpay.simulator.http.messages import (
    NETWORK_FAULT_KEY,
    NO_NETWORK_FAULT,
    Environ,
    NetworkFault,
    StartResponse,
)
from django_wxpay.simulator.http.tls import CLIENT_CERTIFICATE_KEY

_PORTS: Final = {"http": 80, "https": 443}


class SimulatorAdapter(HTTPAdapter):
    """Mount it on a ``requests.Session`` under any address: ``session.mount(url, adapter)``."""

    def __init__(self, app: Application) -> None:
        super().__init__()
        self._app = app

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        *,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        cert: Any = None,
        **_: Any,
    ) -> requests.Response:
        """Call the simulator and return its answer, or raise the error of its network fault."""
        called = call(self._app, _environment(request) | _shown(cert))
        _raise_fault(request, called.network_fault, timeout)
        response = self.build_response(request, _raw(request, called))
        if not stream:
            # An answer that breaks off raises while it is read.
            response.content  # noqa: B018
        return response


def _environment(request: requests.PreparedRequest) -> Environ:
    parts = urlsplit(request.url or "")
    body = _octets(request.body)
    return environment(
        method=request.method or "GET",
        scheme=parts.scheme,
        target=request.path_url,
        server=(parts.hostname or "", parts.port or _PORTS[parts.scheme]),
        headers={"Host": parts.netloc, **request.headers},
        body=body,
    )


def _shown(cert: Any) -> Environ:
    """Return a client certificate: a file, a file and that of its key, or an object with ``pem``.

    Its key is not asked for, as no handshake takes place.
    """
    if cert is None:
        return {}
    pem = getattr(cert, "pem", None)
    if pem is None:
        pem = Path(cert if isinstance(cert, str) else cert[0]).read_text(encoding="utf-8")
    return {CLIENT_CERTIFICATE_KEY: pem}


def _octets(body: object) -> bytes:
    """Return a body of ``requests``: bytes, a text, a file, or pieces that are sent in chunks."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    read = getattr(body, "read", None)
    if read is not None:
        return _octets(read())
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    return b"".join(map(_octets, cast("Iterable[object]", body)))


def _raise_fault(
    request: requests.PreparedRequest,
    fault: NetworkFault,
    timeout: float | tuple[float | None, float | None] | None,
) -> None:
    read_timeout = timeout[1] if isinstance(timeout, tuple) else timeout
    if read_timeout is not None and fault.delay_s > read_timeout:
        raise requests.ReadTimeout(
            f"Read timed out. (read timeout={read_timeout})", request=request
        )
    if fault.reset:
        reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        raise requests.ConnectionError(ProtocolError("Connection aborted.", reset), request=request)


def _raw(request: requests.PreparedRequest, called: Called) -> HTTPResponse:
    return HTTPResponse(
        body=io.BytesIO(called.body[: called.network_fault.cut_at]),
        headers=HTTPHeaderDict(called.headers),
        status=called.status,
        reason=called.reason,
        preload_content=False,
        enforce_content_length=True,
        request_method=request.method,
    )


Application = Callable[[Environ, StartResponse], Iterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The answer of an application, and its network fault."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    network_fault: NetworkFault


def environment(
    *,
    method: str,
    scheme: str,
    target: str,
    server: tuple[str, int],
    headers: Mapping[str, str],
    body: bytes,
) -> Environ:
    """Return the WSGI environment of a request for ``target``, a path with its query."""
    path, _, query = target.partition("?")
    named = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
    content_type = named.pop("HTTP_CONTENT_TYPE", "")
    # The body is here as a whole, however it was sent.
    for name in ("HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"):
        named.pop(name, None)
    return named | {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def call(app: Application, environ: Environ) -> Called:
    """Call ``app`` and return all of its answer."""
    lines: list[NetworkFault] = [NO_NETWORK_FAULT]
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], /) -> None:
        started.append((status, headers))

    body = b"".join(app(environ | {NETWORK_FAULT_KEY: lines.append}, start_response))
    status, headers = started[-1]
    code, _, reason = status.partition(" ")
    return Called(
        status=int(code), reason=reason, headers=headers, body=body, network_fault=lines[-1]
    )
