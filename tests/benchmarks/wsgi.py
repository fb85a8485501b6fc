"""A POST to a WSGI application as a server makes it, with neither a socket nor a test client.

It costs a few microseconds, and the same for every competitor. The answer is closed as a server
closes it, which is when Django closes a connection that is not kept. Only the standard library
is used, so that a peer in an environment of its own is driven by the same code.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "SERVER_NAME": "testserver",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "testserver",
    "HTTP_ACCEPT": "*/*",
    "HTTP_USER_AGENT": "Mozilla/4.0",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "https",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line and a body."""

    status: str
    body: bytes


class Unexpected(Exception):
    """The answer is not the one that the benchmark is about."""


def post(
    application: Application,
    path: str,
    body: bytes,
    *,
    content_type: str = "text/xml",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return the answer to a POST; ``headers`` are by their HTTP names."""
    environ = _ENVIRON | {
        "PATH_INFO": path,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in (headers or {}).items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    status = ""

    def start(line: str, _: list[tuple[str, str]], __: Any = None) -> None:
        nonlocal status
        status = line

    parts = application(environ, start)
    try:
        content = b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    return Answer(status, content)


def accepted(answer: Answer, *, word: bytes = b"") -> None:
    """Raise ``Unexpected`` unless the status is 2xx and the body holds ``word``."""
    if not answer.status.startswith("2") or word not in answer.body:
        raise Unexpected(f"{answer.status}: {answer.body[:300]!r}")
