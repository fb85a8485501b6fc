"""``wxpay_bill`` and ``wxpay_reconcile``: what they print, write, and end with."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import CommandError, call_command

from django_wxpay.models import Bill
from django_wxpay.protocol.v2.xml import encode_xml
from django_wxpay.services import clock
from tests.factories import OrderFactory
from tests.selling import mounted
from tests.wechatpay import bills, v2
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db(transaction=True)

HOST: Final = "http://bills.test"
# Noon in Beijing; yesterday is the second.
NOW: Final = datetime(2026, 1, 3, 4, 0, tzinfo=UTC)
MORNING: Final = datetime(2026, 1, 2, 1, 30, tzinfo=UTC)
PAID: Final = bills.paid(商户号=v2.MCH_ID, 应结订单金额="1.00", 订单金额="1.00", 手续费="0.00600")
TEXT: Final = bills.text(PAID).encode()
GOOD: Final = 200, gzip.compress(TEXT)
IDLE: Final = (
    200,
    encode_xml({"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"}),
)
LATE: Final = 200, encode_xml({"return_code": "FAIL", "return_msg": "Bill Creating"})


@pytest.fixture(autouse=True)
def wechat(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ScriptedTransport]:
    files = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "kept")},
    }
    settings.STORAGES = {**settings.STORAGES, "default": files}
    entry = {"APPID": v2.APPID, "MCH_ID": v2.MCH_ID, "API_KEY": v2.API_KEY, "HOSTS": [HOST]}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": entry, "other": entry | {"MCH_ID": "1900000777"}},
    }
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with mounted(ScriptedTransport(GOOD), HOST) as scripted:
        yield scripted


def sold(**fields: Any) -> None:
    values = {
        "paid": True,
        "mch_id": v2.MCH_ID,
        "out_trade_no": PAID["商户订单号"],
        "transaction_id": PAID["微信订单号"],
        "total_fee": 100,
        "success_time": MORNING,
    }
    OrderFactory.create(**values | fields)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def failed(*arguments: str) -> tuple[int, str, str]:
    """Return the exit code, the message, and what was printed before it."""
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(*arguments, stdout=out, stderr=err)
    return caught.value.returncode, str(caught.value), out.getvalue() + err.getvalue()


# wxpay_bill


def test_yesterdays_bill_is_fetched_and_kept() -> None:
    said = run("wxpay_bill")
    bill = Bill.objects.get()
    assert said == f"default 2026-01-02 trade: 1 rows, {bill.file}\n"


def test_the_text_is_written_to_a_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "out" / "bill.csv"
    target.parent.mkdir()
    target.write_text("what was there before")
    run("wxpay_bill", "--date", "2026-01-02", "--output", str(target))
    assert target.read_bytes() == TEXT
    assert [each.name for each in target.parent.iterdir()] == ["bill.csv"]


def test_the_text_goes_to_stdout_and_the_counts_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw, err = BytesIO(), StringIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(raw, encoding="utf-8"))
    call_command("wxpay_bill", "--output", "-", stderr=err)
    assert raw.getvalue() == TEXT
    assert "1 rows" in err.getvalue()


def test_an_idle_day_is_said_and_writes_nothing(wechat: ScriptedTransport, tmp_path: Path) -> None:
    wechat.script = [IDLE]
    target = tmp_path / "bill.csv"
    assert run("wxpay_bill", "--output", str(target)) == (
        "default 2026-01-02 trade: no business that day\n"
    )
    assert not target.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    code, message, _ = failed("wxpay_bill", "--output", str(tmp_path / "nowhere" / "bill.csv"))
    assert (code, "nowhere/bill.csv cannot be written: No such file" in message) == (1, True)


def test_a_bill_that_breaks_off_is_not_written(tmp_path: Path) -> None:
    run("wxpay_bill")
    (tmp_path / "kept" / Bill.objects.get().file).write_bytes(GOOD[1][:-9])
    target = tmp_path / "out" / "bill.csv"
    target.parent.mkdir()
    assert "broken or cut" in failed("wxpay_bill", "--output", str(target))[1]
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--date", "2026-01-03"], "not over in Beijing"),
        (["--date", "tomorrow"], "is not a day"),
        (["--merchant", "nobody"], 'no merchant "nobody"'),
        (["--sub-mch-id", "1900000109"], "sub_mch_id"),
    ],
)
def test_a_bill_that_there_cannot_be_is_refused(
    wechat: ScriptedTransport, arguments: list[str], words: str
) -> None:
    code, message, _ = failed("wxpay_bill", *arguments)
    assert (code, words in message) == (2, True), message
    assert wechat.requests == []


def test_a_bill_that_is_not_ready_ends_with_1(wechat: ScriptedTransport) -> None:
    wechat.script = [LATE]
    code, message, _ = failed("wxpay_bill")
    assert (code, "not made yet" in message) == (1, True), message


# wxpay_reconcile


def test_a_day_that_agrees_is_a_line() -> None:
    sold()
    assert run("wxpay_reconcile", "--merchant", "default") == (
        "default 2026-01-02: 1 compared, 0 asked for, 0 new, 0 gone, 0 open\n"
    )


def test_an_open_difference_is_printed_and_ends_with_1(wechat: ScriptedTransport) -> None:
    sold(total_fee=250)
    wechat.answers["/pay/orderquery"] = 502, b""
    code, message, said = failed("wxpay_reconcile", "--merchant", "default")
    assert (code, message) == (1, "1 difference is open, 0 bills could not be compared")
    assert said.splitlines()[0].endswith("1 new, 0 gone, 1 open")
    assert f"  AMOUNT {PAID['商户订单号']}: " in said
    assert failed("wxpay_reconcile", "--date", "2026-01-02", "--merchant", "default")[0] == 1


def test_the_last_days_are_fetched_the_oldest_first(wechat: ScriptedTransport) -> None:
    wechat.script = [IDLE]
    said = run("wxpay_reconcile", "--days", "2").splitlines()
    assert [line.split(":")[0] for line in said] == [
        "default 2026-01-01",
        "default 2026-01-02",
        "other 2026-01-01",
        "other 2026-01-02",
    ]


def test_a_bill_that_does_not_come_keeps_no_other_waiting(wechat: ScriptedTransport) -> None:
    wechat.script = [LATE, IDLE]
    code, message, said = failed("wxpay_reconcile")
    assert (code, message) == (1, "0 differences are open, 1 bill could not be compared")
    assert "default 2026-01-02: the bill of 2026-01-02 is not made yet" in said
    assert "other 2026-01-02: 0 compared" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--days", "0"], "1 or more"),
        (["--date", "2026-1-2"], "is not a day"),
        (["--merchant", "nobody"], 'no merchant "nobody"'),
    ],
)
def test_what_cannot_be_compared_is_said(arguments: list[str], words: str) -> None:
    code, message, _ = failed("wxpay_reconcile", *arguments)
    assert (code, words in message) == (2, True), message


def test_a_day_and_a_number_of_days_exclude_each_other() -> None:
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("wxpay_reconcile", "--date=2026-01-02", "--days=3")
