"""How ``requests`` is made to keep connections, to trust and never to repeat anything.

How connections are kept: for less time than the gateway keeps them, and by one process.

The gateway closes a connection that was idle for 8 s; a request sent into that moment is
lost and nobody knows whether it was executed. So a connection that was idle for more than
7 s is closed here first.

How long an answer may take in all: the read time-out, however slowly it drips.

A socket's time-out starts anew with every byte, so a host that sends one byte at a time
could hold a worker for hours. Here the time-out runs once, from the moment the request is
out to the last byte of the answer.

Whose certificates are believed: a CA bundle, read once and shared by every connection.

Reading the bundle costs tens of milliseconds of processor time, more than the rest of a
call, so it must happen neither per call nor per connection.
"""

from __future__ import annotations

import http.client
import io
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from django_wxpay.protocol.errors import ConfigurationError

_VERIFIED: Final = "CERT_REQUIRED"


class PooledAdapter(HTTPAdapter):
    """The adapter of all real hosts and of all threads.

    ``max_retries`` stays 0: whether a request is sent again is decided in ``gateway.failover``,
    never inside the HTTP library. Verification cannot be switched off.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        super().__init__(pool_maxsize=KEPT_PER_HOST, max_retries=0)

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002  (the signature is requests')
        **pool_kwargs: Any,
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self._keep(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        # Under a lock, so that no pool can be made before its manager knows how to keep it.
        with self._lock:
            is_new = proxy not in self.proxy_manager
            manager = super().proxy_manager_for(proxy, **proxy_kwargs)
            if is_new:
                self._keep(manager)
            return manager

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: bool | str,  # noqa: FBT001  (the signature is requests')
        cert: str | tuple[str, str] | None = None,
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] != "https":
            return host, {}
        bundle = verify if isinstance(verify, str) else None
        return host, {"cert_reqs": _VERIFIED, "ssl_context": ssl_context(bundle)}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ARG002
        # requests would name the bundle here and have every new connection read it again;
        # the context already holds it.
        conn.cert_reqs = _VERIFIED

    def _keep(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = keeping(manager.pool_classes_by_scheme, clock=self._clock)


IDLE_S: Final = 7.0
KEPT_PER_HOST: Final = 32


class Closable(Protocol):
    """All that is asked of a connection here."""

    def close(self) -> None: ...


class IdleConnections(queue.LifoQueue[Any]):
    """The queue of a pool's idle connections; None stands for one that was never opened.

    A connection closed here is handed out all the same: the pool opens it again, as it
    does with one that the other side has dropped.
    """

    def __init__(
        self,
        maxsize: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        process: Callable[[], int] = os.getpid,
    ) -> None:
        super().__init__(maxsize)
        self._clock = clock
        self._process = process

    def _put(self, item: Closable | None) -> None:
        super()._put((item, self._clock(), self._process()))

    def _get(self) -> Closable | None:
        connection: Closable | None
        connection, since, process = super()._get()
        if connection is not None and self._is_stale(since, process):
            connection.close()
        return connection

    def _is_stale(self, since: float, process: int) -> bool:
        # After a fork, parent and child hold the same sockets: only one may speak on them.
        return not 0 <= self._clock() - since <= IDLE_S or process != self._process()


def keeping(
    pools: Mapping[str, type[HTTPConnectionPool]],
    *,
    clock: Callable[[], float],
) -> dict[str, type[HTTPConnectionPool]]:
    """Return, by scheme, ``pools`` made to drop idle connections and to read with patience."""
    idle = staticmethod(partial(IdleConnections, clock=clock))
    return {scheme: _kept(pool, idle) for scheme, pool in pools.items()}


def _kept(pool: type[HTTPConnectionPool], idle: object) -> type[HTTPConnectionPool]:
    connection = pool.ConnectionCls
    with_deadline = type(
        f"Deadline{connection.__name__}",
        (connection,),
        {"response_class": DeadlineResponse},
    )
    return type(f"Kept{pool.__name__}", (pool,), {"ConnectionCls": with_deadline, "QueueCls": idle})


if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class DeadlineReader(io.RawIOBase):
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


class DeadlineResponse(http.client.HTTPResponse):
    """An HTTP answer that a ``DeadlineReader`` reads, from the status line to the last byte."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp.close()
        self.fp = io.BufferedReader(DeadlineReader(sock))


def ssl_context(bundle: str | None = None) -> ssl.SSLContext:
    """Return the context that believes ``bundle``, a file or a folder of CA certificates.

    None means the bundle of ``requests``. What cannot be read is a ``ConfigurationError``.
    """
    return _ssl_context(bundle or DEFAULT_CA_BUNDLE_PATH)


@lru_cache(maxsize=8)
def _ssl_context(bundle: str) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    try:
        if Path(bundle).is_dir():
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    except OSError:
        raise ConfigurationError(
            f"the CA bundle {bundle} (REQUESTS_CA_BUNDLE) cannot be read"
        ) from None
    return context
