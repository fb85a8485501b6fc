"""What an exception of the HTTP libraries means: one table, read from the top.

The libraries wrap one another's exceptions, so a row matches anything in the chain of
causes. What no row names is a broken connection: the request may have been executed, which
is the careful thing to believe.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import requests
import urllib3.exceptions

from django_wxpay.gateway.http.messages import NoAnswer, UntrustedHost
from django_wxpay.gateway.records import Failure

_TABLE: Final[tuple[tuple[tuple[type[BaseException], ...], Failure], ...]] = (
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), Failure.DNS),
    ((requests.exceptions.ProxyError, urllib3.exceptions.ProxyError), Failure.CONNECT),
    ((ssl.SSLError, requests.exceptions.SSLError, urllib3.exceptions.SSLError), Failure.TLS),
    ((requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError), Failure.CONNECT),
    ((urllib3.exceptions.NewConnectionError,), Failure.CONNECT),
    ((TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError), Failure.TIMEOUT),
    ((ConnectionError,), Failure.RESET),
    # What is left of these is an answer that is no HTTP, or that ends too early.
    ((http.client.HTTPException, requests.exceptions.ChunkedEncodingError), Failure.UNREADABLE),
    (
        (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError),
        Failure.UNREADABLE,
    ),
)


def no_answer(problem: BaseException, *, http_status: int | None = None) -> NoAnswer:
    """Return what to raise for an exception of ``requests``; none of its text is taken over."""
    chain = tuple(_chain(problem))
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return UntrustedHost(Failure.TLS, http_status=http_status)
    for kinds, failure in _TABLE:
        if any(isinstance(link, kinds) for link in chain):
            return NoAnswer(failure, http_status=http_status)
    return NoAnswer(Failure.RESET, http_status=http_status)


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those it was made from; never ``__context__``, which may be ours."""
    seen: set[int] = set()
    waiting: list[object] = [problem]
    while waiting:
        link = waiting.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [*link.args, link.__cause__, getattr(link, "reason", None)]
