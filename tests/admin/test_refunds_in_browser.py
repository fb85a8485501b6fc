"""A refund in a real browser: pages that fit their screens, and a button that is pressed twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from django_wxpay.models import Refund
from django_wxpay.testing import SimulatedWXPay
from tests.admin import refund_pages as pages
from tests.admin.refund_pages import at, paid
from tests.browser import Browser, chromium
from tests.factories import RefundFactory, UserFactory

pytestmark = pytest.mark.long

PRESS = "document.querySelector('.wxpay-confirm button').click()"


@pytest.fixture
def simulator(settings: Any, transactional_db: None) -> Iterator[SimulatedWXPay]:
    settings.WXPAY = pages.merchants()
    with pages.simulator() as simulated:
        yield simulated


@pytest.fixture
def browser(
    tmp_path: Path, live_server: LiveServer, simulator: SimulatedWXPay
) -> Iterator[Browser]:
    """Return a browser in which a superuser is logged in."""
    client = Client()
    client.force_login(UserFactory(username="ada", is_staff=True, is_superuser=True))
    session = client.cookies[project.SESSION_COOKIE_NAME].value
    with chromium(tmp_path) as started:
        cookie = {"name": project.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}
        started.ask("Network.setCookie", **cookie)
        yield started


@pytest.mark.parametrize(
    ("width", "scheme", "language"), [(1280, "light", "en"), (390, "dark", "zh-hans")]
)
def test_every_page_of_a_refund_fits_its_screen(
    browser: Browser,
    live_server: LiveServer,
    simulator: SimulatedWXPay,
    width: int,
    scheme: str,
    language: str,
) -> None:
    order = paid(simulator, merchant="v3")
    stuck = RefundFactory(order=order, refund_status="ABNORMAL", refund_fee=4_500)
    refused = RefundFactory(order=order, refused=True)
    browser.appear(width=width, scheme=scheme, language=language)
    looked = (
        at(order),
        at(order, "refund"),
        at(stuck),
        at(stuck, "payout"),
        at(refused, "send"),
    )
    for page in looked:
        browser.look_at(f"{live_server.url}{page}")
        assert browser.run("document.documentElement.scrollWidth") == width, page
        assert browser.run("window.violations") == [], page
        assert browser.complaints == [], page


def test_a_button_that_is_pressed_twice_refunds_once(
    browser: Browser, live_server: LiveServer, simulator: SimulatedWXPay
) -> None:
    order = paid(simulator)
    browser.appear(width=1280)
    browser.look_at(f"{live_server.url}{at(order, 'refund')}")
    browser.press(PRESS)
    assert browser.run("document.querySelector('h1').textContent") == "Refund 100.00 CNY?"
    assert not Refund.objects.exists()
    browser.press(f"{PRESS}; {PRESS}")
    refund = Refund.objects.get()
    assert browser.run("location.pathname") == at(refund)
    assert len(simulator.ledger()["refunds"]) == 1
    assert len(simulator.requests("refund")) == 1
