"""Bills and differences over HTTP."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from rest_framework.test import APIClient

from django_wxpay import services
from django_wxpay.exceptions import (
    BillNotReady,
    BillStorageError,
    InvalidBill,
    InvalidParameter,
    OutcomeUnknown,
)
from django_wxpay.models import Bill, Discrepancy
from tests.api.conftest import API
from tests.factories import BillFactory, DiscrepancyFactory

pytestmark = pytest.mark.django_db
TEXT = "交易时间,公众账号ID\n`2026-01-01 08:00:00,`wx8888888888888888\n".encode()


@pytest.fixture(autouse=True)
def in_memory(settings: Any) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = settings.STORAGES | {"default": memory}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stand in for the services that go to WeChat Pay, and keep what they were asked for."""
    calls: list[Any] = []

    def download(merchant: str, **asked: Any) -> Bill:
        calls.append((merchant, asked))
        bill, _ = Bill.objects.get_or_create(
            merchant=merchant,
            kind=asked["kind"],
            bill_date=asked["bill_date"],
            account_type="" if asked["kind"] == "trade" else asked["account_type"],
            defaults={
                "mch_id": "1900000109",
                "status": "DOWNLOADED",
                "created_at": "2026-01-02T02:00Z",
            },
        )
        bill.refresh_from_db()
        return bill

    def reconcile(bill: Bill) -> Any:
        calls.append(bill)
        counts = {"compared": 3, "asked": 1, "fees": 2, "opened": 1, "gone": 0, "open": 1}
        return SimpleNamespace(bill=bill, **counts)

    monkeypatch.setattr(services, "download_bill", download)
    monkeypatch.setattr(services, "reconcile", reconcile)
    return calls


def test_a_bill_is_fetched_once_and_answered_again(
    as_holder: Callable[..., APIClient], asked: list[Any]
) -> None:
    client = as_holder("add_bill")
    posted = {"merchant": "default", "bill_date": "2026-01-01", "kind": "trade"}
    first = client.post(f"{API}/bills/", posted)
    again = client.post(f"{API}/bills/", posted)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["status"] == "DOWNLOADED"
    wanted = {"bill_date": date(2026, 1, 1), "kind": "trade", "account_type": "BASIC"}
    assert asked == [("default", wanted)] * 2
    flow = client.post(f"{API}/bills/", posted | {"kind": "fundflow", "account_type": "FEES"})
    assert (flow.status_code, flow.json()["account_type"]) == (201, "FEES")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("merchant", "nobody"),
        ("bill_date", "yesterday"),
        ("bill_date", "2026-02-30"),
        ("bill_date", "20260101"),
        ("bill_date", 20260101),
        ("bill_date", "0001-01-01"),
        ("bill_date", "２０２６-01-01"),
        ("kind", "gold"),
        ("account_type", "gold"),
        ("sub_mch_id", "1"),
    ],
)
def test_nonsense_is_a_400_and_nothing_is_asked_for(
    as_holder: Callable[..., APIClient], asked: list[Any], field: str, value: Any
) -> None:
    posted = {"bill_date": "2026-01-01", field: value}
    answer = as_holder("add_bill").post(f"{API}/bills/", posted)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert asked == []


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BillNotReady("not yet"), 409, "not_ready"),
        (BillStorageError("full"), 503, "bill_storage"),
        (InvalidBill("is cut", file="a.csv", line=7, column="总金额"), 502, "invalid_bill"),
        (OutcomeUnknown("silence"), 504, "outcome_unknown"),
        (InvalidParameter("bill_date", "is in the future"), 400, "invalid"),
    ],
)
def test_the_class_of_an_error_decides_its_answer(
    as_holder: Callable[..., APIClient],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    code: str,
) -> None:
    def download(*_args: Any, **_kwargs: Any) -> Bill:
        raise error

    monkeypatch.setattr(services, "download_bill", download)
    answer = as_holder("add_bill").post(f"{API}/bills/", {"bill_date": "2026-01-01"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if code == "invalid_bill":
        assert (answer.json()["line"], answer.json()["column"]) == (7, "总金额")


def test_a_bill_is_shown_without_the_place_of_its_file(as_holder: Callable[..., APIClient]) -> None:
    bill = BillFactory()
    shown = as_holder("view_bill").get(f"{API}/bills/{bill.pk}/").json()
    assert shown["totals"]["CNY"]["paid"] == 2500
    assert (shown["bill_date"], shown["kind"]) == (f"{bill.bill_date}", "trade")
    assert "file" not in shown
    assert bill.file not in str(shown)


def test_bills_are_listed_by_their_days_and_filtered(as_holder: Callable[..., APIClient]) -> None:
    client = as_holder("view_bill")
    days = [date(2026, 1, day) for day in (2, 3, 1)]
    second, third, first = (BillFactory(bill_date=day) for day in days)
    other = BillFactory(merchant="other", bill_date=days[0], empty=True)
    flow = BillFactory(kind="fundflow", account_type="BASIC", bill_date=days[0])
    page = client.get(f"{API}/bills/", {"page_size": 2}).json()
    found = [row["id"] for row in page["results"]]
    while page["next"]:
        page = client.get(page["next"]).json()
        found += [row["id"] for row in page["results"]]
    assert found == [third.pk, flow.pk, other.pk, second.pk, first.pk]
    for query, expected in [
        ({"merchant": "other"}, [other]),
        ({"kind": "fundflow"}, [flow]),
        ({"status": "EMPTY"}, [other]),
        ({"bill_date": "2026-01-03"}, [third]),
        ({"bill_date": "2026-01-04"}, []),
    ]:
        results = client.get(f"{API}/bills/", query).json()["results"]
        assert [row["id"] for row in results] == [bill.pk for bill in expected]
    for name, value in [("bill_date", "x"), ("bill_date", "2026-1-1"), ("status", "OK")]:
        answer = client.get(f"{API}/bills/", {name: value})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])


def test_the_original_file_is_streamed(as_holder: Callable[..., APIClient]) -> None:
    packed = gzip.compress(TEXT * 10_000)
    bill = BillFactory(bill_date=date(2026, 1, 1), file="b.csv.gz")
    storages["default"].save("b.csv.gz", ContentFile(packed))
    answer = as_holder("view_bill").get(f"{API}/bills/{bill.pk}/download/")
    assert answer.status_code == 200
    assert answer.streaming
    assert gzip.decompress(answer.getvalue()) == TEXT * 10_000
    assert answer["Content-Type"] == "application/gzip"
    name = "2026-01-01-1900000109-trade.csv.gz"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert "Content-Encoding" not in answer


@pytest.mark.parametrize("accept", ["*/*", "application/gzip", "application/json"])
def test_a_file_that_is_not_there_is_an_error_in_json(
    as_holder: Callable[..., APIClient], accept: str
) -> None:
    client = as_holder("view_bill")
    for bill, status, code in [
        (BillFactory(empty=True), 404, "not_found"),
        (BillFactory(file="gone.csv.gz"), 503, "bill_storage"),
        (BillFactory(file="../../etc/passwd"), 503, "bill_storage"),
    ]:
        answer = client.get(f"{API}/bills/{bill.pk}/download/", HTTP_ACCEPT=accept)
        assert answer.status_code == status
        assert answer["Content-Type"] == "application/json"
        assert answer.json()["code"] == code


def test_a_bill_is_compared_again(as_holder: Callable[..., APIClient], asked: list[Any]) -> None:
    bill = BillFactory()
    answer = as_holder("change_bill").post(f"{API}/bills/{bill.pk}/reconcile/")
    assert answer.status_code == 200
    assert answer.json()["bill"]["id"] == bill.pk
    assert [answer.json()[name] for name in ("compared", "asked", "opened", "open")] == [3, 1, 1, 1]
    assert asked == [bill]


def test_differences_are_shown_with_both_sides_and_filtered(
    as_holder: Callable[..., APIClient],
) -> None:
    client = as_holder("view_discrepancy")
    amount, missing = DiscrepancyFactory(), DiscrepancyFactory(missing_here=True)
    refund = DiscrepancyFactory(refund=True, resolved=True)
    shown = client.get(f"{API}/discrepancies/{amount.pk}/").json()
    assert (shown["ours"]["total_fee"], shown["theirs"]["total_fee"]) == (1250, 1200)
    assert shown["local_order"] == amount.local_order_id
    assert client.get(f"{API}/discrepancies/{missing.pk}/").json()["ours"] is None
    for query, expected in [
        ({}, [refund, missing, amount]),
        ({"status": "OPEN"}, [missing, amount]),
        ({"kind": "MISSING_HERE"}, [missing]),
        ({"bill": amount.bill_id}, [amount]),
        ({"out_trade_no": amount.out_trade_no}, [amount]),
        ({"transaction_id": missing.transaction_id}, [missing]),
        ({"out_refund_no": refund.out_refund_no}, [refund]),
        ({"refund_id": refund.refund_id}, [refund]),
        ({"created_after": refund.created_at.isoformat()}, [refund]),
    ]:
        results = client.get(f"{API}/discrepancies/", query).json()["results"]
        assert [row["id"] for row in results] == [row.pk for row in expected], query


def test_a_difference_is_resolved_with_a_note_and_a_name(
    as_holder: Callable[..., APIClient],
) -> None:
    difference = DiscrepancyFactory()
    client = as_holder("change_discrepancy")
    address = f"{API}/discrepancies/{difference.pk}/resolve/"
    for note in ("", "x" * 501, 5, None):
        answer = client.post(address, {"note": note})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["note"])
    assert not Discrepancy.objects.filter(status="RESOLVED").exists()
    answer = client.post(address, {"note": "Paid back by hand."})
    assert (answer.status_code, answer.json()["status"]) == (200, "RESOLVED")
    difference.refresh_from_db()
    assert (difference.note, difference.resolution) == ("Paid back by hand.", "PERSON")
    assert difference.resolved_by.startswith("person")


def test_the_bills_of_one_day_are_all_listed_however_many_merchants_there_are(
    as_holder: Callable[..., APIClient],
) -> None:
    day = date(2026, 1, 1)
    rows = [BillFactory.build(bill_date=day, merchant=f"shop-{n}") for n in range(1100)]
    made = {bill.merchant for bill in Bill.objects.bulk_create(rows)}
    client = as_holder("view_bill")
    seen: list[str] = []
    address = f"{API}/bills/?page_size=200"
    while address:
        page = client.get(address).json()
        seen += [bill["merchant"] for bill in page["results"]]
        address = page["next"]
    assert len(seen) == 1100
    assert set(seen) == made


@pytest.mark.parametrize("user", [None, SimpleNamespace(is_authenticated=True, pk=1)])
def test_a_caller_that_is_no_user_of_the_site_may_resolve_where_the_site_lets_it(
    settings: Any, user: Any
) -> None:
    everybody = ["rest_framework.permissions.AllowAny"]
    settings.WXPAY = settings.WXPAY | {"API_PERMISSION_CLASSES": everybody}
    difference = DiscrepancyFactory()
    client = APIClient()
    client.force_authenticate(user, token="of a till")
    address = f"{API}/discrepancies/{difference.pk}/resolve/"
    answer = client.post(address, {"note": "looked"}, format="json")
    assert (answer.status_code, answer.json().get("status")) == (200, "RESOLVED")
    assert answer.json()["resolved_by"] == ""
