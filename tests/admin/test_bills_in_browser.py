"""The pages of bills in a real browser: in order, in both languages, under a strict policy."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from django_wxpay.models import Discrepancy
from tests.admin import bill_rows
from tests.admin.conftest import ADMIN
from tests.browser import Browser
from tests.laws.source import ROOT

pytestmark = pytest.mark.long

# What reaches out of the cell that holds it.
TOO_NARROW = """
[...document.querySelectorAll(".wxpay-calendar td, .wxpay-confirm > *")]
    .filter((one) => one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.textContent.trim())
"""


# What can only be scrolled to: the side of a difference that somebody came to see.
CUT = """
[...document.querySelectorAll(".wxpay-scroll")].map((one) => one.scrollWidth - one.clientWidth)
"""


def addresses() -> dict[str, str]:
    """Make a month of bills, and return the pages to look at."""
    first = (bill_rows.newest_month() - timedelta(days=1)).replace(day=1)
    bill = bill_rows.a_month(first)["open"]
    difference = Discrepancy.objects.get(kind="AMOUNT", status="OPEN")
    return {
        "calendar": f"bill/?month={first:%Y-%m}",
        "bill": f"bill/{bill.pk}/change/",
        "differences": f"discrepancy/?month={first:%Y-%m}",
        "difference": f"discrepancy/{difference.pk}/change/",
        "resolve": f"discrepancy/{difference.pk}/resolve/",
        "fetch": f"bill/fetch/?merchant=default&day={first:%Y-%m}-09",
    }


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_pages_are_in_order(
    browser: Browser,
    live_server: LiveServer,
    tmp_path: Path,
    width: int,
    scheme: str,
    language: str,
) -> None:
    # The folder of PICTURES, to look at them afterwards.
    folder = Path(os.environ.get("PICTURES", tmp_path))
    browser.appear(width=width, scheme=scheme, language=language)
    for name, address in addresses().items():
        browser.look_at(f"{live_server.url}{ADMIN}/{address}")
        assert browser.run("document.documentElement.scrollWidth") == width, name
        assert browser.run(TOO_NARROW) == [], name
        # The page of a bill has tables of more columns than a phone has room for.
        assert name == "bill" or all(hidden <= 0 for hidden in browser.run(CUT)), name
        assert browser.run("window.violations") == [], name
        assert browser.complaints == [], name
        browser.picture(folder / f"{name}-{width}-{scheme}-{language}.png")


@pytest.mark.parametrize(("page", "name"), [("calendar", "bills"), ("difference", "difference")])
def test_the_pictures_of_the_page_for_finance_can_be_made(
    browser: Browser, live_server: LiveServer, tmp_path: Path, page: str, name: str
) -> None:
    # DOCS_PICTURES=1 makes those of the documentation anew.
    folder = ROOT / "docs" if os.environ.get("DOCS_PICTURES") else tmp_path
    browser.appear(width=1100)
    browser.look_at(f"{live_server.url}{ADMIN}/{addresses()[page]}")
    # The calendar without the list below it, and no menu beside it.
    for part in ("#toggle-nav-sidebar", "#nav-sidebar", "#changelist"):
        browser.run(f"document.querySelector('{part}')?.remove()")
    browser.picture(folder / f"{name}.png")
    assert (ROOT / "docs" / f"{name}.png").stat().st_size > 10_000
