"""The doctor on bills: what is open, missing or failed, and where the files are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from django_wxpay.models import Bill, Discrepancy
from django_wxpay.services import clock
from django_wxpay.services.doctor import bills as checks
from django_wxpay.services.doctor import diagnosis
from django_wxpay.services.doctor.findings import Finding, Level, Subject
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db

# 12:30 in Beijing.
NOW = datetime(2026, 6, 1, 4, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture(autouse=True)
def _kept_apart(settings: Any, tmp_path: Path) -> None:
    keep_in(settings, str(tmp_path / "bills"))


def keep_in(settings: Any, location: str | None) -> None:
    vault: dict[str, Any] = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    if location is not None:
        vault["OPTIONS"] = {"location": location}
    settings.STORAGES = {**settings.STORAGES, "vault": vault}
    settings.WXPAY = settings.WXPAY | {"BILL_STORAGE": "vault"}


def found(**options: Any) -> list[Finding]:
    findings = diagnosis.diagnose(ask=False, **options)
    return [each for each in findings if each.subject is Subject.BILLS]


def wrong(**options: Any) -> list[tuple[str, Level, str]]:
    return [
        (each.merchant, each.level, each.message)
        for each in found(**options)
        if each.level is not Level.OK
    ]


def bill(**fields: Any) -> Bill:
    values = {"merchant": "default", "mch_id": "1", "kind": "trade", "created_at": NOW}
    return Bill.objects.create(**values | {"bill_date": NOW.date() - timedelta(days=1)} | fields)


def differs(of: Bill, number: str, **fields: Any) -> None:
    values = {"kind": "AMOUNT", "created_at": NOW} | fields
    Discrepancy.objects.create(bill=of, number=number, **values)


def test_all_is_well_where_nothing_was_sold() -> None:
    assert {each.level for each in found()} == {Level.OK}


def test_open_differences_are_counted_by_merchant_with_the_oldest() -> None:
    mine, gone = bill(), bill(merchant="gone")
    differs(mine, "T1", created_at=NOW - timedelta(hours=2))
    differs(mine, "T2")
    differs(mine, "T3", status="RESOLVED", created_at=NOW - timedelta(days=9))
    differs(gone, "T1")
    assert sorted(wrong()) == [
        (
            "default",
            Level.WARNING,
            "2 differences of bills are open, the first since 2026-06-01 10:30 CST.",
        ),
        (
            "gone",
            Level.WARNING,
            "1 difference of bills is open, the first since 2026-06-01 12:30 CST.",
        ),
    ]
    assert [alias for alias, *_ in wrong(merchants=["default"])] == ["default"]


def test_a_day_with_sales_is_missed_from_noon_on(monkeypatch: pytest.MonkeyPatch) -> None:
    order = OrderFactory.create(paid=True, success_time=NOW - timedelta(days=2))
    ((alias, level, message),) = wrong()
    assert (alias, level) == (order.merchant, Level.WARNING)
    assert message == "The bills of 2 days are not compared yet, the first of 2026-05-30."
    assert wrong(merchants=["institution"]) == []
    monkeypatch.setattr(clock, "now", lambda: NOW - timedelta(minutes=21))
    assert "of 1 day " in wrong()[0][2]


def test_bills_that_failed_are_named_with_the_latest_error() -> None:
    bill(status="FAILED", error="OutcomeUnknown: no answer")
    bill(status="FAILED", error="old", bill_date=NOW.date() - timedelta(days=5))
    ((alias, level, message),) = wrong()
    assert (alias, level) == ("default", Level.WARNING)
    assert message == (
        "2 bills could not be fetched, the latest of 2026-05-31: OutcomeUnknown: no answer."
    )


def test_a_storage_that_does_not_exist_is_an_error(settings: Any) -> None:
    settings.WXPAY = settings.WXPAY | {"BILL_STORAGE": "nowhere"}
    ((alias, level, message),) = wrong()
    assert (alias, level) == ("", Level.ERROR)
    assert message.startswith('BILL_STORAGE "nowhere" cannot be used')


def test_a_storage_without_a_folder_is_not_looked_into(settings: Any) -> None:
    backend = "django.core.files.storage.InMemoryStorage"
    settings.STORAGES = {**settings.STORAGES, "vault": {"BACKEND": backend}}
    assert wrong() == []


def test_bills_in_the_current_folder_are_in_order_while_a_site_is_developed(settings: Any) -> None:
    settings.DEBUG = True
    settings.MEDIA_ROOT = ""
    keep_in(settings, None)
    assert wrong() == []


@pytest.mark.parametrize(
    ("root", "words", "is_developed"),
    [
        ("media", "in MEDIA_ROOT", False),
        ("media", "in MEDIA_ROOT", True),
        ("", "current folder", False),
    ],
)
def test_bills_among_the_uploads_are_a_warning(
    settings: Any, tmp_path: Path, root: str, words: str, is_developed: bool
) -> None:
    settings.DEBUG = is_developed
    settings.MEDIA_ROOT = str(tmp_path / root) if root else ""
    keep_in(settings, None)
    ((_, level, message),) = wrong()
    assert level is Level.WARNING
    assert words in message


def test_a_folder_that_cannot_be_written_is_an_error(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    keep_in(settings, str(tmp_path / "file" / "bills"))
    ((_, level, message),) = wrong()
    assert level is Level.ERROR
    assert message.endswith("it cannot be written.")


def test_a_folder_of_somebody_else_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    assert [level for _, level, _ in wrong()] == [Level.ERROR]
