"""The pages of the shop under axe-core, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from django_wxpay.testing import SimulatedWXPay
from example_project.shop.models import Purchase
from tests.accessibility import barriers
from tests.browser import Browser, chromium

pytestmark = pytest.mark.long

SCREENS = [(1280, "light", "en"), (390, "dark", "zh-hans")]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with chromium(tmp_path) as started:
        yield started


@pytest.mark.parametrize(("width", "scheme", "language"), SCREENS)
def test_no_page_of_the_shop_has_a_grave_barrier(
    browser: Browser,
    live_server: LiveServer,
    wxpay_simulator: SimulatedWXPay,
    width: int,
    scheme: str,
    language: str,
) -> None:
    browser.appear(width=width, scheme=scheme, language=language)
    pages = [""]
    for way in ("NATIVE", "JSAPI", "MWEB"):
        purchase = Purchase.objects.create(tea="puer", title="Pu'er", total_fee=1, way=way)
        pages.append(f"pay/{purchase.reference}/")
    found = {}
    for page in pages:
        browser.look_at(f"{live_server.url}/{page}")
        if faults := barriers(browser):
            found[page] = faults
    assert found == {}
