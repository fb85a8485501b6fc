"""Failures of a notification, and the one that an exception stands for.

An attempt without an exception is no success: the answer has to acknowledge it.
"""

from __future__ import annotations

import socket
import ssl
from enum import StrEnum
from typing import Final


class Failure(StrEnum):
    """A reason why a notification was not acknowledged, in plain words."""

    REFUSED = "connection refused"
    CLOSED = "connection closed"
    TIMEOUT = "no answer in time"
    UNKNOWN_HOST = "no such host"
    TLS = "TLS failed"
    BAD_ADDRESS = "no address that can be called"
    UNUSABLE = "no usable answer"
    STATUS = "not accepted"
    ANSWER = "not acknowledged in the body"
    PROBE = "accepted, although the signature is wrong on purpose"


# The first that fits: an error of TLS may be a ValueError as well.
_ERRORS: Final[tuple[tuple[type[BaseException], Failure], ...]] = (
    (ConnectionRefusedError, Failure.REFUSED),
    (ConnectionError, Failure.CLOSED),
    (TimeoutError, Failure.TIMEOUT),
    (socket.gaierror, Failure.UNKNOWN_HOST),
    (ssl.SSLError, Failure.TLS),
    (ValueError, Failure.BAD_ADDRESS),
)


def failure_of(error: BaseException) -> Failure:
    """Return what ``error`` comes from: clients wrap the system's own error in theirs."""
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in chain:
        chain.append(step)
        step = step.__cause__ or step.__context__
    for one in reversed(chain):
        for kind, failure in _ERRORS:
            if isinstance(one, kind):
                return failure
    return Failure.UNUSABLE
