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

from django_wxpay import conf
from django_wxpay.models import Order
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
    merchants = tuple(conf.merchants().values())
    chosen = replace(options or Options(), live=False)
    simulator = create_app(merchants, deliver=deliver_to_this_site, options=chosen)
    hosts = {host for merchant in merchants for host in merchant.hosts}
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
