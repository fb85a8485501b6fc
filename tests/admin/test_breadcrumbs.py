"""The way to a page of ours, written as this version of Django writes it and so as it is styled."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.admin.conftest import ADMIN
from tests.factories import DiscrepancyFactory, OrderEventFactory, OrderFactory

pytestmark = pytest.mark.django_db
WAY = re.compile(r'<(\w+) class="breadcrumbs">(.*?)</\1>', re.DOTALL)


def way(client: Client, address: str) -> tuple[str, list[str]]:
    """Return the element that holds the way, and its steps."""
    ((element, inside),) = WAY.findall(client.get(f"{ADMIN}/{address}").content.decode())
    separator = "</li>" if element == "ol" else "&rsaquo;"
    steps = (" ".join(re.sub("<.*?>", "", step).split()) for step in inside.split(separator))
    return element, [step for step in steps if step]


@pytest.fixture
def addresses(settings: Any) -> dict[str, list[str]]:
    settings.TIME_ZONE = "Asia/Shanghai"
    today = timezone.localdate()
    unpaid, paid = OrderFactory(), OrderFactory(paid=True)
    event, difference = OrderEventFactory(conflict=True), DiscrepancyFactory()
    conflict = f"{event.order.out_trade_no} Conflict"
    return {
        f"order/{unpaid.pk}/close/": ["Orders", "Close"],
        f"order/{paid.pk}/refund/": ["Orders", str(paid), "Refund"],
        f"order/{paid.pk}/note/": ["Orders", paid.out_trade_no, "Add the note"],
        f"orderevent/{event.pk}/resolve/": ["Order events", conflict, "Resolve"],
        f"discrepancy/{difference.pk}/resolve/": [
            "Differences",
            f"Another amount: {difference.number}",
            "Resolve",
        ],
        f"bill/fetch/?merchant=default&day={today}": ["Bills", "Fetch"],
        "hourlylatency/": ["API latency"],
    }


def test_every_page_has_the_way_that_django_writes(
    boss: Client, addresses: dict[str, list[str]]
) -> None:
    element, _steps = way(boss, "order/")
    for address, steps in addresses.items():
        assert way(boss, address) == (element, ["Home", "WeChat Pay", *steps]), address
