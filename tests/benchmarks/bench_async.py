"""Placing orders from async views, beside the same calls on a plain pool of threads.

The views are asked through Django's ASGI handler, in this process, all at once; no middleware
stands in between, for it is the way to call that is measured. The gateway answers 100 ms after it
was asked, in this process too. ``asyncio`` has nothing to add to a call that waits in a thread, so
the limit is a ``ThreadPoolExecutor`` that makes the same calls without it.

Beside it: the waiting alone, if a call took nothing but the gateway's time; the same view with
``sync_to_async`` as it comes, which is a thread for each request; and the same call from outside
of a request, where all of them share one thread.

Run: python -m tests.benchmarks.bench_async, or with WXPAY_TEST_DATABASE=postgresql|mariadb
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.benchmarks.databases import database, keep_connection, set_up, use_merchants
from tests.benchmarks.measuring import FULL, Action, Aim, Result, Scale, profiled, ratios, show

REACH: Final = 1.25
_HOST: Final = "http://gateway.bench"
_LATENCY_S: Final = 0.1
_LIMIT, _OWN, _LOOP = "limit", "own", "thread_sensitive=False, the event loop's own threads"
_REQUESTS, _OUTSIDE = "a thread for each request", "one thread"


@dataclass(frozen=True, slots=True)
class _Work:
    """The orders of a round, the threads that place them, and the rounds."""

    orders: int
    threads: int
    rounds: int

    @property
    def waiting_s(self) -> float:
        return math.ceil(self.orders / self.threads) * _LATENCY_S


_FULL: Final = _Work(orders=48, threads=8, rounds=5)
_QUICK: Final = _Work(orders=16, threads=8, rounds=3)


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to place the orders of a round; ``is_kept`` says whether connections are."""

    place: Action
    is_kept: bool


def results(scale: Scale = FULL) -> Iterator[Result]:
    """Place orders in turns by every way, and yield a row for each that a site may choose."""
    work = _QUICK if scale.is_quick else _FULL
    set_up()
    with database("async"), _slow_gateway(), _ways(work) as ways:
        # Threads are begun, and statements compiled, before anything counts.
        most = {name: _most_at_once(way) for name, way in ways.items()}
        rounds = [{name: _taken(way) for name, way in ways.items()} for _ in range(work.rounds)]
        times = {name: [taken[name] for taken in rounds] for name in ways}
        what = f"placing {work.orders} orders from async views"
        alone = statistics.median(work.waiting_s / taken for taken in times[_LIMIT])
        peers = {
            f"the waiting alone, {work.waiting_s:g} s": alone,
            f"{_LOOP}, {most[_LOOP]} of them": _multiple(times, _LOOP),
        }
        row = _row(times, _OWN, f"{what}, {work.threads} threads of their own", work, peers=peers)
        yield profiled(row, ways[_OWN].place)
        yield _row(times, _REQUESTS, f"{what}, sync_to_async by default", work, note=_many(most))
        outside = f"placing {work.orders} orders outside of requests, sync_to_async by default"
        yield _row(times, _OUTSIDE, outside, work, note=f"{most[_OUTSIDE]} thread for all of them")


def _row(times: dict[str, list[float]], name: str, path: str, work: _Work, **more: Any) -> Result:
    low, middle, high = statistics.quantiles(ratios(times[name], times[_LIMIT]), n=4)
    return Result(
        path=path,
        limit=f"the same calls on a ThreadPoolExecutor of {work.threads} threads, no asyncio",
        figure=middle,
        reach=REACH if name == _OWN else None,
        aim=Aim.AT_MOST,
        low=low,
        high=high,
        **more,
    )


def _multiple(times: dict[str, list[float]], name: str) -> float:
    return statistics.median(ratios(times[name], times[_LIMIT]))


def _many(most: dict[str, int]) -> str:
    return (
        f"{most[_REQUESTS]} threads at once, each with a new connection to the database; nothing "
        "bounds their number but that of the requests"
    )


def _most_at_once(way: _Way) -> int:
    from tests.benchmarks.async_views import at_once

    at_once.restart()
    _taken(way)
    return at_once.most


def _taken(way: _Way) -> float:
    # A thread that ends with its request cannot keep its connection for another one.
    keep_connection(is_kept=way.is_kept)
    began = time.perf_counter()
    way.place()
    return time.perf_counter() - began


@contextmanager
def _ways(work: _Work) -> Iterator[dict[str, _Way]]:
    from asgiref.sync import sync_to_async
    from django.conf import settings

    settings.MIDDLEWARE, settings.ROOT_URLCONF = [], "tests.benchmarks.async_views"
    from django.core.handlers.asgi import ASGIHandler

    from tests.benchmarks import async_views

    plain, own = (async_views.Threads(work.threads) for _ in range(2))
    async_views.urlpatterns = async_views.routes(own)
    site = ASGIHandler()

    def on_a_plain_pool() -> None:
        for done in [plain.pool.submit(async_views.place) for _ in range(work.orders)]:
            done.result()

    async def outside() -> None:
        call = sync_to_async(async_views.place)
        await asyncio.gather(*(call() for _ in range(work.orders)))

    with asyncio.Runner() as runner:

        def asked(name: str) -> Callable[[], None]:
            return lambda: runner.run(async_views.placed_by(site, name, work.orders))

        try:
            yield {
                _LIMIT: _Way(on_a_plain_pool, is_kept=True),
                _OWN: _Way(asked("own"), is_kept=True),
                _LOOP: _Way(asked("loop"), is_kept=False),
                _REQUESTS: _Way(asked("default"), is_kept=False),
                _OUTSIDE: _Way(lambda: runner.run(outside()), is_kept=False),
            }
        finally:
            plain.close()
            own.close()


@contextmanager
def _slow_gateway() -> Iterator[None]:
    from django_wxpay.services import gateways
    from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID, granted, scripted_v2

    use_merchants(
        {"default": {"APPID": APPID, "MCH_ID": MCH_ID, "API_KEY": API_KEY, "HOSTS": [_HOST]}}
    )

    def slowly(sent: dict[str, str]) -> dict[str, str]:
        time.sleep(_LATENCY_S)
        return granted(sent)

    scripted = scripted_v2()
    scripted.answers["/pay/unifiedorder"] = slowly
    gateways.mount(_HOST, scripted)
    try:
        yield
    finally:
        gateways.unmount(_HOST)


def main() -> None:
    """Measure and print."""
    show(results(FULL))


if __name__ == "__main__":
    main()
