"""docs/async.md: its samples run as they are printed, and what it says of threads holds.

Django's ASGI handler runs here as a server runs it: a request is a task of its own, and the client
may go away. ``AsyncClient`` is the other half, a context without a request's thread.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.exceptions import SynchronousOnlyOperation
from django.core.handlers.asgi import ASGIHandler
from django.db import OperationalError, close_old_connections, transaction
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import include, path

from django_wxpay import conf, services, signals
from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.testing import SimulatedWXPay
from example_project.shop.models import Purchase
from tests.benchmarks import bench_async, running
from tests.docs.markdown import blocks, section, text_of
from tests.journeys.stage import payment_notice
from tests.tables import connection

PAGE = text_of("docs/async.md")
TEA: dict[str, Any] = {
    "trade_type": "NATIVE",
    "body": "Tea",
    "total_fee": 1250,
    "product_id": "tea",
}
PATIENCE_S = 10

pytestmark = pytest.mark.django_db(transaction=True)


class Gate:
    """``services.checkout`` that begins only when so many calls are at it at once."""

    def __init__(self, party: int, within_s: float = PATIENCE_S) -> None:
        self._barrier = threading.Barrier(party)
        self._within_s = within_s
        self._checkout = services.checkout
        self.threads: set[str] = set()

    def __call__(self, **fields: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        self._barrier.wait(self._within_s)
        return self._checkout(**fields)


@pytest.fixture
def site(
    settings: Any, monkeypatch: pytest.MonkeyPatch, wxpay_simulator: SimulatedWXPay
) -> Iterator[Callable[..., ModuleType]]:
    """Make the page's modules of its samples, with these views beside them; end their threads."""
    made: list[ModuleType] = []

    def begin(**views: Any) -> ModuleType:
        shop = ModuleType("shop.models")
        shop.Basket = Purchase
        monkeypatch.setitem(sys.modules, "shop.models", shop)
        for sample in blocks(section(PAGE, "A view"), "python"):
            name = sample.splitlines()[0].removeprefix("# ").removesuffix(".py").replace("/", ".")
            made.append(module := ModuleType(name))
            monkeypatch.setitem(sys.modules, name, module)
            exec(compile(sample, name, "exec"), module.__dict__)  # noqa: S102 - our own page
        pages = made[-1]
        pages.urlpatterns = [
            path("pay/<int:pk>/", pages.pay),
            path("status/<int:pk>/", pages.status),
            path("wxpay/", include("django_wxpay.urls")),
            *(path(f"{name}/", view) for name, view in views.items()),
        ]
        settings.ROOT_URLCONF = pages
        return pages

    yield begin
    for module in made:
        if hasattr(module, "THREADS"):
            module.THREADS.shutdown()


@pytest.fixture
def basket() -> Purchase:
    return Purchase.objects.create(reference="B1", tea="longjing", title="Tea", total_fee=1250)


async def begun(app: ASGIHandler, target: str, body: bytes = b"") -> ApplicationCommunicator:
    """Send a request, a POST if it has a body; its answer may be awaited."""
    client = ApplicationCommunicator(
        app,
        {
            "type": "http",
            "method": "POST" if body else "GET",
            "path": target,
            "query_string": b"",
            "headers": [(b"host", b"testserver"), (b"content-type", b"text/xml")],
        },
    )
    await client.send_input({"type": "http.request", "body": body})
    return client


async def answered(app: ASGIHandler, target: str, body: bytes = b"") -> tuple[int, bytes]:
    client = await begun(app, target, body)
    start = await client.receive_output(PATIENCE_S)
    content = await client.receive_output(PATIENCE_S)
    await client.wait(PATIENCE_S)
    return start["status"], content["body"]


def all_answered(*targets: str) -> list[tuple[int, bytes]]:
    """Ask for all of them at once, as a server does."""

    async def together() -> list[tuple[int, bytes]]:
        app = ASGIHandler()
        return await asyncio.gather(*(answered(app, target) for target in targets))

    return asyncio.run(together())


def test_a_customer_pays_over_the_async_views(
    site: Any, basket: Purchase, wxpay_simulator: SimulatedWXPay
) -> None:
    site()

    @async_to_sync
    async def ask(target: str) -> Any:
        return await AsyncClient().get(target)

    first, again = ask(f"/pay/{basket.pk}/"), ask(f"/pay/{basket.pk}/")
    assert b"<svg" in first.content
    assert first.content == again.content
    assert len(wxpay_simulator.requests("unifiedorder")) == 1
    assert ask(f"/status/{basket.pk}/").json()["status"] == "waiting"
    wxpay_simulator.pay(Order.objects.get())
    assert ask(f"/status/{basket.pk}/").json() == {"status": "paid", "expires_at": None}
    assert ask(f"/pay/{basket.pk}/").content == b"This basket is paid."
    assert ask("/pay/0/").status_code == 404


def test_a_gateway_that_does_not_answer_is_a_504(
    site: Any, basket: Purchase, wxpay_simulator: SimulatedWXPay
) -> None:
    site()
    wxpay_simulator.inject("http_502", operation="unifiedorder", times=9)
    ((status, _),) = all_answered(f"/pay/{basket.pk}/")
    assert status == 504
    assert Order.objects.get().next_check_at is not None


def test_calls_are_at_once_on_threads_of_ones_own_and_no_more_than_these(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(party=12)
    monkeypatch.setattr(services, "checkout", gate)
    pages = site()
    baskets = Purchase.objects.bulk_create(
        Purchase(reference=f"B{at}", tea="x", title="Tea", total_fee=5) for at in range(24)
    )
    answers = all_answered(*(f"/pay/{each.pk}/" for each in baskets))
    assert {status for status, _ in answers} == {200}
    assert len(gate.threads) == sys.modules["paying.threads"].THREADS._max_workers == 12
    assert all(name.startswith("wxpay") for name in gate.threads)
    assert pages.checkout._thread_sensitive is False
    assert "# 30 calls a second at the busiest x 0.3 s for each = 9" in PAGE


def test_under_asgi_the_default_is_a_thread_for_each_request(site: Any) -> None:
    gate = Gate(party=14)

    async def view(_: Any) -> HttpResponse:
        await sync_to_async(gate)(**TEA)
        return HttpResponse()

    site(view=view)
    assert {status for status, _ in all_answered(*["/view/"] * 14)} == {200}
    assert len(gate.threads) == 14


def test_in_one_request_the_default_is_one_call_after_the_other(site: Any) -> None:
    gate = Gate(party=2, within_s=0.2)

    async def view(_: Any) -> HttpResponse:
        both = (sync_to_async(gate)(**TEA) for _ in range(2))
        done = await asyncio.gather(*both, return_exceptions=True)
        return HttpResponse(" ".join(type(each).__name__ for each in done))

    site(view=view)
    ((_, body),) = all_answered("/view/")
    assert body == b"BrokenBarrierError BrokenBarrierError"
    assert len(gate.threads) == 1


def test_outside_of_requests_the_default_is_one_thread_of_the_process() -> None:
    seen: list[tuple[str, float, float]] = []

    def call() -> None:
        began = time.monotonic()
        time.sleep(0.01)
        seen.append((threading.current_thread().name, began, time.monotonic()))

    async def task() -> None:
        await sync_to_async(call)()

    async def tasks() -> None:
        await asyncio.gather(*(task() for _ in range(3)))

    asyncio.run(tasks())
    assert len({name for name, _, _ in seen}) == 1
    assert all(before[2] <= after[1] for before, after in itertools.pairwise(seen))


def test_a_request_does_not_keep_its_threads_connection(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    def count() -> None:
        Order.objects.count()
        opened.append(connection.connection)

    async def view(_: Any) -> HttpResponse:
        await sync_to_async(count)()
        return HttpResponse()

    site(view=view)
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 600)
    with warnings.catch_warnings():
        # Python's and psycopg's own words for a connection that was not closed.
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(3):
            all_answered("/view/")
        assert len({id(each) for each in opened}) == 3
        opened.clear()
        gc.collect()


def test_django_refuses_an_async_view_under_atomic_requests(
    site: Any, basket: Purchase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def view(_: Any) -> HttpResponse:
        return HttpResponse()

    site(view=view)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    ask = async_to_sync(AsyncClient().get)
    with pytest.raises(RuntimeError, match="You cannot use ATOMIC_REQUESTS with async views"):
        ask("/view/")
    assert ask(f"/pay/{basket.pk}/").status_code == 200


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_client_that_goes_away_undoes_nothing_that_has_begun(
    site: Any,
    basket: Purchase,
    monkeypatch: pytest.MonkeyPatch,
    wxpay_simulator: SimulatedWXPay,
    *,
    is_begun: bool,
) -> None:
    began, goes_on = threading.Event(), threading.Event()
    checkout = services.checkout

    def slow(**fields: Any) -> Any:
        began.set()
        assert goes_on.wait(PATIENCE_S)
        return checkout(**fields)

    monkeypatch.setattr(services, "checkout", slow)
    site()
    threads = sys.modules["paying.threads"].THREADS
    if not is_begun:
        for _ in range(12):
            threads.submit(goes_on.wait, PATIENCE_S)

    async def leaves() -> None:
        client = await begun(ASGIHandler(), f"/pay/{basket.pk}/")
        if is_begun:
            assert await asyncio.to_thread(began.wait, PATIENCE_S)
        else:
            while not threads._work_queue.qsize():  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
        await client.send_input({"type": "http.disconnect"})
        await client.wait(PATIENCE_S)
        assert client.output_queue.empty()

    asyncio.run(leaves())
    goes_on.set()
    threads.submit(int).result()
    threads.shutdown()
    assert Order.objects.count() == len(wxpay_simulator.requests("unifiedorder")) == is_begun
    if is_begun:
        again = checkout(**TEA, out_trade_no=f"basket-{basket.pk}")
        assert again.order.pk == Order.objects.get().pk
        assert len(wxpay_simulator.requests("unifiedorder")) == 1


def test_this_packages_views_work_under_asgi(site: Any) -> None:
    site()
    orders = [services.checkout(**TEA).order for _ in range(5)]

    async def together() -> Any:
        app, address = ASGIHandler(), "/wxpay/notify/default/payment/"
        return await asyncio.gather(*(answered(app, address, notice(each)) for each in orders))

    answers = asyncio.run(together())
    assert len(answers) == 5
    assert all(status == 200 and b"SUCCESS" in body for status, body in answers)
    assert set(Order.objects.filter(trade_state="SUCCESS")) == set(orders)
    ((status, _),) = all_answered("/wxpay/api/orders/")
    assert status in (401, 403)


def test_a_notification_is_taken_although_its_sender_hangs_up(site: Any, connected_to: Any) -> None:
    site()
    order = services.checkout(**TEA).order
    began, goes_on, has_ended = threading.Event(), threading.Event(), threading.Event()

    def receiver(**_: Any) -> None:
        began.set()
        assert goes_on.wait(PATIENCE_S)
        transaction.on_commit(has_ended.set, using=connection.alias)

    connected_to(receiver)

    async def hangs_up() -> None:
        client = await begun(ASGIHandler(), "/wxpay/notify/default/payment/", notice(order))
        assert await asyncio.to_thread(began.wait, PATIENCE_S)
        await client.send_input({"type": "http.disconnect"})
        await asyncio.sleep(0.05)
        goes_on.set()
        await client.wait(PATIENCE_S)
        assert client.output_queue.empty()
        assert await asyncio.to_thread(has_ended.wait, PATIENCE_S)

    asyncio.run(hangs_up())
    order.refresh_from_db()
    assert order.is_paid
    assert Notification.objects.get().outcome == "APPLIED"
    assert OrderEvent.objects.get(kind="PAID").dispatched_at is not None


@pytest.fixture
def connected_to() -> Iterator[Callable[[Any], None]]:
    """Connect a receiver of ``order_paid`` until the test ends."""
    connected: list[Any] = []

    def connect(receiver: Any) -> None:
        signals.order_paid.connect(receiver)
        connected.append(receiver)

    yield connect
    for receiver in connected:
        signals.order_paid.disconnect(receiver)


def paid_in_the_process(order: Order, connect: Callable[[], None]) -> None:
    connect()
    services.receive_notification("default", "payment", {}, notice(order))


def paid_under_asgi(order: Order, connect: Callable[[], None]) -> None:
    connect()
    asyncio.run(answered(ASGIHandler(), "/wxpay/notify/default/payment/", notice(order)))


def paid_by_the_worker(order: Order, connect: Callable[[], None]) -> None:
    services.receive_notification("default", "payment", {}, notice(order))
    # As if no receiver had been there: the shop's own has had it.
    waiting = {"dispatched_at": None, "next_dispatch_at": None, "dispatch_attempts": 0}
    OrderEvent.objects.filter(kind="PAID").update(**waiting)
    connect()
    services.run_jobs("events")


def notice(order: Order) -> bytes:
    account = conf.merchant("default")
    number = f"42000{order.pk:023d}"
    return payment_notice(order.out_trade_no, merchant=account, transaction_id=number)


Pay = Callable[[Order, Callable[[], None]], None]
PLACES = (paid_in_the_process, paid_under_asgi, paid_by_the_worker)


@pytest.mark.parametrize("pay", PLACES)
def test_an_async_receiver_writes_in_the_transaction_of_its_delivery(
    site: Any, connected_to: Any, pay: Pay
) -> None:
    site()
    order = services.checkout(**TEA).order
    seen: list[object] = []

    async def receiver(order: Order, **_: Any) -> None:
        seen.clear()
        await Purchase.objects.acreate(reference=order.out_trade_no, tea="x", total_fee=1)
        seen.append(await sync_to_async(lambda: connection.in_atomic_block)())
        for refused in (Order.objects.count, lambda: transaction.on_commit(int)):
            with pytest.raises(SynchronousOnlyOperation):
                refused()
        with pytest.raises(SynchronousOnlyOperation):
            services.query_order(order)
        with pytest.raises(InsideTransaction):
            await sync_to_async(services.query_order)(order)
        after = sync_to_async(transaction.on_commit)
        await after(lambda: seen.append("committed"), using=connection.alias)

    pay(order, partial(connected_to, receiver))
    event = OrderEvent.objects.get(kind="PAID")
    assert event.dispatch_error == ""
    assert event.dispatched_at is not None
    assert seen == [True, "committed"]
    assert Purchase.objects.filter(reference=order.out_trade_no).count() >= 1


@pytest.mark.parametrize("pay", PLACES)
def test_what_an_async_receiver_raises_undoes_its_work(
    site: Any, connected_to: Any, pay: Pay
) -> None:
    site()
    order = services.checkout(**TEA).order

    async def receiver(order: Order, **_: Any) -> None:
        await Purchase.objects.acreate(reference=order.out_trade_no, tea="x", total_fee=1)
        raise ValueError("no tea")

    pay(order, partial(connected_to, receiver))
    event = OrderEvent.objects.get(kind="PAID")
    assert (event.dispatched_at, event.dispatch_error) == (None, "ValueError: no tea")
    assert not Purchase.objects.exists()
    order.refresh_from_db()
    assert order.is_paid


def test_under_asgi_an_async_receiver_runs_on_the_servers_event_loop(
    site: Any, connected_to: Any
) -> None:
    site()
    threads: list[threading.Thread] = []

    async def receiver(**_: Any) -> None:
        threads.append(threading.current_thread())

    paid_in_the_process(services.checkout(**TEA).order, partial(connected_to, receiver))
    paid_under_asgi(services.checkout(**TEA).order, lambda: None)
    assert [each is threading.current_thread() for each in threads] == [False, True]


def test_what_an_async_receiver_writes_elsewhere_is_in_no_transaction_of_its_delivery(
    site: Any, connected_to: Any
) -> None:
    site()

    def write() -> str:
        try:
            if connection.vendor == "sqlite":
                with connection.cursor() as cursor:
                    cursor.execute("PRAGMA busy_timeout=20")
            return Purchase.objects.create(reference="other", tea="x", total_fee=1).tea
        except OperationalError as error:
            return str(error)
        finally:
            connection.close()

    async def receiver(order: Order, **_: Any) -> None:
        await Purchase.objects.acreate(reference=order.out_trade_no, tea="x", total_fee=1)
        raise ValueError(await sync_to_async(write, thread_sensitive=False)())

    paid_in_the_process(services.checkout(**TEA).order, partial(connected_to, receiver))
    seen = OrderEvent.objects.get(kind="PAID").dispatch_error
    kept = list(Purchase.objects.values_list("reference", flat=True))
    # SQLite has one writer, which is the delivery.
    expected = ("database is locked", []) if connection.vendor == "sqlite" else ("x", ["other"])
    assert (seen, kept) == (f"ValueError: {expected[0]}", expected[1])


def test_a_timeout_ends_the_wait_and_not_the_call(wxpay_simulator: SimulatedWXPay) -> None:
    goes_on = threading.Event()

    def slow() -> None:
        goes_on.wait(PATIENCE_S)
        try:
            services.checkout(**TEA)
        finally:
            connection.close()

    async def view() -> None:
        call = sync_to_async(slow, thread_sensitive=False, executor=threads)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.gather(call(), call())

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(view())
        goes_on.set()
    close_old_connections()
    # The second had not begun.
    assert len(wxpay_simulator.requests("unifiedorder")) == 1
    assert Order.objects.get().placed_at is not None


def test_the_numbers_of_the_page_are_those_of_the_benchmark() -> None:
    work, measured = bench_async._FULL, " ".join(section(PAGE, "What was measured").split())
    assert f"{work.orders} orders were placed by {work.orders} requests at once" in measured
    assert f"a gateway that answers after {bench_async._LATENCY_S * 1000:.0f} ms" in measured
    assert f"a `ThreadPoolExecutor` of {work.threads} threads" in measured
    assert "the median of five rounds" in measured
    assert work.rounds == 5
    assert running.DATABASES["bench_async"] == running.EVERY
