"""Reader of a trade bill: its rows in one pass, whole or as far as they are compared.

Sums are taken on the way, and the summary at the end has to agree with them, so an iterator that
has ended without an error has read a whole file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from django_wxpay.protocol.bills.amounts import (
    FEE_DECIMALS,
    amount,
    currency_code,
    fee_e5,
    is_nothing,
    moment,
)
from django_wxpay.protocol.bills.columns import (
    FREE_TEXTS,
    TRADE_COLUMNS,
    TRADE_NEEDS,
    TRADE_SUMS,
    others_of,
)
from django_wxpay.protocol.bills.lines import Table, rows_of
from django_wxpay.protocol.bills.rows import BillEntry, BillRow, CurrencyTotals
from django_wxpay.protocol.money import decimals

_NO_NUMBER: Final = frozenset({"", "0"})
_HOME: Final = "CNY"
_ZERO: Final = frozenset({"", "/", "0", "0.00"})
_REMEMBERED: Final = 50_000
_COMPARED: Final = (
    *("out_trade_no", "transaction_id", "trade_state", "fee_type", "refund_id", "refund_status"),
    *("sub_mch_id", "fee", "rate", "settlement_fee_type"),
)
_NUMBERS: Final = ("sub_mch_id", "refund_id", "out_refund_no")
_TEXTS: Final = (
    *("appid", "mch_id", "device_info", "transaction_id", "out_trade_no", "openid"),
    *("trade_type", "trade_state", "bank_type", "settlement_fee_type", "coupon_fee_type"),
    *("payer_currency", "refund_type", "refund_status", "body", "attach", "rate", "rate_note"),
)
# Each amount, and the column of its currency; without one it is the order's.
_AMOUNTS: Final = {
    "total_fee": "fee_type",
    "settlement_total_fee": "settlement_fee_type",
    "coupon_fee": "coupon_fee_type",
    "payer_total": "payer_currency",
    "refund_fee": "fee_type",
    "settlement_refund_fee": "settlement_fee_type",
    "coupon_refund_fee": "coupon_fee_type",
}
_TIMES: Final = ("trade_time", "refund_applied_at", "refund_success_time")


class TradeBillReader:
    """One trade bill; ``chunks`` are its decompressed bytes, in pieces of any size.

    Call ``rows`` or ``entries``, once. After the last row ``row_count`` and ``totals`` (by
    currency) are those of the whole file. Raises ``InvalidBill`` with line and column. Source:
    protocol-v2 section 6.6, protocol-v3 sections 3.7 and 4.5.
    """

    def __init__(self, chunks: Iterable[bytes], *, name: str) -> None:
        self._chunks = chunks
        self._name = name
        self.row_count = 0
        self.totals: dict[str, CurrencyTotals] = {}

    def entries(self) -> Iterator[BillEntry]:
        """Yield what is compared of each row."""
        return map(BillEntry._make, self.compared())

    def compared(self) -> Iterator[tuple[Any, ...]]:
        """Yield the same as plain tuples, in the order of the fields of ``BillEntry``.

        Python's collector of cycles passes over those, and not over a class of tuples: it took a
        tenth of the time where millions are held.
        """
        columns = _Columns(self._table)
        for number, values in self._rows(columns):
            try:
                row = columns.compared(values, number)
            except ValueError:
                raise columns.fault(values, number) from None
            yield row

    def rows(self) -> Iterator[BillRow]:
        """Yield each row, whole."""
        columns = _Columns(self._table)
        for number, values in self._rows(columns):
            try:
                # For the sums.
                columns.compared(values, number)
                row = columns.row(values, number)
            except ValueError:
                raise columns.fault(values, number) from None
            yield row

    def _table(self, header: str) -> Table:
        return Table(
            header, known=TRADE_COLUMNS, needs=TRADE_NEEDS, free=FREE_TEXTS, name=self._name
        )

    def _rows(self, columns: _Columns) -> Iterator[tuple[int, list[str]]]:
        self.totals = columns.totals
        yield from rows_of(
            self._chunks, open_table=columns.open, sums=columns.sums, name=self._name
        )
        self.row_count = columns.row_count


class _Remembered(dict[str, int]):
    """What texts come to, by a function that reads them; bounded, whatever a file holds."""

    def __init__(self, read: Callable[[str, int], int], digits: int) -> None:
        super().__init__()
        self._read = read
        self._digits = digits

    def __missing__(self, text: str) -> int:
        value = self._read(text, self._digits)
        if len(self) < _REMEMBERED:
            self[text] = value
        return value


class _Money:
    """The amounts and fees of one currency, and what they add up to."""

    def __init__(self, currency: str) -> None:
        digits = decimals(currency_code(currency))
        self.amounts = _Remembered(amount, digits)
        # Of the summary, whose amounts are counted as finely as its fees.
        self.summed = _Remembered(amount, digits + FEE_DECIMALS)
        self.fees = _Remembered(fee_e5, digits)
        self.totals = CurrencyTotals()


class _Columns:
    """The columns of one file, and what they add up to."""

    def __init__(self, make: Callable[[str], Table]) -> None:
        self._make = make
        self.row_count = 0
        self.totals: dict[str, CurrencyTotals] = {}
        self._money: dict[str, _Money] = {}

    def open(self, header: str) -> Table:
        """Take the header of the file."""
        self.table = table = self._make(header)
        places = table.places
        find = places.get
        self._others = others_of(table.names, places)
        # A column that the file lacks is read from behind the last one, where nothing stands.
        nowhere = table.width
        has_refunds = "out_refund_no" in places and "refund_id" in places
        total = find("total_fee", find("settlement_total_fee"))
        refunded = find("refund_fee", find("settlement_refund_fee", nowhere))
        if total is None:
            raise table.fault("the header has no column of the amount", 1, "")
        self._refund_at = places["out_refund_no"] if has_refunds else nowhere
        places_compared = [find(field, nowhere) for field in _COMPARED]
        self._compared = itemgetter(*places_compared, self._refund_at, total, refunded)
        # Several columns may be summed up under one name, each at its place.
        # That of the fees is among the totals.
        fields = [field for field in TRADE_SUMS.values() if field != "fee"]
        summed = {field: places[field] for field in fields if field in places}
        self._summed = itemgetter(*summed.values(), nowhere, nowhere)
        self._sum_of = {field: at for at, field in enumerate(summed)}
        self._sums = [0] * (len(summed) + 2)
        return table

    def compared(self, values: list[str], line: int) -> tuple[Any, ...]:
        """Read what is compared, and add it up; ``ValueError`` for a value that cannot be read.

        A million rows come through here: every column is taken in one step, and what an amount
        comes to is remembered by its text.
        """
        values.append("")
        (
            number, transaction, state, currency, refund_id, status, sub, fee_text, rate, paid_out,
            refund_no, total, refunded,
        ) = self._compared(values)  # fmt: skip
        currency = currency or _HOME
        money = self._money.get(currency) or self._another(currency)
        totals = money.totals
        if refund_no in _NO_NUMBER:
            refund_no = refund_id = status = ""
            minor = money.amounts[total]
            # A sale that was reversed is printed beside those that stand.
            if state == "SUCCESS":
                totals.payments += 1
                totals.paid += minor
        else:
            minor = money.amounts[refunded]
            totals.refunds += 1
            totals.refunded += minor
        if paid_out and paid_out != currency:
            # WeChat Pay takes its fee from what it pays out.
            money = self._money.get(paid_out) or self._another(paid_out)
            totals = money.totals
        else:
            paid_out = currency
        fee = money.fees[fee_text]
        totals.fees_e5 += fee
        sums, read = self._sums, money.summed
        for index, text in enumerate(self._summed(values)):
            if text not in _ZERO:
                sums[index] += read[text]
        self.row_count += 1
        sub_mch_id = "" if sub == "0" else sub
        return (
            line, number, transaction, refund_no, refund_id, sub_mch_id,
            state, status, currency, minor, fee, rate, paid_out,
        )  # fmt: skip

    def _another(self, currency: str) -> _Money:
        money = self._money[currency] = _Money(currency)
        self.totals[currency] = money.totals
        return money

    def row(self, values: list[str], line: int) -> BillRow:
        """Read a whole row; ``ValueError`` for a value that cannot be read."""
        found: dict[str, Any] = {}
        places = self.table.places
        for field in _TEXTS:
            if field in places:
                found[field] = values[places[field]]
        for field in _NUMBERS:
            if field in places:
                text = values[places[field]]
                found[field] = "" if text in _NO_NUMBER else text
        currency = self._text(values, "fee_type") or _HOME
        for field in _AMOUNTS:
            found[field] = self._amount(values, field, currency)
        for field in _TIMES:
            found[field] = self._time(values, field)
        fee_currency = self._text(values, "settlement_fee_type") or currency
        fee = fee_e5(self._text(values, "fee"), decimals(fee_currency))
        return BillRow(
            line=line,
            fee_type=currency,
            fee=Decimal(fee).scaleb(-FEE_DECIMALS),
            fee_currency=fee_currency,
            others={name: values[at] for name, at in self._others.items()},
            **found,
        )

    def _text(self, values: list[str], field: str) -> str:
        return self.table.text(values, field)

    def _amount(self, values: list[str], field: str, currency: str) -> int | None:
        text = self._text(values, field)
        if is_nothing(text):
            return None
        return amount(text, decimals(self._text(values, _AMOUNTS[field]) or currency))

    def _time(self, values: list[str], field: str) -> datetime | None:
        text = self._text(values, field)
        return None if is_nothing(text) and field != "trade_time" else moment(text)

    def fault(self, values: list[str], line: int) -> Exception:
        """Return the error of the first value that cannot be read."""
        currency = self._text(values, "fee_type") or _HOME
        readers: dict[str, Callable[[str], object]] = {
            field: lambda text, field=field: amount(  # type: ignore[misc]
                text, decimals(self._text(values, _AMOUNTS[field]) or currency)
            )
            for field in _AMOUNTS
        }
        readers |= dict.fromkeys(_TIMES, moment)
        readers |= {
            "fee_type": currency_code,
            "settlement_fee_type": currency_code,
            "fee": lambda text: fee_e5(
                text, decimals(self._text(values, "settlement_fee_type") or currency)
            ),
        }
        is_refund = [*values, ""][self._refund_at] not in _NO_NUMBER
        needed = {"trade_time", "refund_fee" if is_refund else "total_fee"}
        for field, read in readers.items():
            text = self._text(values, field)
            if field in self.table.places and (field in needed or not is_nothing(text)):
                try:
                    read(text)
                except ValueError as problem:
                    return self.table.fault(str(problem), line, field)
        return self.table.fault("has no amount that can be read", line, "")

    def sums(self) -> tuple[dict[str, int] | None, int]:
        """Return the sums by the summary's names, in 1/100,000 minor units, and the decimals."""
        currencies = list(self.totals)
        if len(currencies) > 1:
            return None, 0
        sums = {
            name: self._sums[self._sum_of[field]]
            for name, field in TRADE_SUMS.items()
            if field in self._sum_of
        }
        if "fee" in self.table.places:
            fees = sum(total.fees_e5 for total in self.totals.values())
            sums |= {name: fees for name, field in TRADE_SUMS.items() if field == "fee"}
        return sums, decimals(currencies[0] if currencies else _HOME)
