"""Fund flow bills, printed: what each payment, refund and fee moved (protocol-v2 section 6.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from django_wxpay.protocol.times import BEIJING
from django_wxpay.simulator.bills.contents import Entry, printed
from django_wxpay.simulator.bills.days import is_on
from django_wxpay.simulator.bills.trade_bill import Columns, written

HEADER: Final = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,"
    "资金变更提交申请人,备注,业务凭证号"
).split(",")
_CURRENCY: Final = "CNY"


def fund_flow(entries: Iterable[Entry], day: date) -> tuple[str, int]:
    """Print the flow of ``day``, and return it with the count of its rows.

    ``entries`` are those of every day: the balance is what all of them have moved.
    """
    rows: list[Columns] = []
    balance, incomes, expenses = 0, [0, 0], [0, 0]
    for entry, name, amount in _moves(entries):
        balance += amount
        if not is_on(entry.at, day):
            continue
        rows.append(_row(entry, name, amount, balance, number=len(rows) + 1))
        side = incomes if amount >= 0 else expenses
        side[0] += 1
        side[1] += abs(amount)
    summary = {
        "资金流水总笔数": f"{len(rows)}.0",
        "收入笔数": f"{incomes[0]}.0",
        "收入金额": printed(incomes[1], _CURRENCY),
        "支出笔数": f"{expenses[0]}.0",
        "支出金额": printed(expenses[1], _CURRENCY),
    }
    return written(HEADER, rows, summary), len(rows)


def _moves(entries: Iterable[Entry]) -> Iterator[tuple[Entry, str, int]]:
    for entry in entries:
        if entry.refund is None:
            yield entry, "交易", entry.total
            yield entry, "扣除交易手续费", -entry.fee
        else:
            yield entry, "退款", -entry.refund.refund_fee
            yield entry, "退还交易手续费", -entry.fee


def _row(entry: Entry, name: str, amount: int, balance: int, *, number: int) -> Columns:
    number_there = entry.refund.refund_id if entry.refund else entry.trade.transaction_id
    number_here = entry.refund.out_refund_no if entry.refund else entry.trade.out_trade_no
    return {
        "记账时间": f"{entry.at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
        "微信支付业务单号": number_there,
        "资金流水单号": f"{number_there}{number:04d}",
        "业务名称": name,
        "业务类型": name,
        "收支类型": "收入" if amount >= 0 else "支出",
        "收支金额（元）": printed(abs(amount), _CURRENCY),
        "账户结余（元）": printed(balance, _CURRENCY),
        "资金变更提交申请人": "system",
        "备注": entry.trade.terms.get("body", ""),
        "业务凭证号": number_here,
    }
