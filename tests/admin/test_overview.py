"""The first page of the app in the admin: cards for those who may see their rows."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from django_wxpay.services import clock, overview
from django_wxpay.services.attention import cases
from tests.admin.conftest import ADMIN, ENGLISH
from tests.factories import (
    ApiReportFactory,
    BackgroundJobFactory,
    DiscrepancyFactory,
    OrderEventFactory,
    OrderFactory,
    RefundFactory,
    UserFactory,
)
from tests.wechatpay.v2 import MCH_ID

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_stands_still")]
PAGE = reverse("admin:app_list", args=["django_wxpay"])


def fill() -> None:
    now = clock.now()
    order = OrderFactory(paid=True, success_time=now, created_at=now, mch_id=MCH_ID, total_fee=6800)
    RefundFactory(order=order, refund_fee=800, paid_back=True, success_time=now)
    OrderEventFactory(conflict=True)
    BackgroundJobFactory(name="sync", finished_at=now, failures_in_a_row=1)
    DiscrepancyFactory()
    ApiReportFactory(created_at=now)


def test_the_cards_say_how_the_shop_stands_and_lead_to_their_rows(boss: Client) -> None:
    fill()
    html = boss.get(PAGE).content.decode()
    for words in (
        "Taken today: default",
        "68.00 CNY",
        "8.00 CNY refunded",
        f"{ADMIN}/order/?attention=CONFLICT",
        "sync fails",
        f"{ADMIN}/discrepancy/?status__exact=OPEN",
    ):
        assert words in html, words
    assert boss.get(f"{ADMIN}/order/?attention=CONFLICT").status_code == 200


def test_the_orders_that_wait_are_listed_and_the_paid_ones_are_not(boss: Client) -> None:
    waits, paid = OrderFactory(next_check_at=clock.now()), OrderFactory(paid=True)
    html = boss.get(PAGE).content.decode()
    (address,) = re.findall(r'<a href="([^"]+)">1 order waits</a>', html)
    page = boss.get(address).content.decode()
    assert waits.out_trade_no in page
    assert paid.out_trade_no not in page


def test_a_card_whose_count_has_stopped_says_that_there_may_be_more(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "COUNTED_UP_TO", 2)
    monkeypatch.setattr(cases, "MOST", 2)
    for _ in range(3):
        DiscrepancyFactory()
        OrderEventFactory(conflict=True)
        OrderFactory(next_check_at=clock.now())
    html = boss.get(PAGE).content.decode()
    for words in ("2 orders or more wait", "2 or more</a>", "Conflict: 2 or more"):
        assert words in html, words


def test_an_empty_shop_has_its_cards_too(boss: Client) -> None:
    html = boss.get(PAGE).content.decode()
    for words in ("Nothing yet", "Needs attention", "Never", "Calls in 24 hours"):
        assert words in html, words


def test_each_person_sees_what_they_may() -> None:
    fill()
    client = Client(headers=ENGLISH)
    client.force_login(UserFactory(is_staff=True, permissions=("view_discrepancy",)))
    html = client.get(PAGE).content.decode()
    assert "Open differences of bills" in html
    assert "68.00 CNY" not in html
    assert "Needs attention" not in html
    client.force_login(UserFactory(is_staff=True, permissions=("view_prepay",)))
    assert "wxpay-overview" not in client.get(PAGE).content.decode()


def test_other_apps_have_the_page_that_they_had(boss: Client) -> None:
    html = boss.get(reverse("admin:app_list", args=["auth"])).content.decode()
    assert "wxpay-overview" not in html
