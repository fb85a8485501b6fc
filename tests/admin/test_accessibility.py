"""The admin's pages under axe-core: in light and dark, in both languages, on both widths."""

from __future__ import annotations

import pytest
from pytest_django.live_server_helper import LiveServer

from django_wxpay.models import Order
from tests import factories
from tests.accessibility import barriers
from tests.admin import latency_rows
from tests.admin.conftest import ADMIN
from tests.admin.test_bills_in_browser import addresses as pages_of_bills
from tests.admin.test_lists_in_browser import LISTS, rows
from tests.browser import Browser

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]

# Django's own: a path in the colours of its header, a search box named by its title.
DJANGOS = (".breadcrumbs", "#searchbar", "#changelist-search .small")


def pages() -> list[str]:
    """Make rows of every kind, and return the addresses of lists, rows and forms."""
    # Made first: they look for the one difference of their kind.
    of_bills = pages_of_bills()
    rows()
    latency_rows.a_day()
    factories.OrderFactory()
    paid = factories.OrderFactory(paid=True)
    conflict = factories.OrderEventFactory(conflict=True)
    of_orders = [
        *(f"order/{order.pk}/change/" for order in Order.objects.all()),
        f"order/{paid.pk}/refund/",
        f"order/{paid.pk}/close/",
        f"orderevent/{conflict.pk}/change/",
        f"orderevent/{conflict.pk}/resolve/",
    ]
    lists = ["", "order/?attention=any", *(f"{name}/" for name in LISTS), "hourlylatency/"]
    return [*lists, *of_orders, *of_bills.values()]


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [
        (1280, "light", "en"),
        (1280, "dark", "zh-hans"),
        (390, "dark", "en"),
        (390, "light", "zh-hans"),
    ],
)
def test_no_page_of_the_admin_has_a_grave_barrier(
    browser: Browser, live_server: LiveServer, width: int, scheme: str, language: str
) -> None:
    browser.appear(width=width, scheme=scheme, language=language)
    found: dict[str, list[str]] = {}
    for page in pages():
        browser.look_at(f"{live_server.url}{ADMIN}/{page}")
        if faults := barriers(browser, *DJANGOS):
            found[page] = faults
    assert "\n".join(f"{page}: {fault}" for page, faults in found.items() for fault in faults) == ""
