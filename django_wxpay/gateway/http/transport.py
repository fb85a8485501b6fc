"""One attempt on the wire: send once, wait a bounded time, read a bounded answer.

It decides nothing about trying again (``attempts`` does) and reads no document (the
protocols do). A redirect is an answer like any other: following one would send a signed
order to an address that nobody configured.
"""

from __future__ import annotations

import http.client
import math
import threading
import time
from collections.abc import Callable
from typing import Final

import requests
import urllib3.exceptions
from requests.adapters import BaseAdapter

from django_wxpay import __version__
from django_wxpay.gateway.http.adapter import PooledAdapter
from django_wxpay.gateway.http.failures import no_answer
from django_wxpay.gateway.http.hosts import HostHealth
from django_wxpay.gateway.http.messages import Answer, Exchange, NoAnswer
from django_wxpay.gateway.records import Failure
from django_wxpay.protocol.errors import ConfigurationError

LONGEST_ANSWER: Final = 1024 * 1024
USER_AGENT: Final = f"django-wxpay/{__version__}"
_LONGEST_WAIT_S: Final = 3600.0
_CHUNK: Final = 64 * 1024


class Transport:
    """Kept-open connections to every host, and the memory of which host is well.

    Make one per process and share it among all threads and merchants. ``timeout`` is
    (connect, answer) in seconds and cannot be switched off: anything but two positive,
    finite numbers is a ``ConfigurationError``, and more than an hour counts as an hour.
    ``clock`` counts seconds, never backwards.
    """

    def __init__(
        self,
        *,
        timeout: tuple[float, float] = (5.0, 15.0),
        recovery_s: float = 180.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = _checked_timeout(timeout)
        self._pooled = PooledAdapter(clock=clock)
        self._environment = requests.Session()
        self._mounted: tuple[tuple[str, BaseAdapter], ...] = ()
        self._mounting = threading.Lock()
        self.clock = clock
        self.health = HostHealth(_checked_seconds(recovery_s, "recovery_s"), clock=clock)

    def mount(self, prefix: str, adapter: BaseAdapter) -> None:
        """Send what goes to an address beginning with ``prefix`` to ``adapter`` instead.

        The longest prefix wins; of equal ones, the latest.
        """
        with self._mounting:
            self._mounted = ((prefix.lower(), adapter), *self._mounted)

    def unmount(self, prefix: str) -> None:
        """Undo the latest ``mount`` of ``prefix``; without one, a ``KeyError``."""
        with self._mounting:
            prefixes = [mounted for mounted, _ in self._mounted]
            if prefix.lower() not in prefixes:
                raise KeyError(prefix)
            at = prefixes.index(prefix.lower())
            self._mounted = self._mounted[:at] + self._mounted[at + 1 :]

    def exchange(self, exchange: Exchange, *, timeout: tuple[float, float] | None = None) -> Answer:
        """Send ``exchange`` once and return the whole answer, whatever its status.

        ``timeout`` is in the place of the transport's own, under the same conditions.
        ``NoAnswer`` if none came, or one cut short or longer than 1 MiB. It holds nothing
        of the exception beneath, which would drag the signed body along.
        """
        patience = self._timeout if timeout is None else _checked_timeout(timeout)
        request = _prepared(exchange)
        address = str(request.url)
        adapter = self._adapter(address)
        environment = self._environment.merge_environment_settings(address, {}, None, None, None)
        status = None
        try:
            with adapter.send(
                request,
                stream=True,
                timeout=patience,
                verify=environment["verify"] or True,
                proxies=environment["proxies"],
            ) as response:
                status = response.status_code
                return _answer(response)
        except (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException) as problem:
            failed = no_answer(problem, http_status=status)
        raise failed

    def close(self) -> None:
        """Close every idle connection; the transport can be used again."""
        self._pooled.close()

    def _adapter(self, address: str) -> BaseAdapter:
        fitting = [row for row in self._mounted if address.lower().startswith(row[0])]
        if fitting:
            return max(fitting, key=lambda row: len(row[0]))[1]
        if not address.lower().startswith(("http://", "https://")):
            raise ConfigurationError(f"{address} is not an http or https address")
        return self._pooled


def _prepared(exchange: Exchange) -> requests.PreparedRequest:
    headers = {"User-Agent": USER_AGENT, **exchange.headers}
    request = requests.Request(exchange.method, exchange.url, data=exchange.body, headers=headers)
    try:
        return request.prepare()
    except requests.RequestException:
        raise ConfigurationError(f"{exchange.url} is not an address") from None


def _answer(response: requests.Response) -> Answer:
    user_ip = _user_ip(response)  # before the body: afterwards the connection is given back
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > LONGEST_ANSWER:
            raise NoAnswer(Failure.UNREADABLE, http_status=response.status_code)
    return Answer(
        status=response.status_code,
        body=bytes(body),
        headers=response.headers,
        user_ip=user_ip,
    )


def _user_ip(response: requests.Response) -> str:
    """Return our own address on the connection, or "" where there is no socket to ask."""
    sock = getattr(getattr(response.raw, "connection", None), "sock", None)
    name = getattr(sock, "getsockname", None)
    return str(name()[0]) if name else ""


def _checked_timeout(timeout: tuple[float, float]) -> tuple[float, float]:
    pair: object = timeout
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ConfigurationError("the time-out is not a pair (connect, answer) of seconds")
    connect_s, answer_s = (_checked_seconds(part, "time-out") for part in pair)
    return min(connect_s, _LONGEST_WAIT_S), min(answer_s, _LONGEST_WAIT_S)


def _checked_seconds(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"the {name} is not a number of seconds")
    if not 0 < value < math.inf:
        raise ConfigurationError(f"the {name} is not a positive, finite time")
    return float(value)
