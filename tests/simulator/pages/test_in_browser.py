"""The simulator's pages in a real browser: they follow by themselves, and fit every screen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_wxpay.simulator import Simulator, create_app, running
from tests.accessibility import barriers
from tests.browser import Browser, chromium
from tests.simulator.calling import MCH_ID, NUMBER, Merchant, Shop

PATIENCE_S = 20
ORDER = f"/_simulator/orders/{MCH_ID}/{NUMBER}"
LONG = "x" * 60


@pytest.fixture
def app(shop: Shop) -> Simulator:
    """Return a simulator by the real clock: a test waits for its page."""
    return create_app(deliver=shop)


@pytest.fixture
def url(app: Simulator) -> Iterator[str]:
    with running(app) as url:
        yield url


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with chromium(tmp_path) as started:
        started.appear(width=1280)
        yield started


def text_of(browser: Browser, selector: str) -> str:
    return str(browser.run(f"document.querySelector({selector!r})?.innerText ?? ''"))


def wait_for(browser: Browser, word: str, selector: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while word not in text_of(browser, selector):
        assert time.monotonic() < deadline, text_of(browser, selector)
        time.sleep(0.1)


def look_without_script(browser: Browser, address: str) -> None:
    """Go to a page that may run nothing, so that no event can be waited for."""
    browser.ask("Page.navigate", url=address)
    deadline = time.monotonic() + PATIENCE_S
    while browser.run("document.readyState + location.href") != f"complete{address}":
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.long
def test_the_list_follows_and_leaves_alone_what_is_being_filled_in(
    app: Simulator, merchant: Merchant, shop: Shop, browser: Browser, url: str
) -> None:
    browser.look_at(f"{url}/_simulator/")
    browser.run("document.querySelector('[name=advance_s]').value = '77'; window.kept = true")
    merchant.place(body="Dragon Well")
    wait_for(browser, "Dragon Well", "#trades")
    shop.answers = [ConnectionRefusedError()]
    app.pay(MCH_ID, NUMBER)
    wait_for(browser, "failed once: connection refused at", "#trades")
    assert browser.run("window.kept && document.querySelector('[name=advance_s]').value") == "77"
    assert browser.run("window.violations") == []
    assert browser.complaints == []


@pytest.mark.long
def test_the_focus_stays_on_the_button_of_its_own_row(
    app: Simulator, merchant: Merchant, browser: Browser, url: str
) -> None:
    for number in ("T000001", "T000002"):
        merchant.place(out_trade_no=number)
    browser.look_at(f"{url}/_simulator/")
    browser.run(f"document.querySelector('#trade-{MCH_ID}-T000001 .link a').focus()")
    merchant.place(out_trade_no="T000003")
    wait_for(browser, "T000003", "#trades")
    assert browser.run("document.activeElement.closest('tr').id") == f"trade-{MCH_ID}-T000001"


def test_the_page_of_an_order_follows_and_its_buttons_work(
    app: Simulator, merchant: Merchant, shop: Shop, browser: Browser, url: str
) -> None:
    merchant.place()
    browser.look_at(f"{url}{ORDER}")
    tops = "[...document.querySelectorAll('.buttons button')].map((one) => one.offsetTop)"
    assert len(set(browser.run(tops))) == 1
    browser.press("document.querySelector('[value=pay]').click()")
    assert "SUCCESS" in text_of(browser, "#order")
    app.set_state(MCH_ID, NUMBER, "REFUND")
    wait_for(browser, "REFUND", "#order")
    assert len(shop.received) == 1
    assert (browser.run("window.violations"), browser.complaints) == ([], [])


@pytest.mark.long
def test_without_a_script_everything_is_there(
    app: Simulator, merchant: Merchant, shop: Shop, browser: Browser, url: str
) -> None:
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    merchant.place()
    look_without_script(browser, f"{url}{ORDER}")
    assert "Load this page again" in text_of(browser, "noscript")
    merchant.place(out_trade_no="T000002")
    look_without_script(browser, f"{url}/_simulator/?where=downloadbill")
    assert "T000002" in text_of(browser, "#trades")
    assert "Show its faults" in text_of(browser, "#faults")


@pytest.mark.long
def test_choosing_where_shows_the_faults_that_fit(browser: Browser, url: str) -> None:
    browser.look_at(f"{url}/_simulator/")
    choose = "const w = document.querySelector('[name=where]'); w.value = 'downloadbill'; "
    browser.press(f"{choose} w.dispatchEvent(new Event('change', {{bubbles: true}}))")
    names = browser.run("[...document.querySelectorAll('[name=fault] option')].map((o) => o.value)")
    assert "bill_empty" in names
    assert "before_answer" not in names
    pick = "const f = document.querySelector('[name=fault]'); f.value = 'bill_empty'; "
    browser.run(f"{pick} f.dispatchEvent(new Event('change'))")
    assert text_of(browser, "#explained") == "There was no business that day."
    assert not browser.run("document.querySelector('[data-submits] button').checkVisibility()")


@pytest.mark.long
def test_forgetting_everything_takes_two_steps(
    app: Simulator, merchant: Merchant, browser: Browser, url: str
) -> None:
    merchant.place()
    browser.look_at(f"{url}/_simulator/")
    visible = "document.querySelector('.end button').checkVisibility()"
    assert not browser.run(visible)
    browser.run("document.querySelector('.end summary').click()")
    assert browser.run(visible)
    assert len(app.ledger()["trades"]) == 1
    browser.press("document.querySelector('.end button').click()")
    assert app.ledger()["trades"] == []


@pytest.mark.long
@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(
    app: Simulator,
    merchant: Merchant,
    shop: Shop,
    browser: Browser,
    url: str,
    tmp_path: Path,
    scheme: str,
    language: str,
) -> None:
    merchant.place(notify_url=f"http://shop.example/{LONG}/notify/")
    shop.answers = [ConnectionRefusedError(), ConnectionRefusedError()]
    app.pay(MCH_ID, NUMBER)
    app.refund(MCH_ID, NUMBER, notify_url=f"http://shop.example/{LONG}/")
    app.settle_refund(MCH_ID, app.ledger()["refunds"][0]["out_refund_no"])
    browser.appear(width=390, scheme=scheme, language=language)
    for path in ("/_simulator/", ORDER):
        browser.look_at(f"{url}{path}")
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        browser.picture(tmp_path / "page.png")
        assert browser.run("document.documentElement.scrollWidth") == 390
        assert (browser.run("window.violations"), browser.complaints) == ([], [])


@pytest.mark.long
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_page_has_a_grave_barrier(
    app: Simulator, merchant: Merchant, browser: Browser, url: str, width: int, scheme: str
) -> None:
    merchant.place()
    browser.appear(width=width, scheme=scheme)
    found = {}
    for page in ("/_simulator/", ORDER, app.ledger()["trades"][0]["page"]):
        browser.look_at(f"{url}{page}")
        if faults := barriers(browser):
            found[page] = faults
    assert found == {}
