"""The pages of merchants in the database in a real browser: they fit, and show no key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from tests import accounts
from tests.admin.conftest import ADMIN
from tests.browser import Browser

pytestmark = pytest.mark.long


# Labels of one word that stand on two lines.
BROKEN = """
[...document.querySelectorAll(".form-row label")].filter((one) => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return !one.textContent.trim().includes(" ") && range.getClientRects().length > 1;
}).map((one) => one.textContent)
"""


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(1280, "light", "en"), (390, "dark", "zh-hans"), (1280, "light", "zh-hans")],
)
def test_the_list_and_the_forms_fit_their_screen(
    browser: Browser,
    live_server: LiveServer,
    settings: Any,
    width: int,
    scheme: str,
    language: str,
) -> None:
    settings.WXPAY = accounts.wxpay()
    tea = accounts.kept("tea", accounts.V3_KEYS, **accounts.V3)
    accounts.kept("a-shop-with-a-long-alias-of-its-own", mch_id="1900000110")
    browser.appear(width=width, scheme=scheme, language=language)
    for name in ("", "add/", f"{tea.pk}/change/"):
        page = f"{ADMIN}/merchantaccount/{name}"
        browser.look_at(f"{live_server.url}{page}")
        if folder := os.environ.get("WXPAY_PICTURES"):
            picture = f"merchants-{width}-{language}-{name.replace('/', '-')}.png"
            browser.picture(Path(folder) / picture)
        assert browser.run("document.documentElement.scrollWidth") == width, page
        assert browser.run("window.violations") == [], page
        assert browser.complaints == [], page


def test_no_name_of_a_setting_is_broken_in_two(
    browser: Browser, live_server: LiveServer, settings: Any
) -> None:
    settings.WXPAY = accounts.wxpay()
    for width in (1280, 1024, 390):
        browser.appear(width=width)
        browser.look_at(f"{live_server.url}{ADMIN}/merchantaccount/add/")
        assert browser.run(BROKEN) == [], width


def test_a_key_is_empty_again_when_the_form_was_wrong(
    browser: Browser, live_server: LiveServer, settings: Any
) -> None:
    settings.WXPAY = accounts.wxpay()
    browser.appear(width=1280)
    browser.look_at(f"{live_server.url}{ADMIN}/merchantaccount/add/")
    field = "document.querySelector('[name=new_api_key]').value"
    browser.press(
        f"{field} = '{accounts.API_KEY}'; document.querySelector('[name=alias]').value = 'tea';"
        "document.querySelector('[name=mch_id]').value = '19 00';"
        "document.querySelector('[name=appid]').value = 'wx1';"
        "document.querySelector('[name=_save]').click()"
    )
    assert browser.run("document.querySelectorAll('.errorlist').length") > 0
    assert browser.run(field) == ""


# How far each message begins from the box of its field.
ASIDE = """
[...document.querySelectorAll("ul.errorlist")].map((one) => {
    const box = one.closest(".form-row").querySelector("input, textarea");
    const padding = parseFloat(getComputedStyle(one).paddingLeft);
    return one.getBoundingClientRect().left + padding - box.getBoundingClientRect().left;
})
"""


@pytest.mark.parametrize("width", [1280, 1024, 390])
def test_what_is_wrong_stands_above_its_field(
    browser: Browser, live_server: LiveServer, settings: Any, width: int
) -> None:
    settings.WXPAY = accounts.wxpay()
    browser.appear(width=width)
    browser.look_at(f"{live_server.url}{ADMIN}/merchantaccount/add/")
    for name, value in {"alias": "tea", "mch_id": "1", "appid": "wx...", "hosts": "a,b"}.items():
        browser.run(f"document.querySelector('[name={name}]').value = '{value}'")
    browser.press("document.querySelector('[name=_save]').click()")
    assert browser.run(ASIDE) == [0, 0, 0]
