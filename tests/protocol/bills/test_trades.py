"""Trade bills read: by the names of columns, to the minor unit, or refused with line and column."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import pickle
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.exceptions import InvalidBill
from django_wxpay.protocol.bills import trades
from django_wxpay.protocol.bills.rows import BillEntry, BillRow, CurrencyTotals
from django_wxpay.protocol.bills.trades import TradeBillReader
from django_wxpay.protocol.times import BEIJING
from tests.laws.source import ROOT
from tests.wechatpay import bills
from tests.wechatpay.bills import ALL, OLD, paid, refunded

NAME: Final = "2026-11-01.csv.gz"


def reader(text: str | bytes, size: int = 1 << 16) -> TradeBillReader:
    data = text.encode() if isinstance(text, str) else text
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return TradeBillReader(pieces, name=NAME)


def rows(text: str | bytes) -> list[BillRow]:
    return list(reader(text).rows())


def entries(text: str | bytes, size: int = 1 << 16) -> list[BillEntry]:
    return list(reader(text, size).entries())


def refused(text: str | bytes) -> InvalidBill:
    with pytest.raises(InvalidBill) as whole:
        rows(text)
    with pytest.raises(InvalidBill) as compared:
        entries(text)
    assert str(whole.value) == str(compared.value)
    assert whole.value.file == NAME
    return whole.value


def test_a_payment_is_read_whole() -> None:
    (row,) = rows(bills.text(paid(设备号="till-1", 商户数据包="A-17", 费率备注="new")))
    assert row == BillRow(
        line=2,
        trade_time=datetime(2026, 11, 1, 8, 35, 41, tzinfo=BEIJING),
        appid="wxd930ea5d5a258f4f",
        mch_id="10000100",
        device_info="till-1",
        transaction_id="4200000000202611010000000001",
        out_trade_no="T20261101000001",
        openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        trade_type="JSAPI",
        trade_state="SUCCESS",
        bank_type="OTHERS",
        fee_type="CNY",
        total_fee=600,
        settlement_total_fee=600,
        coupon_fee=0,
        refund_fee=0,
        settlement_refund_fee=0,
        coupon_refund_fee=0,
        body="test",
        attach="A-17",
        fee=Decimal("4.00000"),
        fee_currency="CNY",
        rate="0.60%",
        rate_note="new",
    )


def test_a_refund_is_read_whole() -> None:
    (row,) = rows(bills.text(refunded()))
    assert (row.out_refund_no, row.refund_id) == ("R20261101000001", "50000000002026110100000001")
    assert (row.refund_fee, row.settlement_refund_fee, row.fee) == (150, 150, Decimal("-1.00000"))
    assert (row.refund_type, row.refund_status) == ("ORIGINAL", "SUCCESS")


def test_what_is_compared_and_the_totals_of_the_file() -> None:
    reading = reader(bills.text(paid(), refunded(), paid(交易状态="REVOKED", 商户订单号="T2")))
    assert list(reading.entries()) == [
        BillEntry(
            2, "T20261101000001", "4200000000202611010000000001", "", "", "",
            "SUCCESS", "", "CNY", 600, 400_000, "0.60%", "CNY",
        ),
        BillEntry(
            3, "T20261101000001", "4200000000202611010000000001", "R20261101000001",
            "50000000002026110100000001", "", "REFUND", "SUCCESS",
            "CNY", 150, -100_000, "0.60%", "CNY",
        ),
        BillEntry(
            4, "T2", "4200000000202611010000000001", "", "", "",
            "REVOKED", "", "CNY", 600, 400_000, "0.60%", "CNY",
        ),
    ]  # fmt: skip
    assert reading.row_count == 3
    assert reading.totals == {
        "CNY": CurrencyTotals(payments=1, paid=600, refunds=1, refunded=150, fees_e5=700_000)
    }


def test_columns_are_found_by_name_wherever_they_stand() -> None:
    expected = rows(bills.text(paid(), refunded()))
    turned = list(reversed(ALL))
    assert rows(bills.text(paid(), refunded(), header=turned)) == expected


def test_a_column_without_a_field_is_kept_as_printed() -> None:
    header = [*ALL, "分账金额", "Another"]
    row = paid(分账金额="1.00", Another="x")
    (read,) = rows(bills.text(row, header=header))
    assert read.others == {"分账金额": "1.00", "Another": "x"}


def test_an_older_file_of_24_columns_has_the_orders_amount_under_its_older_name() -> None:
    summary = {
        "总交易单数": "1",
        "总交易额": "45.00",
        "总退款金额": "0.00",
        "总代金券或立减优惠退款金额": "0.00",
        "手续费总金额": "0.27000",
    }
    row = paid(总金额="45.0", 子商户号="1900000109", 手续费="0.27000")
    lines = [
        ",".join(OLD),
        bills.line(row, OLD),
        ",".join(summary),
        ",".join(f"`{value}" for value in summary.values()),
    ]
    (read,) = rows("\n".join(lines))
    assert (read.total_fee, read.sub_mch_id) == (4500, "1900000109")
    assert entries("\n".join(lines))[0].amount == 4500
    lines[-1] = lines[-1].replace("45.00", "46.00")
    assert "not the sum" in refused("\n".join(lines)).problem


def test_of_an_older_and_a_newer_name_the_newer_one_counts() -> None:
    header = ["总金额", *ALL]
    (row,) = rows(bills.text(paid(总金额="9.99"), header=header))
    assert row.total_fee == 600


def test_a_bill_of_payments_alone_has_no_columns_of_refunds() -> None:
    header = [name for name in ALL if "退款" not in name]
    (entry,) = entries(bills.text(paid(), header=header))
    assert (entry.out_refund_no, entry.refund_id, entry.refund_status) == ("", "", "")


def test_a_bill_with_refunds_but_without_their_amounts_is_refused() -> None:
    header = [name for name in ALL if name not in {"退款金额", "申请退款金额"}]
    assert "amount" in refused(bills.text(refunded(), header=header)).problem


def test_a_number_of_a_sub_merchant_is_kept() -> None:
    (entry,) = entries(bills.text(paid(特约商户号="1900000109")))
    assert entry.sub_mch_id == "1900000109"
    header = [name for name in ALL if name not in {"特约商户号", "货币种类", "手续费", "费率"}]
    (entry,) = entries(bills.text(paid(), header=header))
    assert (entry.sub_mch_id, entry.currency, entry.fee_e5, entry.rate) == ("", "CNY", 0, "")
    (row,) = rows(bills.text(paid(), header=header))
    assert (row.sub_mch_id, row.fee, row.rate) == ("", Decimal(0), "")


def test_without_a_text_of_the_shops_own_no_surplus_can_be_explained() -> None:
    header = [name for name in ALL if name not in {"商品名称", "商户数据包"}]
    assert (
        "columns instead of 25" in refused(bills.text(paid(设备号="a,`b"), header=header)).problem
    )


def test_with_a_column_between_the_shops_own_texts_no_surplus_can_be_explained() -> None:
    header = [*(name for name in ALL if name != "商户数据包"), "商户数据包"]
    assert rows(bills.text(paid(商户数据包="a, b"), header=header))[0].attach == "a, b"
    error = refused(bills.text(paid(商户数据包="a,`b"), header=header))
    assert (error.line, error.problem) == (2, "has 28 columns instead of 27")


def test_a_bill_of_refunds_has_two_more_times() -> None:
    at = ALL.index("微信退款单号")
    header = [*ALL[:at], "退款申请时间", "退款成功时间", *ALL[at:]]
    row = refunded(退款申请时间="2026-11-01 09:00:00", 退款成功时间="2026-11-01 09:00:05")
    (read,) = rows(bills.text(row, header=header))
    assert read.refund_applied_at == datetime(2026, 11, 1, 9, tzinfo=BEIJING)
    assert read.refund_success_time == datetime(2026, 11, 1, 9, 0, 5, tzinfo=BEIJING)


GLOBAL: Final = (
    "trade time,appid,mchid,sub mchid,device id,WeChat order no,merchant order no,user id,"
    "trade type,trade state,bank,coupon currency,coupon amount,discount currency,discount amount,"
    "WeChat refund no,merchant refund no,refund type,refund status,goods name,attach,fee,fee rate,"
    "pricing currency,order amount (pricing),payer currency,payer amount,settlement currency,"
    "settlement order amount,payment rate,refund rate,requested refund amount,"
    "payer refund currency,payer refund amount,refund settlement currency,"
    "refund settlement amount,coupon refund amount,discount refund amount"
).split(",")


def test_the_global_statement_has_a_currency_for_each_amount() -> None:
    row = {
        "trade time": "2026-11-01 08:00:00",
        "WeChat order no": "42",
        "merchant order no": "G1",
        "trade state": "SUCCESS",
        "pricing currency": "JPY",
        "order amount (pricing)": "1250",
        "payer currency": "CNY",
        "payer amount": "60.10",
        "settlement currency": "KWD",
        "settlement order amount": "2.500",
        "fee": "0.01050",
    }
    summary = {"总交易单数": "1"}
    text = "\n".join([",".join(GLOBAL), bills.line(row, GLOBAL), *summary, "`1"])
    (read,) = rows(text)
    assert (read.total_fee, read.fee_type) == (1250, "JPY")
    assert (read.payer_total, read.payer_currency) == (6010, "CNY")
    assert (read.settlement_total_fee, read.settlement_fee_type) == (2500, "KWD")
    assert (read.fee, read.fee_currency) == (Decimal("10.50000"), "KWD")
    reading = reader(text)
    (entry,) = reading.entries()
    assert (entry.amount, entry.currency) == (1250, "JPY")
    assert (entry.fee_e5, entry.fee_currency) == (1_050_000, "KWD")
    assert reading.totals == {
        "JPY": CurrencyTotals(payments=1, paid=1250),
        "KWD": CurrencyTotals(fees_e5=1_050_000),
    }


def test_a_summary_in_words_that_are_not_known_has_its_count_first() -> None:
    lines = bills.text(paid(), paid(), end="\n").splitlines()[:3]
    text = "\n".join([*lines, "Total transactions,Total order amount", "`2,`12.00"])
    assert len(entries(text)) == 2
    assert "there are 2 rows" in refused(text.replace("`2,`12", "`3,`12")).problem
    assert "instead" not in refused(text.replace("Total tr", "1Total tr")).problem


def test_of_several_currencies_the_count_alone_is_compared() -> None:
    text = bills.text(paid(), paid(货币种类="JPY", 订单金额="600", 应结订单金额="600"))
    reading = reader(text)
    assert [entry.amount for entry in reading.entries()] == [600, 600]
    assert set(reading.totals) == {"CNY", "JPY"}
    assert "there are 2 rows" in refused(text.replace("\r\n`2,", "\r\n`3,")).problem


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("size", [1, 2, 7, 1 << 16])
def test_line_ends_marks_and_pieces_do_not_matter(end: str, bom: str, size: int) -> None:
    expected = entries(bills.text(paid(), refunded()))
    assert entries(bom + bills.text(paid(), refunded(), end=end), size) == expected


def test_a_last_line_needs_no_end() -> None:
    text = bills.text(paid(), end="\n")
    assert entries(text.rstrip("\n")) == entries(text) == entries(text + "\n\n")


def test_a_day_without_a_row_is_a_bill_too() -> None:
    reading = reader(bills.text())
    assert list(reading.entries()) == []
    assert (reading.row_count, reading.totals) == (0, {})


HOSTILE: Final = st.text(
    alphabet=st.one_of(
        st.sampled_from(list(",`\"'=+-@;|总交易单数 0")),
        st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85"),
    ),
    max_size=30,
)


@given(HOSTILE)
def test_a_hostile_name_moves_no_other_column(name: str) -> None:
    first, second = rows(bills.text(paid(商品名称=name), refunded(), end="\n"))
    assert (first.body, first.attach, first.total_fee) == (name, "", 600)
    assert second.refund_fee == 150


@given(HOSTILE, HOSTILE.filter(lambda text: ",`" not in text and not text.startswith("`")))
def test_of_two_hostile_texts_together_nothing_is_lost(name: str, attach: str) -> None:
    (row,) = rows(bills.text(paid(商品名称=name, 商户数据包=attach), end="\n"))
    assert row.body + ",`" + row.attach == name + ",`" + attach
    assert (row.fee, row.total_fee, row.rate) == (Decimal("4.00000"), 600, "0.60%")


WHOLE: Final = bills.text(paid(商品名称="龙井,`茶"), refunded(), paid(商户订单号="T3")).encode()


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_is_cut_is_refused_wherever_the_cut_is(at: int) -> None:
    # The last sum is 1.50000: without its last zeros it is the same.
    if WHOLE[at:].strip(b"0\r\n"):
        refused(WHOLE[:at])
    else:
        assert rows(WHOLE[:at]) == rows(WHOLE)


@given(st.integers(1, 40))
def test_pieces_of_any_size_are_the_same_file(size: int) -> None:
    assert entries(WHOLE, size) == entries(WHOLE)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (column, value)
        for column in ("订单金额", "手续费", "应结订单金额")
        for value in (
            "1e5", "NaN", "Infinity", "+1", "1,000", "1_000", "٣", "6.", ".5", " 6.00",
            "6.00 ", "0x10", "１２", "6.0.0", "--1", "1" * 13, "6.1234567890123",
        )
    ]
    + [("订单金额", ""), ("订单金额", "-6.00"), ("订单金额", "6.001"), ("手续费", "0.00000001")]
    + [("应结订单金额", "-6.00"), ("退款金额", "-1.50"), ("申请退款金额", "-1.50")],
)  # fmt: skip
def test_what_is_no_amount_is_refused_with_line_and_column(column: str, value: str) -> None:
    good = bills.text(paid(), paid(**{column: "7.77"}))
    error = refused(good.replace("7.77", value, 1) if value else good.replace("`7.77", "`", 1))
    assert (error.line, error.column) == (3, column), error
    assert str(error).startswith(f"{NAME}, line 3, column {column}: ")


@pytest.mark.parametrize("currency", ["cny", "CNYX", "1.00", "ＣＮＹ", "C,Y", " CNY"])
def test_what_is_no_currency_is_refused_with_line_and_column(currency: str) -> None:
    error = refused(bills.text(paid(), paid(货币种类=currency)))
    assert (error.line, error.column) == (3, "货币种类")


def test_of_a_refund_the_amount_of_its_order_is_not_needed() -> None:
    text = bills.text(refunded(订单金额="", 手续费="7.77"))
    assert entries(text)[0].amount == 150
    assert refused(text.replace("7.77", "1e5", 1)).column == "手续费"


@pytest.mark.parametrize(
    ("printed", "minor"),
    [("45.00", 4500), ("45.0", 4500), ("45", 4500), ("-0.00", 0), ("0.01", 1), ("6.000", 600)],
)
def test_an_amount_is_read_to_the_minor_unit(printed: str, minor: int) -> None:
    (row,) = rows(bills.text(paid(订单金额=printed)))
    assert row.total_fee == minor
    assert type(row.total_fee) is int


@pytest.mark.parametrize(
    ("printed", "fee"), [("0.04000", "4"), ("-0.04000", "-4"), ("0.00600", "0.6"), ("", "0")]
)
def test_a_fee_may_be_finer_than_the_minor_unit(printed: str, fee: str) -> None:
    (row,) = rows(bills.text(paid(手续费=printed)))
    assert row.fee == Decimal(fee)


@pytest.mark.parametrize("value", ["", "2026-13-01 00:00:00", "2026-11-01", "2026-11-01T00:00:00"])
def test_what_is_no_time_is_refused_in_a_whole_row(value: str) -> None:
    with pytest.raises(InvalidBill, match=r"交易时间.* is no time"):
        rows(bills.text(paid(交易时间=value)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("\n", "no column of trade_time"),
        (bills.text(paid()).replace("商户订单号", "x"), "no column of out_trade_no"),
        (bills.text(paid()).replace("设备号", "微信订单号"), "a column twice"),
        (
            bills.text(paid(), header=[n for n in ALL if n not in {"订单金额", "应结订单金额"}]),
            "no column of the amount",
        ),
        (bills.text(paid()).replace("`OTHERS,", ""), "has 26 columns instead of 27"),
        (bills.text(paid(), paid(), summary={"总交易单数": "3"}), "there are 2 rows"),
        (bills.text(paid(), summary={"总交易单数": "x"}), "no amount"),
        (bills.text(paid(), summary={"订单总金额": "6.01"}), "not the sum of the rows"),
        (bills.text(paid(), summary={"手续费总金额": "0.04001"}), "not the sum of the rows"),
        (bills.text(paid()) + "more", "comes after the summary"),
        (bills.text(paid()) + bills.line(paid()), "comes after the summary"),
        (",".join(ALL) + "\n" + bills.text(paid()), "neither a row nor the summary"),
        (bills.text(paid(), end="\n").replace("`4200", "\n`4200"), "columns instead of 27"),
        (bills.text(paid()).replace("总交易单数,", "总交易单数,x,"), "not those of its header"),
        (bills.text(paid(商品名称="a" * 70_000)), "longer than any row"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(text: str, problem: str) -> None:
    assert re.search(problem, refused(text).problem)


def test_more_amounts_than_are_remembered_are_read_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trades, "_REMEMBERED", 2)
    amounts = [f"{number}.00" for number in (*range(1, 8), *range(1, 8))]
    read = entries(bills.text(*(paid(订单金额=text) for text in amounts)))
    assert [f"{entry.amount // 100}.00" for entry in read] == amounts


def test_a_sum_that_is_printed_with_fewer_decimals_is_compared_with_these() -> None:
    text = bills.text(paid(手续费="0.00600"), summary={"手续费总金额": "0.01"})
    assert len(entries(text)) == 1
    assert refused(text.replace("`0.01,", "`0.02,")).column == "手续费总金额"


@pytest.mark.parametrize("size", [1, 100, 1 << 16])
@pytest.mark.parametrize("broken", ["é".encode("latin-1"), "茶".encode()[:2], b"\xff\xfe"])
def test_bytes_that_are_no_utf_8_are_refused_with_their_line(broken: bytes, size: int) -> None:
    text = bills.text(paid(), paid(), paid(商品名称="HERE"), paid())
    data = text.encode().replace(b"HERE", broken)
    with pytest.raises(InvalidBill) as error:
        entries(data, size)
    assert (error.value.problem, error.value.line) == ("is not UTF-8, or is cut", 4)


def test_a_row_is_given_before_the_next_piece_is_asked_for() -> None:
    asked = []

    def pieces() -> Iterator[bytes]:
        for at, line in enumerate(bills.text(paid(), paid(), paid()).splitlines(keepends=True)):
            asked.append(at)
            yield line.encode()
            yield b""

    reading = TradeBillReader(pieces(), name=NAME).entries()
    assert (next(reading).line, asked) == (2, [0, 1])
    assert (next(reading).line, asked) == (3, [0, 1, 2])


def vector(name: str) -> Any:
    page = (ROOT / "docs/protocol/v3.md").read_text(encoding="utf-8")
    for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL):
        if f'"{name}"' in block:
            return json.loads(block)[name]
    raise AssertionError(name)


def test_the_vector_of_a_bill_is_a_bill_without_the_columns_that_name_an_order() -> None:
    given = vector("BILL-1")
    text = gzip.decompress(base64.b64decode(given["gzip_base64"]))
    assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == given["hash_value"]
    assert text.decode("utf-8-sig") == given["text"]
    assert "no column of out_trade_no" in refused(text).problem
    assert "no column of out_trade_no" in refused(vector("RES-5")["body"]).problem


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(refused("")))  # noqa: S301
    assert (str(error), error.line, error.file) == (f"{NAME}, line 1: is empty", 1, NAME)
