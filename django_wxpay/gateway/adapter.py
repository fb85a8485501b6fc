"""How ``requests`` is made to keep connections, to trust and never to repeat anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

from django_wxpay.gateway.pooling import KEPT_PER_HOST, keeping
from django_wxpay.gateway.trust import trusting

_VERIFIED: Final = "CERT_REQUIRED"


class PooledAdapter(HTTPAdapter):
    """The adapter of all real hosts and of all threads.

    ``max_retries`` stays 0: whether a request is sent again is decided in ``attempts``,
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
        return host, {"cert_reqs": _VERIFIED, "ssl_context": trusting(bundle)}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ARG002
        # requests would name the bundle here and have every new connection read it again;
        # the context already holds it.
        conn.cert_reqs = _VERIFIED

    def _keep(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = keeping(manager.pool_classes_by_scheme, clock=self._clock)
