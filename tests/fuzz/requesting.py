"""One request of a case as a WSGI server hands it to Django, without a socket."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from django.conf import settings
from django.urls import reverse

from tests.fuzz.cases import Input
from tests.fuzz.oracle import Answer


class Body(BytesIO):
    """A request's body as a server hands it over: in pieces, and perhaps broken off."""

    def __init__(self, sent: Input) -> None:
        super().__init__(sent.body)
        self._chunk = sent.chunk
        self._breaks_at = sent.breaks_at

    def read(self, size: int | None = -1, /) -> bytes:
        if 0 <= self._breaks_at <= self.tell():
            raise OSError("the connection was reset")
        return super().read(size)


def post(handler: Callable[..., Any], sent: Input) -> Answer:
    """Send one request to ``handler``, a WSGI application, and return its answer."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    response = handler(_environ(sent), lambda line, headers, *_: started.append((line, headers)))
    try:
        body = b"".join(response)
    finally:
        response.close()
    line, headers = started[0]
    return Answer(int(line.split()[0]), dict(headers).get("Content-Type", ""), body)


def _environ(sent: Input) -> dict[str, Any]:
    path = sent.path or reverse(f"django_wxpay:notify-{sent.kind}", args=[sent.alias])
    path = path.removeprefix(settings.FORCE_SCRIPT_NAME or "")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": sent.method,
        "SCRIPT_NAME": "",
        # WSGI's own encoding of octets as text.
        "PATH_INFO": unquote_to_bytes(quote(path, safe="/%")).decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "text/xml",
        "CONTENT_LENGTH": str(len(sent.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": Body(sent),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    headers = {f"HTTP_{name.upper().replace('-', '_')}": v for name, v in sent.headers.items()}
    return {**environ, **headers, **sent.environ}
