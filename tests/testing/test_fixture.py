"""The fixture that shops test with: the real protocol, this site's own URLs, no sockets."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import BadAnswer, OutcomeUnknown
from django_wxpay.merchants import save_account
from django_wxpay.models import CertificateDownload, Notification, PlatformCertificate
from django_wxpay.protocol.secrets import Secret
from django_wxpay.signals import notification_received
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from example_project.accounts import ACCOUNTS
from tests import accounts

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


@pytest.mark.parametrize(
    ("account", "how", "event_type"),
    [
        ("v3", {"event_type": "COMPLAINT.CREATE", "id": "EV-1"}, "COMPLAINT.CREATE"),
        ("v2", {"api": "v2"}, "CONTRACT.ADD"),
    ],
)
def test_an_event_of_any_product_is_announced_to_this_site(
    settings: Any, account: str, how: dict[str, Any], event_type: str
) -> None:
    merchant = ACCOUNTS[account, "global"] | {"HOSTS": ["http://127.0.0.1:9"]}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": merchant}}
    got: list[tuple[str, Any]] = []

    def receiver(event_type: str, resource: Any, **more: Any) -> None:
        got.append((event_type, resource["contract_id"]))

    notification_received.connect(receiver)
    try:
        with simulated_wxpay() as wxpay:
            for _ in range(2):
                answer = wxpay.announce({"contract_id": "1", "change_type": "ADD"}, **how)
                assert (answer["accepted"], answer["status"]) == (True, 200)
    finally:
        notification_received.disconnect(receiver)
    assert got == [(event_type, "1")]
    assert Notification.objects.get().attempts == 2


def test_a_merchant_that_is_saved_meanwhile_is_known(settings: Any) -> None:
    settings.WXPAY = accounts.wxpay()
    with simulated_wxpay() as wxpay:
        accounts.kept("tea", mch_id="1900000777")
        accounts.a_second_later()
        order = services.checkout(merchant="tea", **JSAPI).order
        wxpay.pay(order)
        order.refresh_from_db()
        assert order.is_paid


def test_a_merchants_new_keys_are_known(settings: Any) -> None:
    settings.WXPAY = accounts.wxpay()
    tea = accounts.kept("tea")
    with simulated_wxpay() as wxpay:
        first = services.checkout(merchant="tea", **JSAPI).order
        save_account(tea, keys={"API_KEY": Secret(accounts.NEXT_API_KEY)})
        accounts.a_second_later()
        second = services.checkout(merchant="tea", **JSAPI).order
        for order in (first, second):
            wxpay.pay(order)
            order.refresh_from_db()
            assert order.is_paid
