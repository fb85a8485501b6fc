"""WeChat Pay changes its keys while customers pay: no notification is lost.

The year's rotation of certificates and the week's migration to a public key, run on the
simulator's clock, with four shops' workers paying all the while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent, PlatformCertificate
from django_wxpay.services import clock, gateways
from django_wxpay.services.doctor.diagnosis import Level, Subject, diagnose
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from example_project.accounts import ACCOUNTS
from tests.tables import connection

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3600
CROWD = 40


@pytest.fixture
def account(settings: Any) -> Callable[..., None]:
    """Return what changes the shop's account, as its keeper would in the settings."""

    def change(**changes: str) -> None:
        known = ACCOUNTS["v3", "global"] | {"MCH_ID": "1900000110", "REGION": "mainland"}
        settings.WXPAY = {
            "NOTIFY_BASE_URL": "https://shop.example.com",
            "MERCHANTS": {"default": known | {"HOSTS": ["http://wxpay.test"]} | changes},
        }

    change()
    return change


@pytest.fixture
def wxpay(
    account: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedWXPay]:
    with simulated_wxpay() as wxpay:
        monkeypatch.setattr(clock, "now", wxpay.simulator.now)
        gateways.platform_keys.cache_clear()
        yield wxpay
    gateways.platform_keys.cache_clear()


def crowd(wxpay: SimulatedWXPay, meanwhile: Callable[[], object]) -> None:
    """Let forty customers buy through four workers, and do ``meanwhile`` half-way."""

    def buy(number: int) -> None:
        try:
            if number == CROWD // 2:
                meanwhile()
            order = services.checkout(trade_type="NATIVE", body="Tea", total_fee=100).order
            wxpay.pay(order)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(buy, range(CROWD)))


def signers(wxpay: SimulatedWXPay) -> set[str]:
    """Return the keys that signed what the shop accepted."""
    return {
        str(headers["Wechatpay-Serial"]) for headers in _headers() if "Wechatpay-Serial" in headers
    }


def _headers() -> list[dict[str, str]]:
    return list(Notification.objects.values_list("headers", flat=True))


def assert_nobody_was_lost(wxpay: SimulatedWXPay, orders: int) -> None:
    wxpay.advance(25 * HOUR)
    assert Order.objects.count() == orders
    assert Order.objects.exclude(trade_state="SUCCESS").count() == 0
    assert OrderEvent.objects.filter(kind="PAID").count() == orders
    assert Notification.objects.exclude(outcome="APPLIED").count() == 0


@pytest.mark.long
def test_a_rotation_of_certificates_under_load_loses_nothing(wxpay: SimulatedWXPay) -> None:
    simulator = wxpay.simulator
    crowd(wxpay, meanwhile=simulator.rotate_certificate)
    wxpay.advance(12 * HOUR)
    crowd(wxpay, meanwhile=lambda: simulator.switch_certificate(0.5))
    crowd(wxpay, meanwhile=lambda: simulator.switch_certificate(1.0))
    crowd(wxpay, meanwhile=simulator.drop_certificate)

    assert_nobody_was_lost(wxpay, 4 * CROWD)
    assert len(signers(wxpay)) == 2
    assert PlatformCertificate.objects.count() == 2
    refused = [row for row in wxpay.ledger()["notifications"] if not row["accepted"]]
    assert refused == []


@pytest.mark.long
def test_a_migration_to_the_public_key_under_load_loses_nothing(
    wxpay: SimulatedWXPay,
    account: Callable[..., None],
) -> None:
    simulator = wxpay.simulator
    key_id, pem = simulator.public_key
    crowd(wxpay, meanwhile=lambda: None)
    account(WECHATPAY_PUBLIC_KEY=pem, WECHATPAY_PUBLIC_KEY_ID=key_id)
    for share in (0.1, 0.5, 1.0):
        crowd(wxpay, meanwhile=lambda share=share: simulator.migrate(share))  # type: ignore[misc]

    assert_nobody_was_lost(wxpay, 4 * CROWD)
    assert key_id in signers(wxpay)
    assert len(signers(wxpay)) == 2
    refused = [row for row in wxpay.ledger()["notifications"] if not row["accepted"]]
    assert refused == []


def test_who_missed_the_announcement_learns_the_new_key_from_its_first_message(
    wxpay: SimulatedWXPay,
) -> None:
    crowd(wxpay, meanwhile=lambda: None)
    wxpay.simulator.rotate_certificate()
    wxpay.simulator.switch_certificate(1.0)
    wxpay.advance(61)
    crowd(wxpay, meanwhile=lambda: None)

    assert_nobody_was_lost(wxpay, 2 * CROWD)
    fetched = [row for row in wxpay.ledger()["requests"] if row["operation"] == "certificates"]
    assert len(fetched) == 2


def renew(wxpay: SimulatedWXPay) -> str:
    """Run the job half a day later, as a process that was started for it; return its error."""
    wxpay.advance(12 * HOUR)
    gateways.platform_keys.cache_clear()
    return "".join(run.error for run in services.run_jobs("certificates"))


def complaints() -> list[str]:
    """Return what the doctor finds wrong, once the calls are counted."""
    services.run_jobs("latency")
    # It moves days ahead without a worker, so no bill is fetched.
    return [
        found.message
        for found in diagnose(ask=False)
        if found.level is not Level.OK and found.subject is not Subject.BILLS
    ]


def test_after_the_migration_the_old_certificates_have_no_successor_and_nothing_is_wrong(
    wxpay: SimulatedWXPay,
    account: Callable[..., None],
) -> None:
    simulator = wxpay.simulator
    key_id, pem = simulator.public_key
    wxpay.pay(services.checkout(trade_type="NATIVE", body="Tea", total_fee=100).order)
    account(WECHATPAY_PUBLIC_KEY=pem, WECHATPAY_PUBLIC_KEY_ID=key_id)
    simulator.migrate(0.5)
    assert renew(wxpay) == "", "in the middle of it there still is a list"

    simulator.set_key_mode("public_key")
    assert [renew(wxpay) for _ in range(4)] == [""] * 4
    assert PlatformCertificate.objects.count() == 1
    assert complaints() == []
    wxpay.pay(services.checkout(trade_type="NATIVE", body="Tea", total_fee=100).order)
    assert_nobody_was_lost(wxpay, 2)


def test_without_the_public_key_the_end_of_the_certificates_is_loud_before_and_after(
    wxpay: SimulatedWXPay,
) -> None:
    wxpay.pay(services.checkout(trade_type="NATIVE", body="Tea", total_fee=100).order)
    wxpay.simulator.set_key_mode("public_key")
    assert "default" in renew(wxpay)

    PlatformCertificate.objects.update(expire_time=clock.now())
    assert "default" in renew(wxpay)
    assert any("expired" in message for message in complaints())

    # A successor is fetched by the job, and not only by the next answer.
    wxpay.simulator.set_key_mode("certificate")
    assert renew(wxpay) == ""
