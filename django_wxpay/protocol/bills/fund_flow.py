"""Reader of a fund flow bill: what came into an account of the merchant and went out of it.

Source: protocol-v2 section 6.7, protocol-v3 section 4.5. Amounts are yuan; one that went out is
below zero here, which the file says in a column of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from django_wxpay.protocol.bills.amounts import FEE_DECIMALS, is_nothing, moment, scaled
from django_wxpay.protocol.bills.columns import (
    FUND_FLOW_COLUMNS,
    FUND_FLOW_FREE_TEXTS,
    FUND_FLOW_NEEDS,
    others_of,
)
from django_wxpay.protocol.bills.lines import Table, rows_of
from django_wxpay.protocol.bills.rows import CurrencyTotals, FundFlowRow

_CURRENCY: Final = "CNY"
_DECIMALS: Final = 2
_INCOME: Final = "收入"
_EXPENSE: Final = "支出"
_TEXTS: Final = (
    *("transaction_id", "flow_id", "business_name", "business_type", "submitted_by", "note"),
    "voucher_no",
)
_E5: Final = 10**FEE_DECIMALS


class FundFlowReader:
    """One fund flow bill; ``chunks`` are its decompressed bytes, in pieces of any size.

    Call ``rows`` once. After the last row ``row_count`` and ``totals`` are those of the whole
    file: ``paid`` is what came in, ``refunded`` what went out. Raises ``InvalidBill``.
    """

    def __init__(self, chunks: Iterable[bytes], *, name: str) -> None:
        self._chunks = chunks
        self._name = name
        self.row_count = 0
        self.totals: dict[str, CurrencyTotals] = {}

    def rows(self) -> Iterator[FundFlowRow]:
        """Yield each row."""
        table: list[Table] = []
        money = CurrencyTotals()

        def opened(header: str) -> Table:
            table.append(
                Table(
                    header,
                    known=FUND_FLOW_COLUMNS,
                    needs=FUND_FLOW_NEEDS,
                    free=FUND_FLOW_FREE_TEXTS,
                    name=self._name,
                )
            )
            return table[0]

        def sums() -> tuple[dict[str, int], int]:
            return {
                "收入笔数": money.payments * 10**_DECIMALS * _E5,
                "收入金额": money.paid * _E5,
                "支出笔数": money.refunds * 10**_DECIMALS * _E5,
                "支出金额": money.refunded * _E5,
            }, _DECIMALS

        for number, values in rows_of(self._chunks, open_table=opened, sums=sums, name=self._name):
            row = _row(table[0], values, number)
            if row.is_income:
                money.payments += 1
                money.paid += row.amount
            else:
                money.refunds += 1
                money.refunded -= row.amount
            self.row_count += 1
            yield row
        self.totals = {_CURRENCY: money} if self.row_count else {}


def _row(table: Table, values: list[str], number: int) -> FundFlowRow:
    field = ""
    try:
        field = "booked_at"
        booked_at = moment(values[table.places[field]])
        field = "direction"
        is_income = _is_income(values[table.places[field]])
        field = "amount"
        amount = scaled(values[table.places[field]], _DECIMALS)
        field = "balance"
        balance = table.text(values, field)
        balance_fen = None if is_nothing(balance) else scaled(balance, _DECIMALS)
    except ValueError as problem:
        raise table.fault(str(problem), number, field) from None
    return FundFlowRow(
        line=number,
        booked_at=booked_at,
        is_income=is_income,
        amount=abs(amount) if is_income else -abs(amount),
        balance=balance_fen,
        currency=_CURRENCY,
        others={name: values[at] for name, at in others_of(table.names, table.places).items()},
        **{name: table.text(values, name) for name in _TEXTS},
    )


def _is_income(text: str) -> bool:
    if text not in {_INCOME, _EXPENSE}:
        raise ValueError(f"{text[:40]!a} is neither an income nor an expense")
    return text == _INCOME
