"""The ways in which a request fails, and the table that reads them off an exception.

The HTTP libraries wrap one another's exceptions, so a row matches anything in the chain of
causes; the first row that matches decides.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import requests
import urllib3.exceptions

from django_wxpay.protocol.errors import BadSignature, OutcomeUnknown, Refused
from django_wxpay.protocol.failures import Failure

# Ends the message of an ``OutcomeUnknown``: what its caller may do next.
SAFE_AGAIN: Final = "calling again is safe"
NOT_SENT: Final = f"nothing was sent, and {SAFE_AGAIN}"
# Of an endpoint that this package does not know: twice may be two of it.
MAYBE_DONE: Final = "it may have been done: ask for it under its own number"


class NoResponse(OutcomeUnknown):
    """One attempt brought no whole response; ``failure`` says what happened to it.

    ``http_status`` is set where at least the head of a response arrived.
    """

    def __init__(self, failure: Failure, *, http_status: int | None = None) -> None:
        self.failure = failure
        self.http_status = http_status
        super().__init__(f"no response ({failure})")


class UntrustedHost(NoResponse):
    """The host's certificate cannot be verified: nothing was sent, no other host is asked."""


class Busy(OutcomeUnknown):
    """WeChat Pay was busy, also when it was asked once more; ``refusal`` is its last answer."""

    def __init__(self, refusal: Refused, advice: str = SAFE_AGAIN) -> None:
        self.refusal = refusal
        super().__init__(f"WeChat Pay is busy ({refusal.err_code}); {advice}")


class Probed(BadSignature):
    """WeChat Pay tests whether we verify; the next answer is signed genuinely."""


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


def no_response(problem: BaseException, *, http_status: int | None = None) -> NoResponse:
    """Return what to raise for an exception of ``requests``; none of its text is taken over."""
    chain = tuple(_chain(problem))
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return UntrustedHost(Failure.TLS, http_status=http_status)
    for kinds, failure in _TABLE:
        if any(isinstance(link, kinds) for link in chain):
            return NoResponse(failure, http_status=http_status)
    # The request may have been executed, which is the careful thing to assume.
    return NoResponse(Failure.RESET, http_status=http_status)


def _chain(problem: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [problem]
    while waiting:
        link = waiting.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            # Not __context__: that may be an exception of the caller's own.
            waiting += [*link.args, link.__cause__, getattr(link, "reason", None)]
