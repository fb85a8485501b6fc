"""Bills and differences in the admin: the calendar, both sides, resolving, the file and the CSV."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from django.utils import timezone, translation

from django_wxpay import services
from django_wxpay.admin.bills import words
from django_wxpay.admin.bills.discrepancies import DiscrepancyAdmin
from django_wxpay.admin.bills.fees import exact
from django_wxpay.admin.spreadsheets import csv_lines, harmless
from django_wxpay.exceptions import BillNotReady, OutcomeUnknown
from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import BillStatuses, DiscrepancyKinds
from django_wxpay.models.order import FEE_DECIMALS
from django_wxpay.services.bills.days import latest_due
from tests.admin import bill_rows
from tests.admin.conftest import ADMIN
from tests.factories import (
    BillFactory,
    DiscrepancyFactory,
    FeeFactory,
    OrderFactory,
    RefundFactory,
)

pytestmark = pytest.mark.django_db
BILLS, DIFFERENCES = f"{ADMIN}/bill", f"{ADMIN}/discrepancy"


@pytest.fixture(autouse=True)
def in_memory(settings: Any) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = settings.STORAGES | {"default": memory}


def cells(page: str) -> dict[int, str]:
    """Return the cells of the calendar, as markup, by the day of the month."""
    found = re.findall(r"<td[^>]*>(?:(?!</td>).)*?wxpay-day\">(?:(?!</td>).)*</td>", page)
    return {int(re.findall(r'wxpay-day">(\d+)<', cell)[0]): cell for cell in found}


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


# --- the calendar


def test_each_day_of_the_month_says_how_it_stands_and_leads_there(boss: Client) -> None:
    first = (bill_rows.newest_month() - timedelta(days=1)).replace(day=1)
    bills = bill_rows.a_month(first)
    shown = cells(boss.get(f"{BILLS}/?month={first:%Y-%m}").content.decode())
    for day, bill, tone, word in [
        (1, "good", "good", "OK"),
        (4, "empty", "quiet", "empty"),
        (7, "failed", "bad", "failed"),
        (15, "fetched", "waiting", "not compared"),
    ]:
        assert f'class="wxpay-{tone}"' in shown[day]
        assert f">{word}<" in shown[day]
        assert f"{BILLS}/{bills[bill].pk}/change/" in shown[day]
    assert ">3 open<" in shown[12]
    assert f"{DIFFERENCES}/?bill__id__exact={bills['open'].pk}&amp;status__exact=OPEN" in shown[12]
    assert ">missing<" in shown[9]
    assert f"{BILLS}/fetch/?merchant=default&amp;day={first:%Y-%m}-09" in shown[9]


def test_a_day_in_the_future_or_long_ago_is_not_missing(boss: Client) -> None:
    assert "missing" not in boss.get(f"{BILLS}/").content.decode()
    OrderFactory(paid=True)
    page = boss.get(f"{BILLS}/").content.decode()
    last = latest_due(timezone.now())
    shown = cells(page)
    assert ">missing<" in shown[last.day]
    for day in range(last.day + 1, len(shown) + 1):
        assert "missing" not in shown[day]
    assert "missing" not in boss.get(f"{BILLS}/?month=2020-01").content.decode()


def test_aliases_of_one_number_share_a_calendar(boss: Client) -> None:
    page = boss.get(f"{BILLS}/").content.decode()
    assert page.count('class="wxpay-calendar"') == 1
    assert "default, other (" in page
    BillFactory(merchant="gone", mch_id="1", bill_date=bill_rows.newest_month())
    assert boss.get(f"{BILLS}/").content.decode().count('class="wxpay-calendar"') == 2
    only = boss.get(f"{BILLS}/?merchant=gone").content.decode()
    assert "<caption>gone (1)</caption>" in only
    assert only.count('class="wxpay-calendar"') == 1


def test_months_lead_to_one_another_and_keep_the_merchant(boss: Client) -> None:
    page = boss.get(f"{BILLS}/?month=2026-01&merchant=default").content.decode()
    assert 'href="?month=2025-12&amp;merchant=default"' in page
    assert 'href="?month=2026-02&amp;merchant=default"' in page
    newest = boss.get(f"{BILLS}/").content.decode()
    assert "Later" not in newest


@pytest.mark.parametrize("month", ["x", "2026-13", "0000-01", "9999-12", "２０２６-01", "2026-1"])
def test_a_month_that_is_none_is_the_latest(boss: Client, month: str) -> None:
    answer = boss.get(f"{BILLS}/", {"month": month})
    assert answer.status_code == 200
    assert "wxpay-calendar" in answer.content.decode()
    assert boss.get(f"{DIFFERENCES}/", {"month": month}).status_code == 200


def test_the_sums_are_of_the_month_and_the_merchant(boss: Client) -> None:
    for merchant, number in (("default", "1900000109"), ("gone", "1")):
        BillFactory(merchant=merchant, mch_id=number, bill_date=date(2026, 1, 31))
    yen = {"payments": 1, "paid": 500, "refunds": 0, "refunded": 0, "fees_e5": 150_000}
    BillFactory(bill_date=date(2026, 1, 30), totals={"JPY": yen})
    BillFactory(bill_date=date(2026, 2, 1))
    BillFactory(bill_date=date(2026, 1, 30), kind="fundflow", account_type="BASIC")
    rows = boss.get(f"{BILLS}/?month=2026-01").context["totals"]
    assert rows == [
        ("CNY", 4, "50.00 CNY", 2, "12.50 CNY", "0.225 CNY", "37.275 CNY"),
        ("JPY", 1, "500 JPY", 0, "0 JPY", "1.5 JPY", "498.5 JPY"),
    ]
    only = boss.get(f"{BILLS}/?month=2026-01&merchant=gone").context["totals"]
    assert [row[1] for row in only] == [2]


@pytest.mark.parametrize(
    ("amount_e5", "currency", "text"),
    [
        (725_000, "CNY", "0.0725 CNY"),
        (-725_000, "CNY", "-0.0725 CNY"),
        (100_000_000, "CNY", "10.00 CNY"),
        (123_456_789_000_001, "CNY", "12,345,678.9000001 CNY"),
        (150_000, "JPY", "1.5 JPY"),
        (100_000, "JPY", "1 JPY"),
        (1, "KWD", "0.00000001 KWD"),
        (0, "CNY", "0.00 CNY"),
    ],
)
def test_a_fee_is_exact(amount_e5: int, currency: str, text: str) -> None:
    assert exact(Decimal(amount_e5).scaleb(-FEE_DECIMALS), currency) == text


def test_a_month_of_many_bills_costs_as_many_queries_as_an_empty_one(
    boss: Client, django_assert_max_num_queries: Any
) -> None:
    first = (bill_rows.newest_month() - timedelta(days=1)).replace(day=1)
    address = f"{BILLS}/?month={first:%Y-%m}"
    with django_assert_max_num_queries(7) as empty:
        boss.get(address)
    bill_rows.a_month(first)
    with django_assert_max_num_queries(len(empty)):
        boss.get(address)


def test_who_may_not_see_differences_or_fetch_has_no_way_there(
    as_holder: Callable[..., Client],
) -> None:
    first = (bill_rows.newest_month() - timedelta(days=1)).replace(day=1)
    bills = bill_rows.a_month(first)
    viewer = as_holder("view_bill")
    page = viewer.get(f"{BILLS}/?month={first:%Y-%m}").content.decode()
    assert DIFFERENCES not in page
    assert "/fetch/" not in page
    assert f"{BILLS}/{bills['open'].pk}/change/" in cells(page)[12]
    assert viewer.get(f"{BILLS}/fetch/?merchant=default&day=2026-01-01").status_code == 403
    assert viewer.get(f"{DIFFERENCES}/csv/").status_code == 403
    shown = viewer.get(f"{BILLS}/{bills['open'].pk}/change/").content.decode()
    assert DIFFERENCES not in shown
    assert "Reconcile again" not in shown


# --- a bill


def test_a_bill_has_its_sums_and_its_differences(boss: Client) -> None:
    bill = bill_rows.a_month(date(2026, 1, 1))["open"]
    page = boss.get(f"{BILLS}/{bill.pk}/change/").content.decode()
    assert "25.00 CNY" in page
    for one in bill.discrepancies.all():
        assert f"{DIFFERENCES}/{one.pk}/change/" in page
    assert f"{DIFFERENCES}/?bill__id__exact={bill.pk}" in page
    assert "Reconcile again" in page


def test_a_bill_that_failed_says_why_and_can_be_fetched(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill = BillFactory(failed=True)
    page = boss.get(f"{BILLS}/{bill.pk}/change/").content.decode()
    assert "no answer came" in page
    assert "Reconcile again" not in page
    asked: list[Any] = []

    def download(merchant: str, **wanted: Any) -> Bill:
        asked.append((merchant, wanted))
        bill.status = BillStatuses.DOWNLOADED
        return bill

    monkeypatch.setattr(services, "download_bill", download)
    answer = boss.post(f"{BILLS}/{bill.pk}/refetch/")
    assert answer["Location"] == f"{BILLS}/{bill.pk}/change/"
    assert said(answer) == [f"{bill}: The bill is now “Fetched”."]
    wanted = {"bill_date": bill.bill_date, "kind": "trade", "sub_mch_id": ""}
    assert asked == [("default", wanted)]
    assert LogEntry.objects.filter(object_id=bill.pk).count() == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BillNotReady("not yet"), "has not made this bill yet"),
        (OutcomeUnknown("silence"), "Asking again is safe."),
    ],
)
def test_a_bill_that_does_not_come_is_a_sentence(
    boss: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def download(*_args: Any, **_wanted: Any) -> Bill:
        raise error

    monkeypatch.setattr(services, "download_bill", download)
    bill = BillFactory(failed=True, bill_date=date(2026, 1, 2))
    answer = boss.post(f"{BILLS}/{bill.pk}/refetch/")
    assert words in said(answer)[0]
    answer = boss.post(f"{BILLS}/fetch/?merchant=default&day=2026-01-01")
    assert words in said(answer)[-1]
    assert answer["Location"] == f"{BILLS}/?month=2026-01"


def test_a_missing_day_is_fetched_after_a_question(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(merchant: str, *, bill_date: date) -> Bill:
        bill: Bill = BillFactory(merchant=merchant, bill_date=bill_date, fetched=True)
        return bill

    monkeypatch.setattr(services, "download_bill", download)
    address = f"{BILLS}/fetch/?merchant=default&day=2026-01-09"
    assert "Fetch the bill of 2026-01-09?" in boss.get(address).content.decode()
    assert not Bill.objects.exists()
    answer = boss.post(address)
    assert answer["Location"] == f"{BILLS}/{Bill.objects.get().pk}/change/"
    for query in ("merchant=nobody&day=2026-01-09", "merchant=default&day=x", "day=2026-01-09"):
        assert boss.post(f"{BILLS}/fetch/?{query}").status_code == 404
    for day in ("2026-02-30", "1999-01-01", "2026-01-0x", ""):
        assert boss.get(f"{BILLS}/fetch/?merchant=default&day={day}").status_code == 404


def test_a_bill_is_compared_again(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = SimpleNamespace(compared=9, open=2, gone=1)
    monkeypatch.setattr(services, "reconcile", lambda _bill: counts)
    bill = BillFactory()
    answer = boss.post(f"{BILLS}/{bill.pk}/reconcile/")
    assert said(answer) == [f"{bill}: Rows compared: 9. Open: 2. Gone: 1."]
    assert boss.get(f"{BILLS}/{bill.pk}/reconcile/").status_code == 405


def test_only_those_who_may_operate_fetch_and_compare(
    as_holder: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "reconcile", None)
    monkeypatch.setattr(services, "download_bill", None)
    bill = BillFactory()
    viewer = as_holder("view_bill", "view_discrepancy")
    for verb in ("refetch", "reconcile"):
        assert viewer.post(f"{BILLS}/{bill.pk}/{verb}/").status_code == 403
    difference = DiscrepancyFactory()
    assert viewer.post(f"{DIFFERENCES}/{difference.pk}/resolve/").status_code == 403
    assert "Resolve" not in viewer.get(f"{DIFFERENCES}/{difference.pk}/change/").content.decode()


def test_the_original_file_is_sent_as_it_is_kept(
    as_holder: Callable[..., Client], boss: Client
) -> None:
    packed = gzip.compress(b"a,b\n" * 50_000)
    storages["default"].save("b.csv.gz", ContentFile(packed))
    bill = BillFactory(file="b.csv.gz", bill_date=date(2026, 1, 1))
    address = f"{BILLS}/{bill.pk}/download/"
    assert address in boss.get(f"{BILLS}/{bill.pk}/change/").content.decode()
    answer = as_holder("view_bill").get(address)
    assert gzip.decompress(answer.getvalue()) == b"a,b\n" * 50_000
    assert "2026-01-01-1900000109-trade.csv.gz" in answer["Content-Disposition"]
    assert as_holder("view_order").get(address).status_code == 403
    assert boss.get(f"{BILLS}/{BillFactory(empty=True).pk}/download/").status_code == 404
    gone = BillFactory(file="gone.csv.gz")
    answer = boss.get(f"{BILLS}/{gone.pk}/download/")
    assert answer["Location"] == f"{BILLS}/{gone.pk}/change/"
    assert "does not give back" in said(answer)[0]


# --- a difference


def test_both_sides_stand_next_to_each_other_and_what_differs_is_marked(boss: Client) -> None:
    difference = DiscrepancyFactory()
    page = boss.get(f"{DIFFERENCES}/{difference.pk}/change/").content.decode()
    marked = re.findall(r'<mark class="wxpay-differs">(.*?)</mark>', page)
    assert marked == ["12.50 CNY", "12.00 CNY"]
    assert f"{ADMIN}/order/{difference.local_order_id}/change/" in page
    assert f"{BILLS}/{difference.bill_id}/change/" in page
    assert words.what_to_do("AMOUNT")[:30] in page


def test_a_side_that_has_nothing_is_a_dash(boss: Client) -> None:
    difference = DiscrepancyFactory(missing_here=True)
    page = boss.get(f"{DIFFERENCES}/{difference.pk}/change/").content.decode()
    assert "wxpay-differs" not in page
    assert list(words.both_sides(difference))[3][1:] == ("-", "12.00 CNY")
    refund = DiscrepancyFactory(refund=True)
    shown = boss.get(f"{DIFFERENCES}/{refund.pk}/change/").content.decode()
    assert f"{ADMIN}/refund/{refund.local_refund_id}/change/" in shown


def test_what_came_of_asking_is_no_side(boss: Client) -> None:
    ours = {"trade_state": "NOTPAY", "total_fee": 1, "fee_type": "CNY", "answer": "ORDERNOTEXIST"}
    theirs = {"trade_state": "SUCCESS", "total_fee": 1, "fee_type": "CNY"}
    difference = DiscrepancyFactory(kind="UNPAID_HERE", ours=ours, theirs=theirs)
    page = boss.get(f"{DIFFERENCES}/{difference.pk}/change/").content.decode()
    assert page.count("ORDERNOTEXIST") == 1
    assert "wxpay-differs" in page


def test_every_kind_says_what_to_do() -> None:
    assert set(words.WHAT_TO_DO) == {kind.value for kind in DiscrepancyKinds}
    assert len({str(sentence) for sentence in words.WHAT_TO_DO.values()}) == len(DiscrepancyKinds)


def test_names_that_are_markup_stay_names(boss: Client) -> None:
    evil = "<script>alert(1)</script>"
    side = {"total_fee": evil, evil: evil, "fee_type": evil}
    difference = DiscrepancyFactory(ours=side, theirs={}, number=evil, note=evil, resolved=True)
    for page in (f"{difference.pk}/change/", "", f"{difference.pk}/history/"):
        assert evil not in boss.get(f"{DIFFERENCES}/{page}").content.decode()
    assert evil not in boss.get(f"{BILLS}/{difference.bill_id}/change/").content.decode()


def test_a_difference_is_resolved_with_a_note(boss: Client) -> None:
    difference = DiscrepancyFactory()
    address = f"{DIFFERENCES}/{difference.pk}/resolve/"
    page = boss.get(f"{DIFFERENCES}/{difference.pk}/change/").content.decode()
    assert f'href="{address}"' in page
    assert "12.00 CNY" in boss.get(address).content.decode()
    for note in ("", "   ", "x" * 501):
        assert boss.post(address, {"note": note}).status_code == 200
    assert Discrepancy.objects.get().status == "OPEN"
    answer = boss.post(address, {"note": "Paid back by hand."})
    assert answer["Location"] == f"{DIFFERENCES}/{difference.pk}/change/"
    difference.refresh_from_db()
    assert (difference.status, difference.resolution) == ("RESOLVED", "PERSON")
    assert (difference.note, difference.resolved_by[:6]) == ("Paid back by hand.", "person")
    assert "Paid back by hand." in LogEntry.objects.get().change_message
    page = boss.get(f"{DIFFERENCES}/{difference.pk}/change/").content.decode()
    assert "Paid back by hand." in page
    assert address not in page
    assert "resolved already" in said(boss.post(address, {"note": "again"}))[-1]


def test_differences_are_filtered_by_what_finance_asks(boss: Client) -> None:
    bill = BillFactory(bill_date=date(2026, 1, 31))
    mine = DiscrepancyFactory(bill=bill)
    other = DiscrepancyFactory(
        bill=BillFactory(merchant="other", bill_date=date(2026, 2, 1)), resolved=True
    )
    for query, expected in [
        ("merchant=other", [other]),
        ("month=2026-01", [mine]),
        ("status__exact=OPEN", [mine]),
        ("kind__exact=AMOUNT", [other, mine]),
        (f"bill__id__exact={bill.pk}", [mine]),
    ]:
        found = boss.get(f"{DIFFERENCES}/?{query}").context["cl"].queryset
        assert list(found) == expected, query


# --- fees


def test_an_order_and_a_refund_say_what_they_cost(boss: Client) -> None:
    order = OrderFactory(paid=True)
    refund = RefundFactory(order=order)
    pages = [f"{ADMIN}/order/{order.pk}/change/", f"{ADMIN}/refund/{refund.pk}/change/"]
    for page in pages:
        assert "field-fee_shown" not in boss.get(page).content.decode()
    FeeFactory(order=order)
    FeeFactory(order=None, refund=refund, fee_e5=-375_000, rate="")
    shown = [boss.get(page).content.decode() for page in pages]
    assert "0.075 CNY · 0.60%" in shown[0]
    assert "-0.0375 CNY" in shown[1]


# --- the CSV


def written(difference: Discrepancy) -> str:
    """Return the file of one difference."""
    page = DiscrepancyAdmin(Discrepancy, admin.site)
    return "".join(csv_lines(page.csv_header(), page.csv_rows([difference])))


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_times_of_the_csv_are_in_the_zone_of_the_site_as_those_of_its_siblings(
    boss: Client, settings: Any
) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    at = datetime(2026, 1, 31, 20, 30, tzinfo=UTC)
    DiscrepancyFactory(resolved=True, resolved_at=at, created_at=at)
    header, row = table(boss.get(f"{DIFFERENCES}/csv/").getvalue().decode())
    assert [row[header.index(name)] for name in ("resolved", "found")] == [
        "2026-02-01T04:30:00+08:00"
    ] * 2


def test_the_csv_has_what_the_filters_find(boss: Client) -> None:
    bill = BillFactory(bill_date=date(2026, 1, 31))
    one = DiscrepancyFactory(bill=bill)
    DiscrepancyFactory(resolved=True)
    page = boss.get(f"{DIFFERENCES}/?status__exact=OPEN").content.decode()
    assert f"{DIFFERENCES}/csv/?status__exact=OPEN" in page
    answer = boss.get(f"{DIFFERENCES}/csv/?status__exact=OPEN")
    assert answer.streaming
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = answer.getvalue().decode()
    assert text.startswith("\ufeff")
    header, row = table(text)
    assert (header[0], len(header)) == ("day", len(row))
    assert row[:2] == ["2026-01-31", "default"]
    assert row[6] == f"'{one.transaction_id}"
    assert "amount: 12.50 CNY" in row[9]
    assert "amount: 12.00 CNY" in row[10]
    assert len(table(boss.get(f"{DIFFERENCES}/csv/").getvalue().decode())) == 3
    nonsense = boss.get(f"{DIFFERENCES}/csv/", {"bill__id__exact": "x"})
    # The list says what is wrong with it.
    assert nonsense["Location"] == f"{DIFFERENCES}/?bill__id__exact=x"


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t1",
        "\r=1",
        "\n=1",
        "  =1",
        "\0=1",
        "＝1+1",
        '=cmd|" /C calc"!A0',
    ],
)
def test_a_cell_that_would_run_is_text(name: str) -> None:
    assert harmless(name) == f"'{name}"
    difference = DiscrepancyFactory(
        resolved=True, note=name.replace("\0", ""), out_trade_no=name.replace("\0", "")
    )
    difference.note = difference.out_trade_no = name
    with translation.override("en"):
        (_, row) = table(written(difference).replace("\0", ""))
    assert row[5].startswith("'")
    assert row[12].startswith("'")


@pytest.mark.parametrize("name", ["", "tea", "1=1", "a-b", "7" * 15, "茶", "a\n=1", '"=1"', ",=1"])
def test_a_cell_that_runs_nowhere_stays_as_it_is(name: str) -> None:
    assert harmless(name) == name


def test_quotes_and_commas_cannot_leave_their_cell() -> None:
    evil = 'a","=1+1",\r\n=2,"'
    difference = DiscrepancyFactory(resolved=True, note=evil)
    rows = table(written(difference))
    assert (len(rows), rows[1][12]) == (2, evil)


def test_many_differences_cost_as_many_queries_as_one(
    boss: Client, django_assert_max_num_queries: Any
) -> None:
    bill = BillFactory()
    DiscrepancyFactory.create_batch(30, bill=bill, missing_here=True)
    with django_assert_max_num_queries(5):
        text = boss.get(f"{DIFFERENCES}/csv/").getvalue().decode()
    assert len(table(text)) == 31
