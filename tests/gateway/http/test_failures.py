from __future__ import annotations

import http.client
import socket
import ssl
from typing import Any

import pytest
import requests
import urllib3.exceptions as u3

from django_wxpay.gateway.http.failures import UntrustedHost, no_response
from django_wxpay.protocol.failures import Failure

POOL: Any = None


def wrapped(reason: Exception, outer: type[requests.ConnectionError]) -> Exception:
    return outer(u3.MaxRetryError(POOL, "/", reason))


CASES = [
    (
        wrapped(u3.NameResolutionError("h", POOL, socket.gaierror()), requests.ConnectionError),
        "DNS",
    ),
    (requests.ConnectionError(socket.gaierror("no such name")), "DNS"),
    (wrapped(u3.NewConnectionError(POOL, "refused"), requests.ConnectionError), "CONNECT"),
    (requests.ConnectTimeout(), "CONNECT"),
    (wrapped(u3.ConnectTimeoutError(), requests.ConnectTimeout), "CONNECT"),
    (wrapped(u3.ProxyError("no", OSError()), requests.exceptions.ProxyError), "CONNECT"),
    (requests.exceptions.SSLError(ssl.SSLError("handshake")), "TLS"),
    (requests.exceptions.SSLError(), "TLS"),
    (requests.ReadTimeout(), "TIMEOUT"),
    (requests.ConnectionError(u3.ReadTimeoutError(POOL, "/", "slow")), "TIMEOUT"),
    (TimeoutError(), "TIMEOUT"),
    (requests.ConnectionError(u3.ProtocolError("gone", ConnectionResetError())), "RESET"),
    (
        requests.ConnectionError(u3.ProtocolError("gone", http.client.RemoteDisconnected(""))),
        "RESET",
    ),
    (requests.ConnectionError("something"), "RESET"),
    (OSError("anything at all"), "RESET"),
    (
        requests.exceptions.ChunkedEncodingError(
            u3.ProtocolError("cut", u3.IncompleteRead(3, 5)),
        ),
        "UNREADABLE",
    ),
    (u3.ProtocolError("aborted", http.client.BadStatusLine("SSH-2.0")), "UNREADABLE"),
    (requests.exceptions.ContentDecodingError(), "UNREADABLE"),
]


@pytest.mark.parametrize(("problem", "failure"), CASES)
def test_every_exception_of_the_libraries_has_its_word(problem: Exception, failure: str) -> None:
    answer = no_response(problem, http_status=200)
    assert answer.failure == failure
    assert answer.http_status == 200
    assert not isinstance(answer, UntrustedHost)


def test_a_certificate_is_told_apart_from_other_tls_trouble() -> None:
    reason = u3.SSLError(ssl.SSLCertVerificationError("expired"))
    answer = no_response(wrapped(reason, requests.exceptions.SSLError))
    assert isinstance(answer, UntrustedHost)
    assert answer.failure is Failure.TLS


def test_what_was_being_handled_elsewhere_is_not_taken_for_the_cause() -> None:
    problem = requests.ConnectionError("broken")
    problem.__context__ = ssl.SSLCertVerificationError("of another host")
    assert no_response(problem).failure is Failure.RESET


def test_a_chain_that_bites_its_tail_ends() -> None:
    problem = requests.ConnectionError("broken")
    problem.__cause__ = problem
    assert no_response(problem).failure is Failure.RESET


def test_nothing_of_the_request_hangs_on_what_is_raised() -> None:
    request = requests.Request("POST", "http://a.test/", data=b"signed").prepare()
    answer = no_response(requests.ReadTimeout("signed", request=request))
    assert "signed" not in str(answer) + repr(answer)
    assert answer.__cause__ is None
    assert answer.__context__ is None
