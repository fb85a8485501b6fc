"""Tests of your own shop against a strict WeChat Pay inside the process: no sockets, no keys.

With pytest::

    pytest_plugins = ["django_wxpay.testing.fixtures"]

    def test_a_paid_order_ships(wxpay_simulator):
        order = services.checkout(trade_type="NATIVE", ...).order
        wxpay_simulator.pay(order)          # the signed notification reaches your own URLs
        order.refresh_from_db()
        assert order.is_paid

Without pytest, ``with simulated_wxpay() as wxpay:`` does the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.test import Client
from django.urls import reverse

from django_wxpay import conf
from django_wxpay.conf.following import Follower
from django_wxpay.models import Order
from django_wxpay.protocol.merchants import DEFAULT_HOSTS
from django_wxpay.services import gateways
from django_wxpay.simulator import Options, Reply, Simulator, SimulatorAdapter, create_app

__all__ = ["SimulatedWXPay", "simulated_wxpay"]


class SimulatedWXPay:
    """The test's side of WeChat Pay; ``simulator`` has everything that is not named here."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def pay(self, order: Order, **how: Any) -> dict[str, Any]:
        """Let the customer pay ``order``; its notification has been delivered on return.

        ``how`` is passed on to ``Simulator.pay``: ``openid``, ``bank_type``, ``coupons`` ...
        """
        return self.simulator.pay(order.mch_id, order.out_trade_no, **how)

    def announce(
        self, resource: dict[str, Any], *, merchant: str = "default", **how: Any
    ) -> dict[str, Any]:
        """Notify this site of an event of any product, sealed and signed; return its answer.

        ``how`` is passed on to ``Simulator.announce``: ``event_type``, such as
        ``"COMPLAINT.CREATE"``, ``id`` for the same once more, and ``api="v2"`` to sign
        ``resource`` as fields of v2. The answer has ``accepted``, ``status`` and ``body``.
        """
        path = reverse("django_wxpay:notify-payment", kwargs={"merchant": merchant})
        given = {"notify_url": conf.current().notify_base_url + path} | how
        return self.simulator.announce(conf.merchant(merchant).mch_id, resource, **given)

    def advance(self, seconds: float) -> int:
        """Let time pass at WeChat Pay; return how many notifications came again meanwhile."""
        return self.simulator.advance(seconds)

    def inject(self, fault: str, **where: Any) -> dict[str, Any]:
        """Script a misbehaviour, ``inject("http_502", operation="unifiedorder")`` for one."""
        return self.simulator.inject(fault, **where)

    def ledger(self) -> dict[str, Any]:
        """Return what WeChat Pay knows: trades, reports, requests, notification attempts."""
        return self.simulator.ledger()

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the requests that arrived, of one ``operation`` or all."""
        seen: list[dict[str, Any]] = self.simulator.ledger()["requests"]
        return [row for row in seen if operation in {None, row["operation"]}]


@contextmanager
def simulated_wxpay(options: Options | None = None) -> Iterator[SimulatedWXPay]:
    """Put a simulator in the place of WeChat Pay for every merchant in ``settings.WXPAY``.

    Calls go to it without a socket, whatever ``HOSTS`` say; notifications come back through
    Django's test client, to the path that ``notify_url`` names, in the calling thread.
    """
    merchants = tuple(conf.accounts())
    chosen = replace(options or Options(), live=False)
    simulator = create_app(merchants, deliver=deliver_to_this_site, options=chosen)
    simulator.follow(Follower(simulator.learn).look)
    # Those of WeChat Pay too, for a merchant that is saved later.
    named = (*DEFAULT_HOSTS.values(), *(merchant.hosts for merchant in merchants))
    hosts = {host for each in named for host in each}
    adapter = SimulatorAdapter(simulator)
    for host in hosts:
        gateways.mount(host, adapter)
    try:
        yield SimulatedWXPay(simulator)
    finally:
        for host in hosts:
            gateways.unmount(host)


def deliver_to_this_site(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Post a notification to this project's own URLs, as WeChat Pay would from outside."""
    parts = urlsplit(url)
    given = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    response = Client().post(
        parts.path,
        data=body,
        content_type=headers.get("Content-Type", "text/xml"),
        headers=given,
        secure=parts.scheme == "https",
    )
    return Reply(response.status_code, response.content)
