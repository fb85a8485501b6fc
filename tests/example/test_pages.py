"""What holds for every page: its own files only, both languages, nothing cached that waits."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders

from django_wxpay.testing import SimulatedWXPay
from tests.example.conftest import Customer, order_behind


@pytest.fixture
def pages(customer: Customer, wxpay_simulator: SimulatedWXPay) -> dict[str, str]:
    """Return the address of one page of each kind, by name."""
    paid = customer.buy()
    wxpay_simulator.pay(order_behind(paid))
    return {
        "teas": "/",
        "code": f"/pay/{customer.buy().reference}/",
        "parameters": f"/pay/{customer.buy(way='JSAPI').reference}/",
        "cashier": f"/pay/{customer.buy(way='MWEB').reference}/",
        "receipt": f"/receipt/{paid.reference}/",
    }


def test_no_page_has_a_script_or_a_style_of_its_own(
    customer: Customer,
    pages: dict[str, str],
) -> None:
    for address in pages.values():
        page = customer.sees(address)
        # Data is no script, and no policy forbids it.
        scripts = re.findall(r"<script(?![^>]* src=)[^>]*>", page)
        assert [each for each in scripts if 'type="application/json"' not in each] == []
        assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []
        policy = customer.browser.get(address).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy


def test_every_file_that_a_page_names_is_there(customer: Customer, pages: dict[str, str]) -> None:
    named = {
        name
        for address in pages.values()
        for name in re.findall(r'(?:src|href)="/static/([^"]+)"', customer.sees(address))
    }
    assert {name for name in named if finders.find(name) is None} == set()
    assert {"shop/shop.css", "django_wxpay/payment.js"} <= named


def test_every_page_speaks_chinese_to_a_chinese_browser(
    customer: Customer,
    pages: dict[str, str],
) -> None:
    for address in pages.values():
        answer = customer.browser.get(address, headers={"accept-language": "zh-CN"})
        page = answer.content.decode()
        assert '<html lang="zh-hans">' in page
        assert "云叶茶铺" in page
        assert "WeChat Pay" not in page


def test_pages_that_wait_for_money_are_never_cached(
    customer: Customer,
    pages: dict[str, str],
) -> None:
    for name in ("code", "parameters", "cashier", "receipt"):
        assert "no-store" in customer.browser.get(pages[name]).headers["Cache-Control"]


def test_the_shop_keeper_can_look_at_purchases_and_change_none(
    customer: Customer,
    pages: dict[str, str],
) -> None:
    customer.browser.force_login(get_user_model().objects.create_superuser("keeper"))
    assert "Dragon Well" in customer.sees("/admin/shop/purchase/")
    customer.sees("/admin/shop/purchase/add/", status=403)
    assert "deletelink" not in customer.sees("/admin/shop/purchase/1/change/")
