"""The clerk's desk in a real browser: a day of payments, what it comes to, a note, the CSV."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from django_wxpay.models import Order, OrderEvent
from tests import factories
from tests.admin.conftest import ADMIN
from tests.browser import Browser

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]
WIDER = "document.documentElement.scrollWidth"
HIDDEN = """
Math.max(0, ...Array.from(document.querySelectorAll("#result_list, .wxpay-totals table"), (table) =>
    table.scrollWidth - table.parentElement.clientWidth))
"""
FETCHED = """
fetch(document.querySelector(".object-tools a[href*='csv']").href).then((answer) => answer.text())
"""


def sold() -> Order:
    now = datetime.now(UTC)
    tea, cake = (
        factories.OrderFactory(paid=True, success_time=now, created_at=now, total_fee=total_fee)
        for total_fee in (6800, 1250)
    )
    factories.RefundFactory(order=cake, paid_back=True, refund_fee=250)
    factories.OrderFactory(paid=True, success_time=now, foreign=True, total_fee=9900)
    factories.OrderFactory(paid=True, success_time=now - timedelta(days=30))
    factories.OrderFactory(created=True, placed_at=now - timedelta(hours=1), next_check_at=now)
    factories.OrderEventFactory(order=tea)
    factories.PrepayFactory(order=tea)
    found: Order = tea
    return found


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh-hans")])
def test_a_day_is_found_added_up_saved_and_noted_on(
    browser: Browser,
    live_server: LiveServer,
    tmp_path: Path,
    width: int,
    scheme: str,
    language: str,
) -> None:
    tea = sold()
    folder = Path(os.environ.get("PICTURES", tmp_path))
    browser.appear(width=width, scheme=scheme, language=language)

    def looks_well(name: str) -> None:
        browser.picture(folder / f"desk-{name}-{width}-{language}.png")
        assert browser.run(WIDER) == width, name
        assert browser.run(HIDDEN) <= 0, name
        assert browser.run("window.violations") == [], name
        assert browser.complaints == [], name

    browser.look_at(f"{live_server.url}{ADMIN}/order/")
    looks_well("all")
    browser.press("document.querySelector('#changelist-filter a[href*=\"paid=today\"]').click()")
    rows = browser.run("document.querySelectorAll('#result_list tbody tr').length")
    assert rows == 3
    sums = browser.run("document.querySelector('.wxpay-totals tbody').innerText")
    assert [line.split("\t")[:2] for line in sums.splitlines()] == [["CNY", "2"], ["HKD", "1"]]
    assert "80.50 CNY" in sums
    assert "2.50 CNY" in sums
    looks_well("today")
    text = browser.run(FETCHED)
    heads, *lines = csv.reader(io.StringIO(text))
    assert len(lines) == 3
    assert ["12.50", "2.50", "CNY"] in [line[2:5] for line in lines], heads

    browser.look_at(f"{live_server.url}{reverse('admin:django_wxpay_order_change', args=[tea.pk])}")
    browser.run("document.querySelector('#wxpay-note').value = 'She has called.'")
    browser.press("document.querySelector('.wxpay-note-add').click()")
    assert OrderEvent.objects.get(kind="NOTE").detail == {"by": "ada"}
    first = browser.run("document.querySelector('.wxpay-timeline li').innerText")
    assert "She has called." in first
    assert "ada" in first
    looks_well("page")
    unsure = Order.objects.get(trade_state="CREATED")
    page = reverse("admin:django_wxpay_order_change", args=[unsure.pk])
    browser.look_at(f"{live_server.url}{page}")
    looks_well("unsure")
    browser.press("document.querySelector('a[href$=\"/place/\"]').click()")
    looks_well("place")
