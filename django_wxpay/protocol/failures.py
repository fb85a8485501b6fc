"""The ways in which an attempt fails.

They stand apart from the table that reads them off an exception: pages and checks name them, and
need no client of HTTP for that.
"""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    """Why an attempt brought no trustworthy answer (protocol-v2 section 1.1).

    After ``DNS`` and ``CONNECT`` nothing was executed; after all others it may have been.
    """

    DNS = "DNS"  # the name did not resolve
    CONNECT = "CONNECT"  # refused, unreachable, no connection in time, or a proxy in the way
    TLS = "TLS"  # the handshake failed, or the certificate is not to be trusted
    TIMEOUT = "TIMEOUT"  # connected, but the whole answer did not come in time
    RESET = "RESET"  # the connection broke
    HTTP_5XX = "HTTP_5XX"
    UNREADABLE = "UNREADABLE"  # no document: HTML, empty, cut short, a redirect
    BAD_ANSWER = "BAD_ANSWER"  # a document that says what no WeChat Pay document says
    BAD_SIGNATURE = "BAD_SIGNATURE"  # a document that is not WeChat Pay's, or not for us
    PROBE = "PROBE"  # WeChat Pay signed wrongly on purpose (protocol-v3 section 2.3)
