"""What a notification costs from its POST to the COMMIT, beside the least correct view.

Both are posted to by the same WSGI handler without middleware, on the same database, and tell the
same receiver, which writes by plain SQL. The connection is kept (``CONN_MAX_AGE=None``), or made
for each request. Each row is one protocol, first deliveries or duplicates.

Run: python -m tests.benchmarks.bench_notifications
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from tests.benchmarks.databases import database, keep_connection, use_merchants
from tests.benchmarks.measuring import FULL, Result, Scale, profiled, ratios, show
from tests.benchmarks.profiling import CALLS
from tests.benchmarks.wsgi import accepted, post

POSTS_A_ROUND: Final = 20
_ALIASES: Final = {"v2": "default", "v3": "v3"}
_KEPT: Final = {True: "connection kept", False: "a connection per request"}
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Message:
    """The body and the headers of one notification."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def main() -> None:
    """Measure and print."""
    show(list(results(FULL)))


def results(scale: Scale) -> Iterator[Result]:
    """Measure each protocol, with connections kept and not, first deliveries and duplicates."""
    with database():
        handler = prepare()
        for is_kept in _KEPT:
            keep_connection(is_kept=is_kept)
            for api in _ALIASES:
                yield from _measured(api, handler, scale, _KEPT[is_kept])


def prepare() -> Any:
    """Set up the merchants, the URLs and the receiver; return the WSGI handler."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    from django_wxpay.signals import order_paid
    from example_project.shop.receivers import pack_the_tea

    use_merchants(_merchants())
    settings.ALLOWED_HOSTS = ["*"]
    settings.MIDDLEWARE = []
    settings.ROOT_URLCONF = _urls()
    order_paid.disconnect(pack_the_tea, dispatch_uid="example_project.shop.pack_the_tea")
    order_paid.connect(_told, weak=False)
    return WSGIHandler()


def _measured(api: str, handler: Any, scale: Scale, connection: str) -> Iterator[Result]:
    urls = {"ours": f"/wxpay/notify/{_ALIASES[api]}/payment/", "limit": f"/bare/{api}/"}
    posts = scale.rounds * POSTS_A_ROUND
    warm, messages = messages_of(api, 2), {name: messages_of(api, posts) for name in urls}
    for message, url in zip(warm, urls.values(), strict=True):
        _post(handler, url, message)
    first = _timed(handler, urls, messages)
    more = iter(messages_of(api, CALLS + 1))
    repeated = messages["ours"][0]
    again = _timed(handler, urls, messages)
    row = _share(
        f"POST of a {api} notification to the COMMIT, {connection}",
        "a bare Django view, the same two transactions in plain SQL",
        first,
        0.75,
        "the receiver is handed an order of all columns, and a notification and an event are "
        "built for it; fifty values are prepared by their fields, where the view writes twenty; "
        "every error of a lock, a connection and a receiver has its place",
    )
    yield profiled(row, lambda: _post(handler, urls["ours"], next(more)))
    row = _share(
        f"a {api} duplicate, {connection}",
        "a bare Django view with one SELECT and one UPDATE",
        again,
        0.85,
        "one query reads the order with all its columns as well, which a first delivery needs; "
        "and the message is read into a fact before it is known for a duplicate",
    )
    yield profiled(row, lambda: _post(handler, urls["ours"], repeated))


def _timed(
    handler: Any, urls: Mapping[str, str], messages: Mapping[str, list[Message]]
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in urls}
    for at in range(0, len(messages["ours"]), POSTS_A_ROUND):
        for name, url in urls.items():
            batch = messages[name][at : at + POSTS_A_ROUND]
            began = time.perf_counter()
            for message in batch:
                _post(handler, url, message)
            times[name].append((time.perf_counter() - began) / len(batch) * 1e6)
    return times


def _share(
    path: str, limit: str, times: Mapping[str, list[float]], reach: float, why: str
) -> Result:
    shares = ratios(times["limit"], times["ours"])
    low, middle, high = statistics.quantiles(shares, n=4)
    ours, bare = (statistics.median(times[name]) for name in ("ours", "limit"))
    note = f"{ours:.0f} us beside {bare:.0f} us: {why}"
    return Result(path=path, limit=limit, figure=middle, reach=reach, low=low, high=high, note=note)


def _post(handler: Any, url: str, message: Message) -> None:
    accepted(post(handler, url, message.body, headers=message.headers), word=b"SUCCESS")


def messages_of(api: str, count: int) -> list[Message]:
    """Return the notifications of as many new orders, which are in the database then."""
    from django_wxpay.models import Order
    from tests.factories import OrderFactory
    from tests.wechatpay import v2, v3

    numbers = [f"B{next(_numbers):08d}" for _ in range(count)]
    usual = {"merchant": _ALIASES[api], "mch_id": v2.MCH_ID, "appid": v2.APPID, "attach": ""}
    Order.objects.bulk_create(
        OrderFactory.build(out_trade_no=number, total_fee=100, trade_type="NATIVE", **usual)
        for number in numbers
    )
    if api == "v2":
        paid = v2.payment_notice
        return [Message(paid(each, transaction_id=f"4200{each:0>24}")) for each in numbers]
    bodies = [v3.paid_notice(each, transaction_id=f"4300{each:0>24}") for each in numbers]
    return [Message(body, v3.signature(body)) for body in bodies]


def _merchants() -> dict[str, Any]:
    from tests.wechatpay import v2, v3

    direct = {"APPID": v2.APPID, "MCH_ID": v2.MCH_ID, "API_KEY": v2.API_KEY}
    return {
        "default": direct | {"HOSTS": ["http://gateway.test"]},
        "v3": v3.V3_MERCHANT | v3.PUBLIC_KEY_MODE,
    }


def _urls() -> ModuleType:
    from django.urls import include, path

    from tests.benchmarks.bare_views import keys_of_tests, notify_view

    urls, bare = ModuleType("urls_of_this_benchmark"), notify_view(keys_of_tests(), _tell)
    patterns = [path(f"bare/{api}/", bare) for api in _ALIASES]
    vars(urls)["urlpatterns"] = [*patterns, path("wxpay/", include("django_wxpay.urls"))]
    return urls


def _told(order: Any, **_: Any) -> None:
    _tell(order.out_trade_no)


def _tell(out_trade_no: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE shop_purchase SET paid_at = created_at "
            "WHERE reference = %s AND paid_at IS NULL",
            [out_trade_no],
        )


if __name__ == "__main__":
    main()
