"""HTTP requests and answers, and the network fault of an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, quote, urlsplit

from django_wxpay.protocol.v2.xml import LARGEST_BODY
from django_wxpay.simulator.http.tls import CLIENT_CERTIFICATE_KEY

# The largest document that is taken; one byte more is read, to show the excess.
BODY_LIMIT: Final = LARGEST_BODY
# Of an upload: a video, and what stands around it (protocol-v3 section 13.1).
UPLOAD_LIMIT: Final = 5 * 1024 * 1024 + 4096

# Below this are the pages and the control plane: a name that no gateway has.
HOME: Final = "/_simulator/"

# The key of a function in the WSGI environment that takes the answer's ``NetworkFault``: a
# WSGI application by itself cannot reset a connection.
NETWORK_FAULT_KEY: Final = "wxpay_simulator.network_fault"

# Characters that most clients do not encode in a path.
_UNQUOTED: Final = "/!$&'()*+,;=:@~"

# The size of a chunk, which an extension may follow.
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_LINE: Final = 1024
_MOST_DIGITS: Final = 18
_MOST_TRAILERS: Final = 64

Environ = dict[str, Any]


class ByteSource(Protocol):
    """Where a body is read from: a file of bytes, or ``wsgi.input``."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


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
    """An HTTP request, read whole; ``body`` holds at most ``limit_of`` + 1 bytes.

    ``target`` is path and query as sent; the names of ``headers`` are in lower case. ``server`` is
    the address that was called, or in-process the name. ``client_certificate`` is PEM, "" where the
    client showed none, and None where it could not show one.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    origin: str
    host: str
    server: str
    content_type: str
    language: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    client_certificate: str | None = field(default=None, repr=False)


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
    server = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    host = _host(environ.get("HTTP_HOST") or server)
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return Request(
        method=environ["REQUEST_METHOD"],
        target=_target(environ),
        path=path.encode("latin-1", "replace").decode("utf-8", "replace") or "/",
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""))),
        origin=f"{environ['wsgi.url_scheme']}://{host or server}",
        host=host,
        server=environ["SERVER_NAME"],
        content_type=environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower(),
        language=environ.get("HTTP_ACCEPT_LANGUAGE", ""),
        headers={
            name[5:].replace("_", "-").lower(): text
            for name, text in environ.items()
            if name.startswith("HTTP_")
        }
        | {"content-type": environ.get("CONTENT_TYPE", "")},
        body=_body(environ),
        client_certificate=environ.get(CLIENT_CERTIFICATE_KEY),
    )


def _host(named: str) -> str:
    """Return the host that was named, "" for brackets that hold no address or a port that is none.

    Whoever takes it apart later would meet the error.
    """
    with suppress(ValueError):
        parts = urlsplit(f"//{named}")
        return named if parts.port != 0 else ""
    return ""


def _target(environ: Environ) -> str:
    """Return the target as sent if the server provides it, else rebuilt from the path."""
    for name in ("RAW_URI", "REQUEST_URI"):
        if environ.get(name, "").startswith("/"):
            sent: str = environ[name]
            return sent
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    return quote(path.encode("latin-1", "replace"), safe=_UNQUOTED) + (f"?{query}" if query else "")


def limit_of(content_type: str) -> int:
    """Return how many bytes a body of this type may have."""
    return UPLOAD_LIMIT if content_type.lower().startswith("multipart/") else BODY_LIMIT


def _body(environ: Environ) -> bytes:
    source = environ["wsgi.input"]
    limit = limit_of(environ.get("CONTENT_TYPE", ""))
    length = environ.get("CONTENT_LENGTH") or ""
    try:
        if not length and environ.get("wsgi.input_terminated"):
            # The server has taken the chunks apart, and the input ends with the body.
            return read_up_to(source, limit + 1)
        if not length and is_chunked(environ.get("HTTP_TRANSFER_ENCODING", "")):
            return read_chunked(source, limit + 1)
        return read_up_to(source, min(max(int(length or 0), 0), limit + 1))
    except ValueError:
        return b""


def read_up_to(source: ByteSource, most: int) -> bytes:
    """Return what ``source`` holds, at most ``most`` bytes of it."""
    body = b""
    # One read may return less than there is.
    while len(body) < most and (piece := source.read(most - len(body))):
        body += piece
    return body


def is_chunked(transfer_encoding: str) -> bool:
    """Say whether a body with this ``Transfer-Encoding`` comes in chunks, and in no other way."""
    return transfer_encoding.strip().lower() == "chunked"


def read_chunked(source: ByteSource, most: int) -> bytes:
    """Return the first ``most`` bytes of a body in chunks.

    A body of fewer bytes is read to its end. Raises ``ValueError`` for one that is not made of
    chunks, or ends early.
    """
    body = b""
    while size := _chunk_size(source.readline(_LONGEST_LINE)):
        piece = read_up_to(source, min(size, most - len(body)))
        body += piece
        if len(piece) < size:
            if len(body) < most:
                raise ValueError("the body ends in the middle of a chunk")
            return body
        if source.readline(_LONGEST_LINE).strip(b"\r\n"):
            raise ValueError("a chunk is longer than it says")
    for _ in range(_MOST_TRAILERS):
        if not source.readline(_LONGEST_LINE).strip(b"\r\n"):
            return body
    raise ValueError("there are too many trailers")


class UnusableBody(Exception):
    """A request whose body cannot be read; ``status`` is that of its refusal."""

    def __init__(self, status: HTTPStatus) -> None:
        self.status = status
        super().__init__(status)


def read_body(headers: Message, source: ByteSource, most: int) -> bytes:
    """Return a body of at most ``most`` bytes, whole or in chunks; raises ``UnusableBody``."""
    length, encoding = headers.get("Content-Length"), headers.get("Transfer-Encoding")
    if encoding is None:
        length = "0" if length is None else length
        if not (length.isascii() and length.isdigit()):
            raise UnusableBody(HTTPStatus.BAD_REQUEST)
        # Python reads no number of thousands of digits.
        if len(length.lstrip("0")) > _MOST_DIGITS or int(length) > most:
            raise UnusableBody(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return source.read(int(length))
    if length is not None:
        # Two lengths are how one request is smuggled inside another.
        raise UnusableBody(HTTPStatus.BAD_REQUEST)
    if not is_chunked(encoding):
        raise UnusableBody(HTTPStatus.NOT_IMPLEMENTED)
    try:
        body = read_chunked(source, most + 1)
    except ValueError:
        raise UnusableBody(HTTPStatus.BAD_REQUEST) from None
    if len(body) > most:
        raise UnusableBody(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return body


def _chunk_size(line: bytes) -> int:
    match = _CHUNK.match(line)
    if match is None:
        raise ValueError("a chunk does not begin with its size")
    return int(match[1], 16)


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
