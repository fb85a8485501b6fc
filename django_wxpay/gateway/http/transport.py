"""One HTTP exchange: sent once, awaited for a bounded time, read to a bounded length.

Sending again is decided in ``gateway.failover``, and documents are read by the protocols.
``requests`` is used below its sessions' ``send``, because that follows redirects and keeps
cookies.
"""

from __future__ import annotations

import http.client
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, cast

import requests
import urllib3.exceptions
from requests.adapters import BaseAdapter

from django_wxpay import __version__
from django_wxpay.gateway.http.adapter import PooledAdapter
from django_wxpay.gateway.http.environment import environment_of
from django_wxpay.gateway.http.failures import NoResponse, no_response
from django_wxpay.gateway.http.messages import BodyTaker, HttpRequest, HttpResponse
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.failures import Failure

LONGEST_ANSWER: Final = 1024 * 1024
# Half of it is certain, half is jitter, so that clients do not come back all at once
# (protocol-v3 section 7.2).
BUSY_PAUSE_S: Final = 0.5
USER_AGENT: Final = f"django-wxpay/{__version__}"
_LONGEST_WAIT_S: Final = 3600.0
_CHUNK: Final = 64 * 1024


class HostHealth:
    """The order in which hosts are asked: one that failed rests, then gets its place back.

    Hosts are named by their base URL. Safe for any number of threads. The memory is one
    process's own; another process finds out for itself (protocol-v2 section 1.4).
    """

    def __init__(
        self,
        recovery_s: float = 180.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recovery_s = recovery_s
        self._clock = clock
        self._failed_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def order(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """Return every host once: the fit in configured order, then those that rest.

        With all of them resting that is the configured order.
        """
        now = self._clock()
        with self._lock:
            failed_at = dict(self._failed_at)
        known = dict.fromkeys(hosts)
        return tuple(sorted(known, key=lambda host: self._rests(failed_at.get(host), now)))

    def failed(self, host: str) -> None:
        """Pass ``host`` over for ``recovery_s`` from now on."""
        now = self._clock()
        with self._lock:
            self._failed_at[host] = now

    def healed(self, host: str) -> None:
        """Give ``host`` its place back."""
        with self._lock:
            self._failed_at.pop(host, None)

    def _rests(self, failed_at: float | None, now: float) -> bool:
        # A clock that went back must not make a host rest for longer than agreed.
        return failed_at is not None and 0 <= now - failed_at < self._recovery_s


class Transport:
    """Kept-open connections to every host, and the memory of which host failed.

    Make one per process and share it among all threads and merchants. ``timeout`` is
    (connect, answer) in seconds and cannot be switched off: anything but two positive,
    finite numbers is a ``ConfigurationError``, and more than an hour counts as an hour.
    ``clock`` counts seconds, never backwards; ``sleep`` waits for seconds; ``jitter`` returns
    a number from 0 to 1, a random one where many processes share a gateway.
    """

    def __init__(
        self,
        *,
        timeout: tuple[float, float] = (5.0, 15.0),
        recovery_s: float = 180.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.timeout = _checked_timeout(timeout)
        self._pooled = PooledAdapter(clock=clock)
        self._mounted: tuple[tuple[str, BaseAdapter], ...] = ()
        self._mounting = threading.Lock()
        self.clock = clock
        self.sleep = sleep
        self._jitter = jitter
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

    def busy_pause_s(self) -> float:
        """Return the seconds to wait before a busy gateway is asked again: 0.25 to 0.75."""
        return BUSY_PAUSE_S * (0.5 + self._jitter())

    def send(
        self, request: HttpRequest, *, timeout: tuple[float, float] | None = None
    ) -> HttpResponse:
        """Send ``request`` once and return the whole response, whatever its status.

        ``timeout`` is in the place of the transport's own, under the same conditions. Raises
        ``NoResponse`` if none came, or one cut short or longer than 1 MiB (unless
        ``request.take_body`` takes it in), and
        ``ConfigurationError`` for a host that is no http(s) address.
        """
        prepared = _prepared(request)
        address = str(prepared.url)
        adapter = self._adapter(address)
        environment = environment_of(address)
        status = None
        try:
            with adapter.send(
                prepared,
                stream=True,
                timeout=self.timeout if timeout is None else _checked_timeout(timeout),
                verify=environment.verify,
                # Our own adapter, and the simulator's, take it in the place of a path.
                cert=cast("Any", request.client_certificate),
                proxies=dict(environment.proxies),
            ) as response:
                status = response.status_code
                return _whole(response, request.take_body or _body)
        except (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException) as problem:
            failed = no_response(problem, http_status=status)
        # Outside the except clause: the library's exception would drag the signed body along.
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


def _prepared(request: HttpRequest) -> requests.PreparedRequest:
    headers = {"User-Agent": USER_AGENT, **request.headers}
    # Before 2.8, urllib3 takes a blank for a part of the name, and asks the resolver for it.
    if not request.host.isprintable() or " " in request.host:
        raise ConfigurationError(f"{request.host!r} is not an address")
    prepared = requests.PreparedRequest()
    try:
        prepared.prepare_method(request.method)
        prepared.prepare_url(request.url, None)
        prepared.prepare_headers(headers)
        prepared.prepare_body(request.body, None)
    except requests.RequestException:
        raise ConfigurationError(f"{request.url} is not an address") from None
    return prepared


def _whole(response: requests.Response, take_body: BodyTaker) -> HttpResponse:
    # Before the body is read: afterwards the connection is given back.
    user_ip = _user_ip(response)
    body = take_body(response.status_code, response.headers, _pieces(response))
    return HttpResponse(
        status=response.status_code, body=body, headers=response.headers, user_ip=user_ip
    )


def _pieces(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(_CHUNK)
    except ValueError as problem:
        # A chunk of less than no bytes is read as it says, and Python has an error of its own.
        raise http.client.HTTPException("the body is not made of chunks") from problem


def _body(status: int, _headers: Mapping[str, str], chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > LONGEST_ANSWER:
            raise NoResponse(Failure.UNREADABLE, http_status=status)
    return bytes(body)


def _user_ip(response: requests.Response) -> str:
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
