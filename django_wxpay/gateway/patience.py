"""How long an answer may take in all: the read time-out, however slowly it drips.

A socket's time-out starts anew with every byte, so a host that sends one byte at a time
could hold a worker for hours. Here the time-out runs once, from the moment the request is
out to the last byte of the answer.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class PatientReader(io.RawIOBase):
    """Reads from a socket until the socket's time-out, counted from now, has run out."""

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._clock = clock
        self._patience_s = sock.gettimeout() or 0.0
        self._until = clock() + self._patience_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left_s = min(self._until - self._clock(), self._patience_s)
        if left_s <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left_s)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class PatientResponse(http.client.HTTPResponse):
    """An HTTP answer that a ``PatientReader`` reads, from the status line to the last byte."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp.close()
        self.fp = io.BufferedReader(PatientReader(sock))
