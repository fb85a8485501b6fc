"""Bills downloaded: kept whole and readable, once, or said to be missing and why."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.files.storage import FileSystemStorage, InMemoryStorage
from django.db import transaction

from django_wxpay import services
from django_wxpay.exceptions import (
    BadAnswer,
    BillNotReady,
    BillStorageError,
    InsideTransaction,
    InvalidBill,
    InvalidParameter,
    OutcomeUnknown,
    Refused,
    UnknownMerchant,
)
from django_wxpay.models import Bill, Discrepancy
from django_wxpay.protocol.v2.xml import encode_xml
from django_wxpay.services import clock
from django_wxpay.services.bills import storage
from django_wxpay.services.bills.reading import bill_text
from tests.selling import mounted
from tests.tables import connection
from tests.wechatpay import bills, v2
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db(transaction=True)

HOST: Final = "http://bills.test"
# Noon in Beijing on the day after.
NOW: Final = datetime(2026, 1, 3, 4, 0, tzinfo=UTC)
DAY: Final = date(2026, 1, 2)
TEXT: Final = bills.text(bills.paid(), bills.refunded()).encode()
GOOD: Final = 200, gzip.compress(TEXT, mtime=0)


def no(message: str) -> tuple[int, bytes]:
    return 200, encode_xml({"return_code": "FAIL", "return_msg": message})


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def move(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    move(NOW)
    return move


@pytest.fixture
def wechat(settings: Any, now: Callable[[datetime], None]) -> Iterator[ScriptedTransport]:
    entry = {"APPID": v2.APPID, "MCH_ID": v2.MCH_ID, "API_KEY": v2.API_KEY, "HOSTS": [HOST]}
    institution = entry | {"MODE": "institutional", "SUB_MCH_ID": "1900000109"}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": entry, "sp": institution},
    }
    with mounted(ScriptedTransport(GOOD), HOST) as scripted:
        yield scripted


@pytest.fixture
def files(tmp_path: Path) -> Callable[[], set[str]]:
    def named() -> set[str]:
        return {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()}

    return named


def test_a_bill_is_kept_as_it_came(
    wechat: ScriptedTransport, files: Callable[[], set[str]]
) -> None:
    bill = services.download_bill(bill_date=DAY)
    assert (bill.status, bill.row_count, bill.error) == ("DOWNLOADED", 2, "")
    assert bill.sha1 == hashlib.sha1(TEXT, usedforsecurity=False).hexdigest()
    assert bill.totals == {
        "CNY": {"payments": 1, "paid": 600, "refunds": 1, "refunded": 150, "fees_e5": 300_000}
    }
    assert bill.file == f"wxpay/bills/default/{v2.MCH_ID}-2026-01-02-trade.csv.gz"
    assert files() == {bill.file}
    assert b"".join(bill_text(bill)) == TEXT
    assert [row.line for row in services.bill_rows(bill)] == [2, 3]
    assert str(bill) == "default 2026-01-02 trade"


def test_a_bill_that_was_fetched_is_not_fetched_again(wechat: ScriptedTransport) -> None:
    first = services.download_bill(bill_date=DAY)
    assert services.download_bill("default", bill_date="2026-01-02") == first
    assert len(wechat.requests) == 1
    assert Bill.objects.count() == 1


def test_a_bill_that_is_kept_outlives_the_months_of_wechat_pay(
    wechat: ScriptedTransport, now: Callable[[datetime], None]
) -> None:
    bill = services.download_bill(bill_date=DAY)
    now(NOW + timedelta(days=400))
    assert services.download_bill(bill_date=DAY) == bill
    with pytest.raises(InvalidParameter, match="too long ago"):
        services.download_bill(bill_date=DAY, kind="fundflow")


def test_each_kind_and_account_has_its_own_bill(wechat: ScriptedTransport) -> None:
    flow = (
        "记账时间,资金流水单号,收支类型,收支金额（元）\n`2026-01-02 08:00:00,`F1,`收入,`6.00\n"
        "资金流水总笔数\n`1.0"
    )
    wechat.answers["/pay/downloadfundflow"] = 200, flow.encode()
    trade = services.download_bill(bill_date=DAY)
    basic, fees = (
        services.download_bill(bill_date=DAY, kind="fundflow", account_type=account)
        for account in ("BASIC", "FEES")
    )
    assert len({trade.pk, basic.pk, fees.pk}) == 3
    assert fees.file.endswith("2026-01-02-fundflow-fees.csv.gz")
    (row,) = services.bill_rows(basic)
    assert row.amount == 600
    assert basic.totals["CNY"]["paid"] == 600


def test_an_institution_has_bills_of_its_sub_merchants(wechat: ScriptedTransport) -> None:
    bill = services.download_bill("sp", bill_date=DAY, sub_mch_id="1900000200")
    assert bill.sub_mch_id == "1900000200"
    assert bill.file.endswith("-trade-1900000200.csv.gz")


def test_a_day_without_business_is_a_bill_without_a_file(wechat: ScriptedTransport) -> None:
    wechat.script = [no("No Bill Exist")]
    bill = services.download_bill(bill_date=DAY)
    assert (bill.status, bill.file) == ("EMPTY", "")
    assert list(services.bill_rows(bill)) == []
    assert services.download_bill(bill_date=DAY) == bill
    assert len(wechat.requests) == 1


def test_a_bill_that_is_not_ready_is_asked_for_later(
    wechat: ScriptedTransport, now: Callable[[datetime], None]
) -> None:
    wechat.script = [no("Bill Creating"), GOOD]
    with pytest.raises(BillNotReady):
        services.download_bill(bill_date=DAY)
    bill = Bill.objects.get()
    assert (bill.status, bill.tries) == ("PENDING", 1)
    assert bill.next_try_at == NOW + timedelta(minutes=30)
    assert bill.error.startswith("BillNotReady: the bill of 2026-01-02 is not made yet")
    with pytest.raises(InvalidParameter, match="has no file"):
        services.bill_rows(bill)
    bill = services.download_bill(bill_date=DAY)
    assert (bill.status, bill.tries, bill.error, bill.next_try_at) == ("DOWNLOADED", 2, "", None)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, GOOD[1][:-5]), BadAnswer),
        ((502, b""), OutcomeUnknown),
        (no("SIGN ERROR"), Refused),
        ((200, gzip.compress(TEXT[:-40])), InvalidBill),
        ((200, gzip.compress(TEXT.replace(b"6.00", b"1e5"))), InvalidBill),
    ],
)
def test_a_bill_that_cannot_be_used_leaves_nothing_behind_and_is_tried_again(
    wechat: ScriptedTransport, files: Callable[[], set[str]], answer: Any, error: type[Exception]
) -> None:
    wechat.script = [answer]
    with pytest.raises(error):
        services.download_bill(bill_date=DAY)
    bill = Bill.objects.get()
    assert (bill.status, bill.file, bill.claimed_until) == ("FAILED", "", None)
    assert bill.error.startswith(error.__name__)
    assert files() == set()
    wechat.script = [GOOD]
    assert services.download_bill(bill_date=DAY).status == "DOWNLOADED"
    assert files() == {Bill.objects.get().file}


def test_an_unreadable_bill_names_file_line_and_column(wechat: ScriptedTransport) -> None:
    wechat.script = [(200, gzip.compress(TEXT.replace(b"`6.00", b"`NaN")))]
    with pytest.raises(InvalidBill) as error:
        services.download_bill(bill_date=DAY)
    assert str(error.value).startswith(
        f"wxpay/bills/default/{v2.MCH_ID}-2026-01-02-trade.csv.gz, line 2, column "
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"bill_date": "2026-01-03"},
        {"bill_date": "2025-09-01"},
        {"bill_date": "20260102"},
        {"bill_date": "2026-W01-5"},
        {"bill_date": "yesterday"},
        {"bill_date": "2026-13-01"},
        {"bill_date": NOW},
        {"bill_date": None},
        {"bill_date": 5},
        {"bill_date": DAY, "kind": "settlement"},
        {"bill_date": DAY, "kind": None},
        {"bill_date": DAY, "kind": "fundflow", "account_type": "Basic"},
        {"bill_date": DAY, "sub_mch_id": "1900000109"},
        {"merchant": "sp", "bill_date": DAY, "sub_mch_id": "../../etc"},
    ],
)
def test_what_there_is_no_bill_of_is_refused_without_a_row_or_a_call(
    wechat: ScriptedTransport, arguments: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter):
        services.download_bill(**arguments)
    assert (Bill.objects.count(), wechat.requests) == (0, [])


def test_nothing_is_fetched_for_a_stranger_or_inside_a_transaction(
    wechat: ScriptedTransport,
) -> None:
    with pytest.raises(UnknownMerchant):
        services.download_bill("nobody", bill_date=DAY)
    with transaction.atomic(using=connection.alias), pytest.raises(InsideTransaction):
        services.download_bill(bill_date=DAY)


def test_a_bill_that_another_process_fetches_is_left_to_it(
    wechat: ScriptedTransport, now: Callable[[datetime], None]
) -> None:
    wechat.script = [no("Bill Creating"), GOOD]
    with pytest.raises(BillNotReady):
        services.download_bill(bill_date=DAY)
    Bill.objects.update(claimed_until=NOW + timedelta(minutes=5))
    with pytest.raises(BillNotReady, match="another process"):
        services.download_bill(bill_date=DAY)
    now(NOW + timedelta(minutes=6))
    assert services.download_bill(bill_date=DAY).status == "DOWNLOADED"


def test_a_bill_that_another_process_has_fetched_meanwhile_is_returned(
    wechat: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_wxpay.services.bills import downloading

    def beaten(*_: Any, **__: Any) -> int:
        Bill.objects.update(status="EMPTY")
        return 0

    monkeypatch.setattr(downloading, "claim", beaten)
    assert services.download_bill(bill_date=DAY).status == "EMPTY"
    assert wechat.requests == []


@pytest.mark.parametrize("answer", [GOOD, no("No Bill Exist"), (200, b"<html>")])
def test_a_process_that_lost_its_claim_says_nothing_of_what_another_has_fetched(
    wechat: ScriptedTransport, answer: tuple[int, bytes]
) -> None:
    def fetched_by_another(_sent: Any) -> tuple[int, bytes]:
        Bill.objects.update(status="RECONCILED", claimed_until=None, file="theirs", tries=1)
        return answer

    wechat.script = [fetched_by_another]
    with suppress(BillNotReady, BadAnswer):
        assert services.download_bill(bill_date=DAY).status == "RECONCILED"

    bill = Bill.objects.get()
    assert (bill.status, bill.file, bill.tries, bill.error) == ("RECONCILED", "theirs", 1, "")


class Full(FileSystemStorage):
    """A disk that takes nothing."""

    def save(self, *_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device")


class Remote(InMemoryStorage):
    """A storage without paths, as those of clouds are."""


class BreaksInTheMiddle(Remote):
    def save(self, name: Any, content: Any, max_length: Any = None) -> str:
        super().save(name, content, max_length)
        raise ConnectionError


def use(settings: Any, backend: type, **options: Any) -> None:
    path = f"{backend.__module__}.{backend.__qualname__}"
    entry = {"BACKEND": path, "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": entry}


def test_a_storage_without_paths_keeps_a_bill_as_well(
    wechat: ScriptedTransport, settings: Any
) -> None:
    use(settings, Remote)
    assert type(storage.bill_storage()).__name__ == "Remote"
    bill = services.download_bill(bill_date=DAY)
    assert storage.exists(bill)
    assert len(list(services.bill_rows(bill))) == 2


@pytest.mark.parametrize("backend", [Full, BreaksInTheMiddle])
def test_a_storage_that_fails_is_named_and_keeps_no_half(
    wechat: ScriptedTransport,
    settings: Any,
    tmp_path: Path,
    files: Callable[[], set[str]],
    backend: type,
) -> None:
    use(settings, backend, **({"location": str(tmp_path)} if backend is Full else {}))
    with pytest.raises(BillStorageError, match=r"trade.csv.gz: (OSError|Connection)"):
        services.download_bill(bill_date=DAY)
    bill = Bill.objects.get()
    assert (bill.status, bill.file) == ("FAILED", "")
    assert files() == set()
    if backend is BreaksInTheMiddle:
        assert not storage.bill_storage().exists(storage.name_of(bill))


def test_a_folder_that_cannot_be_written_is_named(
    wechat: ScriptedTransport, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "wxpay").write_text("a file where a folder should be")
    with pytest.raises(BillStorageError, match="the storage does not work for wxpay/bills"):
        services.download_bill(bill_date=DAY)
    assert Bill.objects.get().status == "FAILED"
    assert wechat.requests == []


def test_an_alias_that_is_no_storage_is_named(wechat: ScriptedTransport, settings: Any) -> None:
    settings.WXPAY = settings.WXPAY | {"BILL_STORAGE": "vault"}
    with pytest.raises(BillStorageError, match='BILL_STORAGE "vault"'):
        services.download_bill(bill_date=DAY)


def test_a_bill_whose_storage_is_gone_cannot_be_read(
    wechat: ScriptedTransport, settings: Any
) -> None:
    bill = services.download_bill(bill_date=DAY)
    settings.WXPAY = settings.WXPAY | {"BILL_STORAGE": "vault"}
    for read in (bill_text, storage.bill_file):
        with pytest.raises(BillStorageError, match='BILL_STORAGE "vault"'):
            list(read(bill))


def test_the_original_file_is_given_back_under_a_plain_name(wechat: ScriptedTransport) -> None:
    bill = services.download_bill(bill_date=DAY)
    assert b"".join(storage.bill_file(bill)) == GOOD[1]
    assert storage.file_name(bill) == f"2026-01-02-{v2.MCH_ID}-trade.csv.gz"
    bill.kind, bill.account_type = "fundflow", "FEES"
    assert storage.file_name(bill) == f"2026-01-02-{v2.MCH_ID}-fundflow-FEES.csv.gz"


def test_a_name_that_leaves_its_folder_is_refused(wechat: ScriptedTransport) -> None:
    bill = services.download_bill(bill_date=DAY)
    bill.merchant = "../../../etc"
    with (
        pytest.raises(BillStorageError, match="cannot be stored"),
        storage.new_file(storage.name_of(bill)),
    ):
        pass


def test_what_a_process_left_that_died_is_replaced(
    wechat: ScriptedTransport, tmp_path: Path, files: Callable[[], set[str]]
) -> None:
    left = tmp_path / f"wxpay/bills/default/{v2.MCH_ID}-2026-01-02-trade.csv.gz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    bill = services.download_bill(bill_date=DAY)
    assert files() == {bill.file}
    assert left.read_bytes() == GOOD[1]


def test_a_disk_that_fills_while_the_file_comes_is_named(
    wechat: ScriptedTransport, monkeypatch: pytest.MonkeyPatch, files: Callable[[], set[str]]
) -> None:
    def full(sink: Any, data: bytes) -> None:
        with storage._storing("bill"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.FileSink, "write", full)
    with pytest.raises(BillStorageError, match="No space left"):
        services.download_bill(bill_date=DAY)
    assert files() == set()


@pytest.mark.parametrize(
    "data", [b"", b"no gzip", GOOD[1][:30], GOOD[1][:-3]], ids=["empty", "other", "head", "cut"]
)
def test_a_file_that_was_spoilt_in_its_storage_is_found_out(
    wechat: ScriptedTransport, tmp_path: Path, data: bytes
) -> None:
    bill = services.download_bill(bill_date=DAY)
    (tmp_path / bill.file).write_bytes(data)
    with pytest.raises(InvalidBill):
        list(services.bill_rows(bill))


def test_a_file_that_is_gone_is_named(wechat: ScriptedTransport, tmp_path: Path) -> None:
    bill = services.download_bill(bill_date=DAY)
    (tmp_path / bill.file).unlink()
    assert not storage.exists(bill)
    with pytest.raises(BillStorageError, match=bill.file):
        list(services.bill_rows(bill))


def test_a_disk_that_breaks_while_a_file_is_read_is_named(wechat: ScriptedTransport) -> None:
    from django_wxpay.services.bills.reading import unpacked

    class Broken:
        def read(self, *_: Any) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(BillStorageError, match=r"bill.gz cannot be read"):
        list(unpacked(Broken(), "bill.gz"))


# Resolving


@pytest.fixture
def difference(wechat: ScriptedTransport) -> Discrepancy:
    bill = services.download_bill(bill_date=DAY)
    return Discrepancy.objects.create(
        bill=bill, kind="MISSING_HERE", number="T1", theirs={"amount": 600}, created_at=NOW
    )


def test_a_person_resolves_a_difference_with_a_note(difference: Discrepancy) -> None:
    resolved = services.resolve_discrepancy(difference, note=" sold by hand ", by="ada")
    assert (resolved.status, resolved.resolution) == ("RESOLVED", "PERSON")
    assert (resolved.note, resolved.resolved_by, resolved.resolved_at) == (
        "sold by hand",
        "ada",
        NOW,
    )
    with pytest.raises(InvalidParameter, match="already"):
        services.resolve_discrepancy(difference, note="again", by="bob")
    difference.refresh_from_db()
    assert difference.resolved_by == "ada"


@pytest.mark.parametrize("note", ["", "  ", "x" * 501])
def test_a_note_is_needed(difference: Discrepancy, note: str) -> None:
    with pytest.raises(InvalidParameter, match="note"):
        services.resolve_discrepancy(difference, note=note, by="ada")
    difference.refresh_from_db()
    assert difference.status == "OPEN"
