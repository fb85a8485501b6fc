"""Lists of the admin with more merchants than a page can offer, and with a source that is away."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from django_wxpay import conf
from django_wxpay.admin import filters
from django_wxpay.admin.bills import months
from tests import accounts
from tests.admin.conftest import ADMIN
from tests.factories import BillFactory

pytestmark = pytest.mark.django_db


class Away:
    is_prompt = True
    get = aliases = None

    def version(self) -> Any:
        raise RuntimeError


@pytest.fixture(autouse=True)
def _database(wxpay: dict[str, Any], settings: Any) -> None:
    settings.WXPAY = accounts.wxpay()


def test_a_list_offers_the_first_and_takes_any_in_the_address(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MOST_OFFERED", 2)
    for number in range(4):
        accounts.kept(f"shop-{number}", mch_id=f"190000010{number}")
    page = boss.get(f"{ADMIN}/order/?merchant=shop-3").content.decode()
    assert "?merchant=shop-1" in page
    assert "shop-3" in page
    assert "shop-2" not in page
    assert filters.is_configured("shop-3")
    assert not filters.is_configured("shop-9")


def test_the_hosts_of_a_source_are_those_that_were_called() -> None:
    accounts.kept("tea", hosts="http://127.0.0.1:9100")
    accounts.kept("coffee", hosts="http://127.0.0.1:9200")
    conf.merchant("tea")
    assert filters.configured_hosts() == {"127.0.0.1:9100"}


def test_a_month_shows_the_first_calendars_and_the_one_in_the_address(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(months, "MOST_CALENDARS", 2)
    for number in range(4):
        accounts.kept(f"shop-{number}", mch_id=f"190000010{number}")
    assert len(months.aliases()) == 4
    page = boss.get(f"{ADMIN}/bill/").content.decode()
    assert "shop-1 (1900000101)" in page
    assert "shop-2 (1900000102)" not in page
    assert "shop-3 (1900000103)" in boss.get(f"{ADMIN}/bill/?merchant=shop-3").content.decode()
    assert months.month_of(date(2026, 1, 1), "shop-3").bills == []


def test_a_month_loads_the_bills_that_it_shows_and_adds_up_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(months, "MOST_CALENDARS", 2)
    asked = []
    monkeypatch.setattr(months, "merchant_numbers", lambda: asked.append(1) or [])
    for number in range(4):
        fields = {"merchant": f"shop-{number}", "mch_id": f"190000010{number}"}
        BillFactory(bill_date=date(2026, 1, 31), **fields)
    month = months.month_of(date(2026, 1, 1), "")
    assert [bill.merchant for bill in month.bills] == ["shop-0", "shop-1"]
    one = months.month_of(date(2026, 1, 1), "shop-3")
    assert [bill.merchant for bill in one.bills] == ["shop-3"]
    (every,), (single,) = months.totals(month.printed), months.totals(one.printed)
    assert every[1] == 4 * single[1] > 0
    assert len(asked) == 2


def test_pages_stand_while_the_source_is_away(boss: Client, settings: Any) -> None:
    settings.WXPAY = accounts.wxpay() | {"MERCHANTS": f"{__name__}.Away"}
    for name in ("", "order/", "bill/", "merchantaccount/", "hourlylatency/"):
        assert boss.get(f"{ADMIN}/{name}").status_code == 200
    assert not filters.is_configured("tea")
