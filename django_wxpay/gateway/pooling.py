"""How connections are kept: for less time than the gateway keeps them, and by one process.

The gateway closes a connection that was idle for 8 s; a request sent into that moment is
lost and nobody knows whether it was executed. So a connection that was idle for more than
7 s is closed here first.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from urllib3 import HTTPConnectionPool

from django_wxpay.gateway.patience import PatientResponse

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
    patient = type(
        f"Patient{connection.__name__}",
        (connection,),
        {"response_class": PatientResponse},
    )
    return type(f"Kept{pool.__name__}", (pool,), {"ConnectionCls": patient, "QueueCls": idle})
