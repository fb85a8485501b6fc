"""Async views that place an order each, by every way to call a service from one.

Imported once Django is set up; ``ROOT_URLCONF`` is this module. ``Counted`` says how many calls
went on at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections, connections
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from django_wxpay import services

Place = Callable[[], Awaitable[object]]
_FIELDS: Final[dict[str, Any]] = {
    "trade_type": "NATIVE",
    "body": "Tea",
    "total_fee": 1800,
    "product_id": "tea",
}


class Counted:
    """The number of calls that go on, and the most at once since ``restart``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.most = 0

    def restart(self) -> None:
        self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


at_once: Final = Counted()


def place() -> None:
    """Place a new order, as any thread of a site's own would."""
    close_old_connections()
    try:
        with at_once:
            services.checkout(**_FIELDS)
    finally:
        close_old_connections()


def _view(call: Place) -> Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]]:
    async def view(_: HttpRequest) -> HttpResponse:
        await call()
        return HttpResponse()

    return view


class Threads:
    """Threads of the site's own, ``count`` of them, each with a connection to the database."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.pool = ThreadPoolExecutor(count)
        self.place = sync_to_async(place, thread_sensitive=False, executor=self.pool)

    def close(self) -> None:
        """Close every thread's connection, and end them."""
        # Each waits for all others, so that no thread closes its own twice.
        everybody = threading.Barrier(self._count)

        def close() -> None:
            connections.close_all()
            everybody.wait()

        for _ in range(self._count):
            self.pool.submit(close)
        self.pool.shutdown()


def routes(threads: Threads) -> list[Any]:
    """Return a route for each way, by the name that ``placed_by`` takes."""
    ways = {
        "own": threads.place,
        "default": sync_to_async(place),
        "loop": sync_to_async(place, thread_sensitive=False),
    }
    places = [path(f"{name}/", _view(call)) for name, call in ways.items()]
    return [*places, path("wxpay/", include("django_wxpay.urls"))]


urlpatterns: list[Any] = []


async def placed_by(site: ASGIHandler, name: str, count: int) -> None:
    """Ask ``site`` for so many orders at once, each in a request of its own."""
    statuses = await asyncio.gather(*(_status(site, f"/{name}/") for _ in range(count)))
    if set(statuses) != {200}:
        raise SystemExit(f"{name}: answered with {set(statuses)}")


async def _status(site: ASGIHandler, target: str) -> int:
    answers: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        # After its request a client is silent, and Django listens whether it goes away.
        return waiting.pop() if waiting else await asyncio.Future()

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "GET", "path": target, "query_string": b"", "headers": []}
    await site(scope, receive, send)
    return int(answers[0]["status"])
