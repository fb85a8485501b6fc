"""What a bill of many rows costs: reading it, and comparing it with the orders of its day.

The limit of reading is ``csv.reader`` over the same text, which knows no amounts, no names and no
sums. The limit of comparing is that, and a bare scan of the day's orders through their index.

Run: python -m tests.benchmarks.bench_bills
"""

from __future__ import annotations

import csv
import gzip
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.databases import database, use_merchants
from tests.benchmarks.measuring import FULL, Aim, Result, Scale, cost, show

if TYPE_CHECKING:
    from django_wxpay.models import Bill

DAY: Final = date(2026, 1, 2)
MIDNIGHT: Final = datetime(2026, 1, 1, 16, tzinfo=UTC)
_BATCH: Final = 5_000
_CSV: Final = "csv.reader over the same file"
_WHY: Final = (
    "every amount is read to the minor unit and summed up, by currency and for the summary; the "
    "rows of both sides are held until they meet"
)


@dataclass(frozen=True, slots=True)
class Shop:
    """A day's orders and their bill, in a storage of its own."""

    bill: Bill
    path: Path

    def csv(self) -> None:
        """Read every line as a list of texts."""
        with gzip.open(self.path, "rt", encoding="utf-8", newline="") as text:
            for _ in csv.reader(text):
                pass

    def entries(self) -> None:
        """Read what is compared of every row."""
        from django_wxpay.protocol.bills.trades import TradeBillReader
        from django_wxpay.services.bills.reading import bill_text

        for _ in TradeBillReader(bill_text(self.bill), name="bill").entries():
            pass

    def scan(self) -> None:
        """Read the columns that are compared, by the index, with a bare cursor."""
        from django.db import connection

        from django_wxpay.models import Order

        columns = ("pk", "out_trade_no", "transaction_id", "total_fee", "fee_type", "billed_fee")
        paid = Order.objects.filter(
            mch_id=self.bill.mch_id,
            success_time__gte=MIDNIGHT,
            success_time__lt=MIDNIGHT + timedelta(days=1),
            trade_state__in=["REFUND", "SUCCESS"],
        )
        rows = paid.order_by().values_list(*columns)
        sql, params = rows.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            while cursor.fetchmany(_BATCH):
                pass

    def limit(self) -> None:
        self.csv()
        self.scan()

    def reconcile(self) -> None:
        """Compare; nothing is open."""
        from django_wxpay import services

        if services.reconcile(self.bill).open:
            raise SystemExit("the bill of the benchmark does not agree with its orders")


def results(scale: Scale) -> Iterator[Result]:
    """Measure reading, the first comparing, and one that writes nothing."""
    rows = scale.rows // 5 if scale.is_quick else scale.rows
    short = replace(scale, rounds=min(scale.rounds, 5))
    with database(), tempfile.TemporaryDirectory() as folder:
        shop = _prepared(Path(folder), rows)
        yield cost(
            f"reading a bill of {rows:,} rows",
            _CSV,
            ours=shop.entries,
            bare=shop.csv,
            reach=2.0,
            scale=short,
            note=_WHY,
        )
        yield _first(shop, rows)
        yield cost(
            f"reconciling a bill of {rows:,} rows that has nothing new",
            f"{_CSV}, and a bare scan of the day's orders",
            ours=shop.reconcile,
            bare=shop.limit,
            reach=2.0,
            scale=short,
            note=_WHY,
        )
        yield _memory(shop, rows)


def _first(shop: Shop, rows: int) -> Result:
    began = time.perf_counter()
    shop.reconcile()
    seconds = time.perf_counter() - began
    return Result(
        path=f"reconciling a bill of {rows:,} rows for the first time",
        limit="none: it writes the fee of every order",
        figure=seconds / rows * 1e6,
        reach=None,
        aim=Aim.AT_MOST,
        unit=" us a row",
    )


def _memory(shop: Shop, rows: int) -> Result:
    tracemalloc.start()
    shop.reconcile()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Result(
        path=f"memory of reconciling a bill of {rows:,} rows, at its peak",
        limit="constant",
        figure=peak / 1e6,
        reach=64,
        aim=Aim.AT_MOST,
        unit=" MB",
    )


def _prepared(folder: Path, rows: int) -> Shop:
    from django.conf import settings

    from django_wxpay.models import Bill
    from tests.wechatpay import v2

    direct = {"APPID": v2.APPID, "MCH_ID": v2.MCH_ID, "API_KEY": v2.API_KEY}
    use_merchants({"default": direct | {"HOSTS": ["http://gateway.test"]}})
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(folder)},
    }
    settings.STORAGES = {**settings.STORAGES, "default": storage}
    _sell(rows)
    path = folder / "bill.csv.gz"
    _print(path, rows)
    bill = Bill.objects.create(
        merchant="default",
        mch_id=v2.MCH_ID,
        kind="trade",
        bill_date=DAY,
        status="DOWNLOADED",
        file=path.name,
        row_count=rows,
        created_at=MIDNIGHT,
    )
    return Shop(bill, path)


def _number(at: int, rows: int) -> str:
    # Numbers in another order than times, as those of a shop are.
    return f"20260102{at * 7919 % rows:024d}"


def _amount(at: int) -> int:
    return 100 + at % 900


def _sell(rows: int) -> None:
    from django_wxpay.models import Order
    from tests.factories import OrderFactory
    from tests.wechatpay import v2

    def orders() -> Iterator[Any]:
        for at in range(rows):
            yield OrderFactory.build(
                merchant="default",
                mch_id=v2.MCH_ID,
                out_trade_no=_number(at, rows),
                total_fee=_amount(at),
                trade_state="SUCCESS",
                transaction_id=f"4200000000{at:018d}",
                success_time=MIDNIGHT + timedelta(seconds=at * 86_399 / rows),
            )

    made = orders()
    while batch := list(islice(made, _BATCH)):
        Order.objects.bulk_create(batch)


def _print(path: Path, rows: int) -> None:
    from tests.wechatpay import bills

    paid = sum(map(_amount, range(rows)))
    fees = sum(600 * _amount(at) // 100 for at in range(rows))
    with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=1) as text:
        text.write(",".join(bills.ALL) + "\r\n")
        for at in range(rows):
            fen = _amount(at)
            yuan = f"{fen // 100}.{fen % 100:02d}"
            row = bills.paid(
                商户订单号=_number(at, rows),
                微信订单号=f"4200000000{at:018d}",
                订单金额=yuan,
                应结订单金额=yuan,
                手续费=f"0.{600 * fen // 100:05d}",
            )
            text.write(bills.line(row) + "\r\n")
        yuan = f"{paid // 100}.{paid % 100:02d}"
        sums = [f"{rows}.0", yuan, "0.00", "0.00", f"{fees // 100_000}.{fees % 100_000:05d}"]
        text.write(",".join(bills.SUMMARY) + "\r\n")
        text.write(",".join(f"`{value}" for value in [*sums, yuan, "0.00"]) + "\r\n")


def main() -> None:
    """Measure and print."""
    show(list(results(FULL)))


if __name__ == "__main__":
    main()
