"""The ``requests`` adapter that the package sends through, and the parts it replaces beneath.

It drops idle connections, limits the whole time of an answer, verifies every certificate and
repeats nothing. This is our own because ``requests`` has no setting for the first two; it relies
on these internals of urllib3, which ``tests/gateway/http/test_adapter.py`` watches:

- a pool manager makes its pools from ``pool_classes_by_scheme``;
- a pool makes its queue with ``QueueCls`` and its connections with ``ConnectionCls``;
- a pool reopens a connection of the queue that has been closed;
- a connection, as in ``http.client``, reads with ``response_class``, which reads from ``fp``.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import queue
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from django_wxpay.gateway.http.messages import ClientCertificate
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.keys import load_private_key

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# The gateway closes a connection that was idle for 8 s. A request sent into that moment is lost,
# and nothing shows whether it was executed (protocol-v3 section 1.2).
IDLE_S: Final = 7.0
KEPT_PER_HOST: Final = 32
_VERIFIED: Final = "CERT_REQUIRED"


class PooledAdapter(HTTPAdapter):
    """The adapter of all real hosts and of all threads. Verification cannot be switched off."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # Sending again is decided in gateway.failover, never inside the HTTP library.
        super().__init__(pool_maxsize=KEPT_PER_HOST, max_retries=0)

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002  (the signature is requests')
        **pool_kwargs: Any,
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self._replace_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        # Under a lock, so that no pool is made before its manager has our classes.
        with self._lock:
            is_new = proxy not in self.proxy_manager
            manager = super().proxy_manager_for(proxy, **proxy_kwargs)
            if is_new:
                self._replace_pools(manager)
            return manager

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: bool | str,  # noqa: FBT001  (the signature is requests')
        cert: Any = None,
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, None)
        if host["scheme"] != "https":
            return host, {}
        bundle = verify if isinstance(verify, str) else None
        # A pool of connections for each context, so that no connection shows a certificate to a
        # call that has none.
        return host, {"cert_reqs": _VERIFIED, "ssl_context": ssl_context(bundle, cert)}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ARG002
        # requests would name the bundle here, and every new connection would read it again.
        conn.cert_reqs = _VERIFIED

    def _replace_pools(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = our_pools(
            manager.pool_classes_by_scheme, clock=self._clock
        )


class IdleConnections(queue.LifoQueue[Any]):
    """The queue of a pool's idle connections; None stands for one that was never opened."""

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

    def _put(self, item: Any) -> None:
        super()._put((item, self._clock(), self._process()))

    def _get(self) -> Any:
        connection, since, process = super()._get()
        if connection is not None and self._is_stale(since, process):
            # Handed out all the same: the pool reopens it, as one that the other side dropped.
            connection.close()
        return connection

    def _is_stale(self, since: float, process: int) -> bool:
        # After a fork, parent and child hold the same sockets: only one may use them.
        return not 0 <= self._clock() - since <= IDLE_S or process != self._process()


def our_pools(
    pools: Mapping[str, type[HTTPConnectionPool]],
    *,
    clock: Callable[[], float],
) -> dict[str, type[HTTPConnectionPool]]:
    """Return, by scheme, ``pools`` that drop idle connections and limit the time of an answer."""
    idle = staticmethod(partial(IdleConnections, clock=clock))
    return {scheme: _our_pool(pool, idle) for scheme, pool in pools.items()}


def _our_pool(pool: type[HTTPConnectionPool], idle: object) -> type[HTTPConnectionPool]:
    connection = pool.ConnectionCls
    with_deadline = type(
        f"Deadline{connection.__name__}",
        (connection,),
        {"response_class": DeadlineResponse},
    )
    return type(f"Kept{pool.__name__}", (pool,), {"ConnectionCls": with_deadline, "QueueCls": idle})


class DeadlineReader(io.RawIOBase):
    """Reads from a socket until the socket's time-out, counted from now, has run out.

    A socket's own time-out starts anew with every byte, so a host that sends one byte at a time
    could hold a worker for hours.
    """

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._clock = clock
        self._timeout_s = sock.gettimeout() or 0.0
        self._until = clock() + self._timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left_s = min(self._until - self._clock(), self._timeout_s)
        if left_s <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left_s)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class DeadlineResponse(http.client.HTTPResponse):
    """An HTTP response that a ``DeadlineReader`` reads, from the status line to the last byte."""

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


def ssl_context(
    bundle: str | None = None, client: ClientCertificate | None = None
) -> ssl.SSLContext:
    """Return the context that trusts ``bundle``, a file or a folder of CA certificates.

    None means the bundle of ``requests``. ``client`` is presented to a host that asks for it.
    Raises ``ConfigurationError`` for what cannot be read, or does not belong together.
    """
    return _ssl_context(bundle or DEFAULT_CA_BUNDLE_PATH, client)


# Reading a bundle takes tens of milliseconds of processor time, more than the rest of a call.
@lru_cache(maxsize=64)
def _ssl_context(bundle: str, client: ClientCertificate | None = None) -> ssl.SSLContext:
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
    if client is not None:
        _load_client(context, client)
    return context


def _load_client(context: ssl.SSLContext, client: ClientCertificate) -> None:
    try:
        key = load_private_key(client.key)
    except ConfigurationError as problem:
        raise ConfigurationError(f"CLIENT_KEY is {problem}") from None
    # Python reads this from files alone. The key is encrypted there, under a password that only
    # the holder of the key can compute.
    password = Secret(hashlib.sha256(client.key.octets()).hexdigest())
    sealed = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.octets())
    )
    with tempfile.TemporaryDirectory(prefix="wxpay-") as folder:
        file = Path(folder, "client.pem")
        file.write_bytes(client.pem.encode() + b"\n" + sealed)
        try:
            context.load_cert_chain(file, password=password.reveal)
        except (ssl.SSLError, ValueError):
            raise ConfigurationError(
                "CLIENT_CERT cannot be read, or CLIENT_KEY is not its key"
            ) from None
