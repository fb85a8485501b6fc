"""Fund flow bills, and the days of which there are bills."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

import pytest

from django_wxpay.exceptions import InvalidBill, InvalidParameter
from django_wxpay.protocol.bills.fund_flow import FundFlowReader
from django_wxpay.protocol.bills.requests import check_bill, may_be_made
from django_wxpay.protocol.bills.rows import BillKind, BillRequest, CurrencyTotals, FundFlowRow
from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.protocol.times import BEIJING

HEADER: Final = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,"
    "资金变更提交申请人,备注,业务凭证号"
)
PAID: Final = (
    "`2026-11-01 08:35:41,`4200,`F1,`交易,`交易,`收入,`6.00,`106.00,`system,`a,`b, note,`V1"
)
FEE: Final = (
    "`2026-11-01 08:35:41,`4200,`F2,`扣除手续费,`扣除手续费,`支出,`0.04,`105.96,`system,`,`V2"
)
SUMMARY: Final = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\n`2.0,`1.0,`6.00,`1.0,`0.04"
WHOLE: Final = f"{HEADER}\n{PAID}\n{FEE}\n{SUMMARY}"


def read(text: str) -> tuple[list[FundFlowRow], FundFlowReader]:
    reader = FundFlowReader([text.encode()], name="flow")
    return list(reader.rows()), reader


def test_incomes_and_expenses_have_their_signs() -> None:
    (income, expense), reader = read(WHOLE)
    assert income == FundFlowRow(
        line=2,
        booked_at=datetime(2026, 11, 1, 8, 35, 41, tzinfo=BEIJING),
        transaction_id="4200",
        flow_id="F1",
        business_name="交易",
        business_type="交易",
        is_income=True,
        amount=600,
        balance=10_600,
        submitted_by="system,`a",
        note="b, note",
        voucher_no="V1",
    )
    assert (expense.is_income, expense.amount, expense.balance) == (False, -4, 10_596)
    assert reader.row_count == 2
    assert reader.totals == {"CNY": CurrencyTotals(payments=1, paid=600, refunds=1, refunded=4)}


def test_an_empty_one_has_no_totals() -> None:
    names = SUMMARY.partition("\n")[0]
    rows, reader = read(f"{HEADER}\n{names}\n`0,`0,`0,`0,`0")
    assert (rows, reader.totals) == ([], {})


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("`收入", "`进", "收支类型"),
        ("`6.00,`106", "`1e5,`106", "收支金额（元）"),
        ("`106.00", "`NaN", "账户结余（元）"),
        ("`2026-11-01 08:35:41,`4200,`F1", "`yesterday,`4200,`F1", "记账时间"),
        ("`1.0,`6.00", "`1.0,`6.01", "收入金额"),
        ("`1.0,`0.04", "`2.0,`0.04", "支出笔数"),
        ("`2.0,", "`3.0,", "资金流水总笔数"),
    ],
)
def test_what_cannot_be_read_is_named(old: str, new: str, column: str) -> None:
    with pytest.raises(InvalidBill) as error:
        read(WHOLE.replace(old, new))
    assert error.value.column == column


def test_a_balance_may_be_missing() -> None:
    (income, _), _ = read(WHOLE.replace("`106.00", "`"))
    assert income.balance is None


# 00:30 in Beijing on the second.
NOW: Final = datetime(2026, 11, 1, 16, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "region"),
    [
        (date(2026, 11, 1), Region.MAINLAND),
        (date(2026, 8, 2), Region.MAINLAND),
        (date(2026, 5, 6), Region.GLOBAL),
    ],
)
def test_a_day_that_is_over_has_a_bill(day: date, region: Region) -> None:
    check_bill(BillRequest(bill_date=day), now=NOW, region=region, api=Api.V3)


@pytest.mark.parametrize(
    ("day", "region"),
    [
        (date(2026, 11, 2), Region.MAINLAND),
        (date(2027, 1, 1), Region.MAINLAND),
        (date(2026, 8, 1), Region.MAINLAND),
        (date(2026, 5, 5), Region.GLOBAL),
        (datetime(2026, 11, 1, tzinfo=UTC), Region.MAINLAND),
    ],
)
def test_other_days_have_none(day: date, region: Region) -> None:
    with pytest.raises(InvalidParameter) as error:
        check_bill(BillRequest(bill_date=day), now=NOW, region=region, api=Api.V3)
    assert error.value.field == "bill_date"


def test_the_global_api_has_no_fund_flow() -> None:
    request = BillRequest(bill_date=date(2026, 11, 1), kind=BillKind.FUND_FLOW)
    with pytest.raises(InvalidParameter, match="kind"):
        check_bill(request, now=NOW, region=Region.GLOBAL, api=Api.V3)


@pytest.mark.parametrize(("hour", "minute", "may"), [(1, 59, True), (2, 0, False)])
def test_a_bill_may_be_in_the_making_until_ten_in_beijing(
    hour: int, minute: int, may: bool
) -> None:
    assert may_be_made(date(2026, 11, 1), datetime(2026, 11, 2, hour, minute, tzinfo=UTC)) is may


def test_over_v2_the_region_makes_no_difference() -> None:
    flow = BillRequest(bill_date=date(2026, 8, 2), kind=BillKind.FUND_FLOW)
    check_bill(flow, now=NOW, region=Region.GLOBAL, api=Api.V2)
    with pytest.raises(InvalidParameter):
        check_bill(
            BillRequest(bill_date=date(2026, 8, 1)), now=NOW, region=Region.GLOBAL, api=Api.V2
        )
