"""Our side of a bill: the payments and refunds of its day, and the rows that it names by number.

A day is read in slices of its index, each a query of its own: a driver may hold a whole result in
memory, and a cursor that stays open holds up whoever writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from django.db.models import CharField, F, QuerySet, Value
from django.db.models.functions import Coalesce

from django_wxpay.models import Bill, Order, Refund
from django_wxpay.protocol.bills.rows import BillEntry
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.protocol.states import PAID
from django_wxpay.protocol.times import BEIJING
from django_wxpay.services.bills.spilling import Row
from django_wxpay.services.transactions import retry_on_lock

T = TypeVar("T", Order, Refund)

_SLICE: Final = 5_000
# What a database tells apart.
_LEAST: Final = timedelta(microseconds=1)

# Places in a row of ours, the same for an order and a refund.
PK, NUMBER, WXPAY_ID, AMOUNT, CURRENCY, FEE_PK = range(6)


def paid_at_most(bill: Bill) -> int:
    """Return how many orders were paid on the bill's day, those that were reversed included."""
    # By the columns of one index, which answers by itself.
    of_day = Order.objects.filter(mch_id=bill.mch_id, **_between(*_day(bill)))
    return retry_on_lock(of_day.count)


def order_rows(bill: Bill) -> Iterator[list[Row]]:
    """Yield slices of the day's payments, rows as ``PK`` to ``FEE_PK`` count them."""
    return _slices(
        _paid(bill).values_list(
            "pk", "out_trade_no", _text("transaction_id"), "total_fee", "fee_type", "billed_fee"
        ),
        Order.objects.filter(mch_id=bill.mch_id),
        *_day(bill),
    )


def refund_rows(bill: Bill) -> Iterator[list[Row]]:
    """Yield slices of what was paid back that day, rows as ``PK`` to ``FEE_PK`` count them."""
    refunds = Refund.objects.filter(
        refund_status=RefundStatus.SUCCESS.value, order__mch_id=bill.mch_id
    )
    if bill.sub_mch_id:
        refunds = refunds.filter(order__sub_mch_id=bill.sub_mch_id)
    return _slices(
        refunds.order_by().values_list(
            "pk", "out_refund_no", _text("refund_id"), "refund_fee", "order__fee_type", "billed_fee"
        ),
        Refund.objects.all(),
        *_day(bill),
    )


def orders_of(
    bill: Bill, entries: Iterable[BillEntry]
) -> tuple[dict[str, Order], dict[str, Order]]:
    """Return the orders that ``entries`` name: by out_trade_no, and by transaction_id.

    Several aliases of a merchant may each have an order of one number: the one that is paid
    counts, or the newest.
    """
    entries = list(entries)
    ours = Order.objects.filter(mch_id=bill.mch_id).order_by("id")
    numbers = {entry.out_trade_no for entry in entries}
    transactions = {entry.transaction_id for entry in entries} - {""}
    of_number: dict[str, Order] = {}
    for order in _fetched(ours.filter(out_trade_no__in=numbers)):
        other = of_number.get(order.out_trade_no)
        if other is None or order.is_paid or not other.is_paid:
            of_number[order.out_trade_no] = order
    paid = _fetched(ours.filter(transaction_id__in=transactions))
    return of_number, {order.transaction_id: order for order in paid}


def refunds_of(
    bill: Bill, entries: Iterable[BillEntry]
) -> tuple[dict[str, Refund], dict[str, Refund]]:
    """Return the refunds that ``entries`` name: by out_refund_no, and by refund_id."""
    entries = list(entries)
    ours = Refund.objects.filter(order__mch_id=bill.mch_id).select_related("order").order_by("id")
    numbers = {entry.out_refund_no for entry in entries}
    ids = {entry.refund_id for entry in entries} - {""}
    of_number: dict[str, Refund] = {}
    for refund in _fetched(ours.filter(out_refund_no__in=numbers)):
        other = of_number.get(refund.out_refund_no)
        if other is None or refund.is_proven or not other.is_proven:
            of_number[refund.out_refund_no] = refund
    proven = _fetched(ours.filter(refund_id__in=ids))
    return of_number, {refund.refund_id: refund for refund in proven}


def _paid(bill: Bill) -> QuerySet[Order]:
    orders = Order.objects.filter(mch_id=bill.mch_id)
    if bill.sub_mch_id:
        orders = orders.filter(sub_mch_id=bill.sub_mch_id)
    return orders.filter(trade_state__in=[state.value for state in PAID]).order_by()


def _between(start: datetime, end: datetime) -> dict[str, datetime]:
    # Once in a query: of two lower bounds SQLite may begin at the lesser one, and read a day for
    # each slice of it.
    return {"success_time__gte": start, "success_time__lt": end}


def _day(bill: Bill) -> tuple[datetime, datetime]:
    day = bill.bill_date
    start = datetime(day.year, day.month, day.day, tzinfo=BEIJING)
    return start, start + timedelta(days=1)


def _fetched(rows: QuerySet[T]) -> list[T]:
    return retry_on_lock(lambda: list(rows.all()))


def _text(name: str) -> Any:
    # As the database has it: a column's own conversion, in Python, would be a tenth of the scan.
    return Coalesce(F(name), Value(""), output_field=CharField())


def _slices(
    columns: QuerySet[Any, Any], every: QuerySet[Any], start: datetime, end: datetime
) -> Iterator[list[Row]]:
    # Cut by columns of the index alone: with a condition on another one, all rows are read twice.
    moments = every.order_by("success_time").values_list("success_time", flat=True)
    while start < end:
        cut = _end_of_slice(moments, start, end)
        slice_ = columns.filter(**_between(start, cut))
        yield retry_on_lock(lambda found=slice_: list(found.all()))  # type: ignore[misc]
        start = cut


def _end_of_slice(moments: QuerySet[Any, Any], start: datetime, end: datetime) -> datetime:
    """Return the first moment that is not of the slice which begins at ``start``."""

    def first(after: datetime, skipped: int) -> datetime:
        found = moments.filter(**_between(after, end))[skipped : skipped + 1]
        return next(iter(found), end)

    cut = retry_on_lock(lambda: first(start, _SLICE))
    # Of more than a slice in one moment, all is one slice.
    return cut if cut > start else retry_on_lock(lambda: first(start + _LEAST, 0))
