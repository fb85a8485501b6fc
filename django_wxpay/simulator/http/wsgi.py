"""How something that is not a web server of its own right calls a WSGI application."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from django_wxpay.simulator.http.messages import CLEAR, LINE_KEY, Environ, Line, StartResponse

Application = Callable[[Environ, StartResponse], Iterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What an application answered, and what is to happen to it on the line."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    line: Line


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
    named.pop("HTTP_CONTENT_LENGTH", None)
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
    lines: list[Line] = [CLEAR]
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], /) -> None:
        started.append((status, headers))

    body = b"".join(app(environ | {LINE_KEY: lines.append}, start_response))
    status, headers = started[-1]
    code, _, reason = status.partition(" ")
    return Called(status=int(code), reason=reason, headers=headers, body=body, line=lines[-1])
