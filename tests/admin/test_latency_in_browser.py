"""The page "API latency" in a real browser: drawn, in order, and at home under a strict policy."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.admin import latency_rows as rows
from tests.admin.conftest import ADMIN
from tests.browser import Browser
from tests.factories import ApiReportFactory

pytestmark = pytest.mark.long

PAGE = f"{ADMIN}/hourlylatency/"

# How much of each canvas is painted, in pixels.
PAINTED = """
[...document.querySelectorAll("canvas")].filter((one) => one.offsetParent).map((one) => {
    const pixels = one.getContext("2d").getImageData(0, 0, one.width, one.height).data;
    return pixels.reduce((found, value, n) => found + (n % 4 === 3 && value > 0), 0);
})
"""
# Pairs of neighbours that lie on one another, and what reaches out of what holds it.
OVERLAPS = """
(() => {
    const found = [];
    const groups = [".wxpay-chart", ".wxpay-figure", ".wxpay-presets a",
        ".wxpay-choices label, .wxpay-choices input[type=submit]", "#content > *"];
    for (const group of groups) {
        const boxes = [...document.querySelectorAll(group)]
            .filter((one) => !one.matches(".object-tools, h1, script"))
            .map((one) => [one, one.getBoundingClientRect()])
            .filter(([, box]) => box.width && box.height);
        for (const [n, [one, a]] of boxes.entries()) {
            for (const [other, b] of boxes.slice(n + 1)) {
                const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (wide > 1 && high > 1) found.push(`${one.className} | ${other.className}`);
            }
        }
    }
    const holders = ".wxpay-chart, .wxpay-figure, .wxpay-panel, .wxpay-canvas";
    for (const one of document.querySelectorAll(holders)) {
        if (one.scrollWidth > one.clientWidth + 1) found.push(`${one.className} is too narrow`);
    }
    return found;
})()
"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_is_drawn_and_in_order(
    browser: Browser,
    live_server: LiveServer,
    tmp_path: Path,
    width: int,
    scheme: str,
    language: str,
) -> None:
    rows.a_day()
    ApiReportFactory(created_at=rows.hours_ago(2))
    browser.appear(width=width, scheme=scheme, language=language)
    browser.look_at(f"{live_server.url}{PAGE}")
    painted = browser.run(PAINTED)
    assert len(painted) == 3 + 2 + 1
    assert [pixels for pixels in painted if pixels < 1000] == []
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run(OVERLAPS) == []
    assert browser.run("window.violations") == []
    assert browser.complaints == []
    assert browser.run("document.documentElement.lang") == language
    dark = browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(18, 18, 18)"
    assert dark == (scheme == "dark")
    png = browser.picture(tmp_path / f"latency-{width}-{scheme}-{language}.png")
    assert struct.unpack(">I", png[16:20]) == (width,)


def test_the_colours_follow_the_switch_of_the_theme(
    browser: Browser, live_server: LiveServer
) -> None:
    rows.a_day()
    browser.appear(width=1280)
    browser.look_at(f"{live_server.url}{PAGE}")
    look = "Chart.getChart('wxpay-latency-0').data.datasets.map((one) => one.borderColor)"
    light = browser.run(look)
    browser.run("document.querySelector('.theme-toggle').click()")
    dark = browser.run(f"new Promise((done) => setTimeout(() => done({look}), 100))")
    browser.run("localStorage.clear()")
    assert len(set(light)) == len(set(dark)) == 3
    assert set(light) & set(dark) == set()
    assert browser.complaints == []


def test_what_a_chart_shows_can_be_read_and_reached_without_it(
    browser: Browser,
    live_server: LiveServer,
) -> None:
    rows.a_day()
    browser.appear(width=390)
    browser.look_at(f"{live_server.url}{PAGE}?range=7d")
    labels = browser.run("[...document.querySelectorAll('canvas')].map((one) => one.ariaLabel)")
    assert all(" calls: " in label for label in labels[:5])
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") == 390
    assert browser.run(OVERLAPS) == []
    first = "Chart.getChart('wxpay-latency-0').options.animation"
    assert browser.run(first) is False


def test_an_empty_page_has_words_and_no_axes(browser: Browser, live_server: LiveServer) -> None:
    browser.appear(width=390)
    browser.look_at(f"{live_server.url}{PAGE}")
    assert browser.run(PAINTED) == []
    assert browser.run("document.documentElement.scrollWidth") == 390
    assert browser.run("window.violations") == []
    assert browser.complaints == []


def test_a_name_that_is_markup_stays_a_name(browser: Browser, live_server: LiveServer) -> None:
    evil = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked=1'>"
    rows.hour(rows.hours_ago(1), 80, interface=f"/{evil}", merchant="<b>shop</b>")
    browser.appear(width=1280)
    browser.look_at(f"{live_server.url}{PAGE}")
    assert len(browser.run(PAINTED)) == 2
    assert browser.run(
        "[window.hacked ?? null, document.querySelectorAll('#content b').length]"
    ) == [
        None,
        0,
    ]
    assert browser.complaints == []
