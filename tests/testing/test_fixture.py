"""The fixture that shops test with: the real protocol, this site's own URLs, no sockets."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import BadAnswer, OutcomeUnknown
from django_wxpay.models import CertificateDownload, Notification, PlatformCertificate
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from example_project.accounts import ACCOUNTS

pytest_plugins = ["django_wxpay.testing.fixtures"]
pytestmark = pytest.mark.django_db

JSAPI: dict[str, Any] = {
    "trade_type": "JSAPI",
    "body": "Tea",
    "total_fee": 250,
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
}


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    def refuse(self: socket.socket, address: Any) -> None:
        raise ConnectionRefusedError("a test went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    default = settings.WXPAY["MERCHANTS"]["default"] | {"HOSTS": ["http://127.0.0.1:9"]}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": default}}


def test_a_shop_is_paid_in_three_lines(wxpay_simulator: SimulatedWXPay) -> None:
    order = services.checkout(**JSAPI).order
    wxpay_simulator.pay(order)
    order.refresh_from_db()

    assert order.is_paid
    assert Notification.objects.get().outcome == "APPLIED"
    assert services.query_order(order).trade_state == "SUCCESS"


def test_a_late_notification_comes_when_time_passes(wxpay_simulator: SimulatedWXPay) -> None:
    order = services.checkout(**JSAPI).order
    wxpay_simulator.inject("late", operation="notify", seconds=60)
    wxpay_simulator.pay(order)
    order.refresh_from_db()
    assert not order.is_paid

    assert wxpay_simulator.advance(60) == 1
    order.refresh_from_db()
    assert order.is_paid


def test_trouble_at_wechat_pay_can_be_tried_and_is_over_when_it_is_over(
    wxpay_simulator: SimulatedWXPay,
) -> None:
    wxpay_simulator.inject("html", operation="unifiedorder")
    order = services.create_order(**JSAPI)
    with pytest.raises(BadAnswer):
        services.unified_order(order)

    assert services.unified_order(order).prepay_id
    assert len(wxpay_simulator.requests("unifiedorder")) == 2
    assert wxpay_simulator.requests("orderquery") == []


def test_when_the_simulator_leaves_calls_go_to_the_network_again() -> None:
    with simulated_wxpay():
        order = services.checkout(**JSAPI).order
    with pytest.raises(OutcomeUnknown, match=r"127\.0\.0\.1"):
        services.query_order(order)


def test_the_ledger_tells_what_happened(wxpay_simulator: SimulatedWXPay) -> None:
    order = services.checkout(**JSAPI).order
    wxpay_simulator.pay(order)
    ledger = wxpay_simulator.ledger()

    assert [trade["out_trade_no"] for trade in ledger["trades"]] == [order.out_trade_no]
    assert "TESTKEY" not in str(ledger)


def test_a_second_simulator_is_not_judged_by_the_certificates_of_the_first(settings: Any) -> None:
    account = ACCOUNTS["v3", "global"] | {"HOSTS": ["http://127.0.0.1:9"]}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": account}}
    for _ in range(2):
        with simulated_wxpay() as wxpay:
            order = services.checkout(**JSAPI).order
            wxpay.pay(order)
        order.refresh_from_db()
        assert order.is_paid
        # As the end of a test empties its database.
        for table in (PlatformCertificate, CertificateDownload):
            table.objects.all().delete()
