"""Lists in a real browser: they fit beside the menu and the filters, and are cards on a phone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from tests import factories
from tests.admin.conftest import ADMIN
from tests.browser import Browser

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]
LISTS = (
    *("order", "orderevent", "refund", "notification", "apireport", "prepay", "promotion"),
    *("bill", "discrepancy", "backgroundjob", "platformcertificate", "certificatedownload"),
)
# What lies outside of the box that holds the table can only be scrolled to.
HIDDEN = """
(() => {
    const table = document.querySelector("#result_list");
    return table.scrollWidth - table.parentElement.clientWidth;
})()
"""

# A column that is squeezed makes its row tall; that of the longest reference is.
TALLEST = """
Math.max(...[...document.querySelectorAll("#result_list tbody tr")]
    .filter((one) => !one.textContent.includes("SHOP-"))
    .map((one) => one.getBoundingClientRect().height))
"""


def rows() -> None:
    for make in (
        *(factories.NotificationFactory, factories.ApiReportFactory, factories.PrepayFactory),
        *(factories.PromotionFactory, factories.DiscrepancyFactory, factories.BackgroundJobFactory),
        *(factories.PlatformCertificateFactory, factories.CertificateDownloadFactory),
    ):
        make()
    factories.OrderEventFactory(untold=True, order__paid=True)
    factories.ApiReportFactory(
        result_code="FAIL", err_code="OUT_TRADE_NO_USED", merchant="tea-shop"
    )
    # As long as a shop's own number may be, with nowhere to break.
    factories.OrderFactory(paid=True, reference="SHOP-" + "0" * 123)
    factories.OrderEventFactory(conflict=True)
    factories.RefundFactory(refund_status="ABNORMAL")
    factories.RefundFactory(hinted=True)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh-hans")])
def test_no_list_is_wider_than_its_place(
    browser: Browser,
    live_server: LiveServer,
    tmp_path: Path,
    width: int,
    scheme: str,
    language: str,
) -> None:
    rows()
    folder = Path(os.environ.get("PICTURES", tmp_path))
    browser.appear(width=width, scheme=scheme, language=language)
    for name in LISTS:
        browser.look_at(f"{live_server.url}{ADMIN}/{name}/")
        assert browser.run("document.documentElement.scrollWidth") == width, name
        assert browser.run(HIDDEN) <= 0, name
        # On a phone a row is a card.
        assert width < 768 or browser.run(TALLEST) < 150, name
        assert browser.run("window.violations") == [], name
        assert browser.complaints == [], name
        browser.picture(folder / f"list-{name}-{width}-{language}.png")


def test_on_a_phone_each_value_has_the_name_of_its_column(
    browser: Browser, live_server: LiveServer
) -> None:
    factories.OrderFactory(paid=True)
    browser.appear(width=390, scheme="light", language="en")
    browser.look_at(f"{live_server.url}{ADMIN}/order/")
    named = "getComputedStyle(document.querySelector('td.field-amount_shown'), '::before').content"
    assert browser.run(named) == '"Amount"'
    # The box to tick stands where each card begins.
    left = "document.querySelector('{}').getBoundingClientRect().left"
    box, card = (browser.run(left.format(f"#result_list tbody {part}")) for part in ("input", "tr"))
    assert box - card < 20
