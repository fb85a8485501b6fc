"""HTTP requests and answers, and the network fault of an answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, quote

from django_wxpay.protocol.v2.xml import LARGEST_BODY

# The largest document that is taken; one byte more is read, to show the excess.
BODY_LIMIT: Final = LARGEST_BODY

# The key of a function in the WSGI environment that takes the answer's ``NetworkFault``: a
# WSGI application by itself cannot reset a connection.
NETWORK_FAULT_KEY: Final = "wxpay_simulator.network_fault"

# Characters that most clients do not encode in a path.
_UNQUOTED: Final = "/!$&'()*+,;=:@~"

Environ = dict[str, Any]


class StartResponse(Protocol):
    """The second argument of a WSGI call."""

    def __call__(self, status: str, headers: list[tuple[str, str]], /) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFault:
    """A fault of the connection: a delay, a reset, or an end after ``cut_at`` bytes.

    A ``reset`` comes after the delay, instead of the answer.
    """

    delay_s: float = 0.0
    reset: bool = False
    cut_at: int | None = None


NO_NETWORK_FAULT: Final = NetworkFault()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request, read whole; ``body`` holds at most ``BODY_LIMIT`` + 1 bytes.

    ``target`` is path and query as sent; the names of ``headers`` are in lower case.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    origin: str
    host: str
    content_type: str
    language: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP answer."""

    body: bytes
    status: int = 200
    content_type: str = "text/xml"
    headers: tuple[tuple[str, str], ...] = ()
    network_fault: NetworkFault = field(default=NO_NETWORK_FAULT)


def read_request(environ: Environ) -> Request:
    """Read a WSGI environment; an invalid part of it is read as empty."""
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return Request(
        method=environ["REQUEST_METHOD"],
        target=_target(environ),
        path=path.encode("latin-1", "replace").decode("utf-8", "replace") or "/",
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""))),
        origin=f"{environ['wsgi.url_scheme']}://{host}",
        host=host,
        content_type=environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower(),
        language=environ.get("HTTP_ACCEPT_LANGUAGE", ""),
        headers={
            name[5:].replace("_", "-").lower(): text
            for name, text in environ.items()
            if name.startswith("HTTP_")
        },
        body=_body(environ),
    )


def _target(environ: Environ) -> str:
    """Return the target as sent if the server provides it, else rebuilt from the path."""
    for name in ("RAW_URI", "REQUEST_URI"):
        if environ.get(name, "").startswith("/"):
            sent: str = environ[name]
            return sent
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    return quote(path.encode("latin-1", "replace"), safe=_UNQUOTED) + (f"?{query}" if query else "")


def _body(environ: Environ) -> bytes:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return b""
    body: bytes = environ["wsgi.input"].read(min(max(length, 0), BODY_LIMIT + 1))
    return body


def json_response(value: object, *, status: int = 200, allow: Iterable[str] = ()) -> Response:
    """Return ``value`` as a JSON answer; ``allow`` fills the Allow header of a 405."""
    return Response(
        body=json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n",
        status=status,
        content_type="application/json",
        headers=(("Allow", ", ".join(allow)),) if allow else (),
    )


def see_other(location: str) -> Response:
    """Return the answer that sends a browser on after a form."""
    return Response(
        body=b"", status=303, content_type="text/plain", headers=(("Location", location),)
    )
