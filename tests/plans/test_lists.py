"""Lists of the admin and of REST: none reads a large table from end to end, whatever is asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_wxpay.models import Order
from tests.plans import lists
from tests.plans.conftest import HoldsPlans, long_ways
from tests.plans.explaining import recorded
from tests.tables import connection

pytestmark = pytest.mark.plans


def read(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.content[:500])


@pytest.mark.parametrize("model", lists.ADMIN_LISTS)
def test_a_list_of_the_admin(boss: Client, no_long_way: HoldsPlans, model: str) -> None:
    for address in lists.admin_list(model):
        with no_long_way():
            read(boss, address)


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        *(("order", asked) for asked in ({"paid": "week"}, {"trade_state__exact": "CLOSED"})),
        ("refund", {}),
    ],
)
def test_a_file_of_a_list(
    boss: Client, no_long_way: HoldsPlans, model: str, asked: dict[str, str]
) -> None:
    with no_long_way():
        answer = boss.get(reverse(f"admin:django_wxpay_{model}_csv"), asked)
        assert answer.getvalue().count(b"\r\n") > 1


@pytest.mark.parametrize("model", lists.ADMIN_LISTS)
def test_a_page_of_the_admin(boss: Client, no_long_way: HoldsPlans, model: str) -> None:
    for address in lists.admin_pages(model):
        with no_long_way():
            read(boss, address)


def test_the_summaries_of_calls(boss: Client, no_long_way: HoldsPlans) -> None:
    for address in lists.latency_pages():
        with no_long_way():
            read(boss, address)


def test_the_first_page_of_the_app(boss: Client, no_long_way: HoldsPlans) -> None:
    # What it says of today costs the rows of today, and none of the days before.
    with no_long_way():
        read(boss, reverse("admin:app_list", args=["django_wxpay"]))


@pytest.mark.parametrize("name", lists.REST_LISTS)
def test_a_list_of_rest(boss: Client, no_long_way: HoldsPlans, name: str) -> None:
    for address in lists.rest_list(name):
        with no_long_way():
            read(boss, address)


def test_the_rows_of_rest(boss: Client, no_long_way: HoldsPlans) -> None:
    for address in lists.rest_details():
        with no_long_way():
            read(boss, address)


def test_without_its_index_a_list_is_found_out(boss: Client) -> None:
    wanted: Any = {"reference": "S0"}
    address = next(lists.rest_list("orders")).partition("?")[0]
    (index,) = (one for one in Order._meta.indexes if one.fields == ["reference"])
    with connection.schema_editor() as editor:
        editor.remove_index(Order, index)
    try:
        with recorded() as queries:
            boss.get(address, wanted)
        (found,) = (line for query in queries for line in long_ways(query)[:1])
    finally:
        with connection.schema_editor() as editor:
            editor.add_index(Order, index)
    assert "django_wxpay_order" in found
    with recorded() as queries:
        boss.get(address, wanted)
    assert not [line for query in queries for line in long_ways(query)]
