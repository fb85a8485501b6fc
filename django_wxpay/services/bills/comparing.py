"""Comparing of the rows that are not simply equal: with what is here by number, and by asking.

A payment is the one of its out_trade_no *and* its transaction_id. A row whose transaction is not
the order's is another payment, so it is missing here, with the order as our side; that the order's
own is missing there is the same difference, and not a second one.
"""

from __future__ import annotations

from typing import Final

from django_wxpay.models import Bill, Fee, Order, Refund
from django_wxpay.models.choices import DiscrepancyKinds as Kinds
from django_wxpay.protocol.bills.rows import BillEntry
from django_wxpay.protocol.facts import RefundStatus, TradeState
from django_wxpay.services.bills.asking import Asking, refund_here
from django_wxpay.services.bills.differences import Difference, Differences
from django_wxpay.services.bills.fees import Fees
from django_wxpay.services.bills.here import orders_of, refunds_of
from django_wxpay.services.bills.sides import of_payment, of_refund
from django_wxpay.services.transactions import retry_on_lock

# The bill's words for a refund that paid nothing back, or has not yet; both protocols'.
_ON_ITS_WAY: Final = frozenset({"PROCESSING"})
_FAILED: Final = frozenset({"FAIL", "CHANGE", "CLOSED", "ABNORMAL"})


class Comparing:
    """The doubtful rows of one bill, in batches."""

    def __init__(self, bill: Bill, *, asking: Asking, fees: Fees, found: Differences) -> None:
        self._bill = bill
        self._asking = asking
        self._fees = fees
        self._found = found

    def payments(self, entries: list[BillEntry], reversed_: set[str]) -> None:
        """Compare payments. ``reversed_`` are the numbers that the same bill calls reversed."""
        of_number, of_transaction = orders_of(self._bill, entries)
        for entry in entries:
            order = of_number.get(entry.out_trade_no)
            paid = of_transaction.get(entry.transaction_id)
            # Two aliases may have the number; the transaction says whose it is.
            if paid is not None and (order is None or paid.out_trade_no == order.out_trade_no):
                order = paid
            difference = self._payment(entry, order, is_reversed=entry.out_trade_no in reversed_)
            if difference is not None:
                self._found.add(difference)

    def refunds(self, entries: list[BillEntry]) -> None:
        """Compare refunds."""
        of_number, of_id = refunds_of(self._bill, entries)
        orders, of_transaction = orders_of(self._bill, entries)
        for entry in entries:
            refund = of_number.get(entry.out_refund_no)
            same = of_id.get(entry.refund_id)
            if same is not None and (refund is None or same.out_refund_no == refund.out_refund_no):
                refund = same
            order = of_transaction.get(entry.transaction_id) or orders.get(entry.out_trade_no)
            difference = self._refund(entry, refund, order)
            if difference is not None:
                self._found.add(difference)

    def _payment(
        self, entry: BillEntry, order: Order | None, *, is_reversed: bool
    ) -> Difference | None:
        ours = order if order is not None and order.out_trade_no == entry.out_trade_no else None
        answer = ""
        # What the bill calls paid is to be paid here, and what it calls reversed is not.
        if ours is not None and ours.is_paid == is_reversed:
            answer = self._asking.for_order(ours)
        if is_reversed:
            # Of a sale that is not here nothing was sold.
            kind = Kinds.REFUND_MISSING_HERE if ours is not None and ours.is_paid else None
        else:
            kind = _kind_of_payment(entry, ours, answer)
            if ours is not None and ours.is_paid and kind is not Kinds.MISSING_HERE:
                self._keep_fee(entry, ours)
        return of_payment(kind, entry, order, answer) if kind else None

    def _keep_fee(self, entry: BillEntry, order: Order) -> None:
        if not _has_fee(order=order):
            self._fees.of_order(order.pk, entry.fee_e5, entry.fee_currency, entry.rate)

    def _refund(
        self, entry: BillEntry, refund: Refund | None, order: Order | None
    ) -> Difference | None:
        answer = ""
        if order is not None and (refund is None or not _agree(entry, refund)):
            if not order.is_paid:
                self._asking.for_order(order)
            answer = self._asking.for_refund(order, entry.out_refund_no)
            refund = refund_here(order, entry.out_refund_no)
        if refund is None or refund.is_hint or _is_another(entry, refund):
            return of_refund(Kinds.REFUND_MISSING_HERE, entry, refund, order, answer)
        if not _has_fee(refund=refund):
            self._fees.of_refund(refund.pk, entry.fee_e5, entry.fee_currency, entry.rate)
        if (refund.refund_fee, refund.order.fee_type) != (entry.amount, entry.currency):
            return of_refund(Kinds.REFUND_AMOUNT, entry, refund, order)
        if not _has_same_status(entry, refund):
            return of_refund(Kinds.REFUND_STATUS, entry, refund, order, answer)
        return None


def _kind_of_payment(entry: BillEntry, order: Order | None, answer: str) -> Kinds | None:
    if order is None:
        return Kinds.MISSING_HERE
    if not order.is_paid:
        # WeChat Pay's own word, and the bill that says so may be the next day's.
        is_reversed = order.trade_state == TradeState.REVOKED and not answer
        return None if is_reversed else Kinds.UNPAID_HERE
    if order.transaction_id != entry.transaction_id:
        return Kinds.MISSING_HERE
    if order.fee_type != entry.currency:
        return Kinds.CURRENCY
    return Kinds.AMOUNT if order.total_fee != entry.amount else None


def _agree(entry: BillEntry, refund: Refund) -> bool:
    if refund.is_hint or _is_another(entry, refund):
        return False
    return _has_same_status(entry, refund)


def _is_another(entry: BillEntry, refund: Refund) -> bool:
    if refund.out_refund_no != entry.out_refund_no:
        return True
    return bool(refund.refund_id and entry.refund_id) and refund.refund_id != entry.refund_id


def _has_same_status(entry: BillEntry, refund: Refund) -> bool:
    # An older file has no such column.
    if not entry.refund_status or entry.refund_status in _ON_ITS_WAY:
        return True
    is_failed = entry.refund_status in _FAILED
    return is_failed != (refund.refund_status == RefundStatus.SUCCESS)


def _has_fee(**of: Order | Refund) -> bool:
    return retry_on_lock(lambda: Fee.objects.filter(**of).exists())
