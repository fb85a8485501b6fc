"""Reconciling: a trade bill compared with the payments and refunds that are here.

The bill is read to its end before anything is written, so one that cannot be read changes
nothing. Both sides are met number by number; rows that agree cost no query, and the others are
looked up in batches, asked for, and written as differences if they stay so.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import BillKinds, BillStatuses, DiscrepancyStatuses
from django_wxpay.protocol.bills.rows import BillEntry
from django_wxpay.protocol.bills.trades import TradeBillReader
from django_wxpay.protocol.errors import InvalidBill, InvalidParameter
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services import clock
from django_wxpay.services.bills.asking import Asking
from django_wxpay.services.bills.comparing import Comparing
from django_wxpay.services.bills.differences import Differences
from django_wxpay.services.bills.fees import Fees
from django_wxpay.services.bills.here import (
    order_rows,
    paid_at_most,
    refund_rows,
)
from django_wxpay.services.bills.matching import (
    OUT_REFUND_NO,
    OUT_TRADE_NO,
    TRADE_STATE,
    Matching,
)
from django_wxpay.services.bills.reading import bill_text
from django_wxpay.services.bills.sides import payment_missing_there, refund_missing_there
from django_wxpay.services.bills.spilling import Row
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.signals import bill_reconciled

logger = logging.getLogger("django_wxpay.bills")

_READ: Final = 2_000
_DOUBTFUL: Final = 200
_REVERSED: Final = "REVOKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The counts of one run.

    ``compared`` rows of the bill; ``asked`` questions to WeChat Pay; ``fees`` written; differences
    that were ``opened``, that are ``gone``, and all of the bill that are ``open`` now.
    """

    bill: Bill
    compared: int
    asked: int
    fees: int
    opened: int
    gone: int
    open: int


def reconcile(bill: Bill) -> Reconciliation:
    """Compare a trade bill with what is here, and return the counts; ``bill`` is up to date then.

    What the bill says is paid or refunded, and is not here, is asked for and settled first. Running
    it again changes nothing unless something has changed. Sends ``bill_reconciled``. Raises
    ``InsideTransaction``, ``InvalidParameter`` for a bill of another kind or without its file,
    ``InvalidBill``, ``BillStorageError``. Source: protocol-v2 section 6.6.
    """
    require_no_transaction("reconcile")
    retry_on_lock(bill.refresh_from_db)
    if bill.kind != BillKinds.TRADE:
        raise InvalidParameter("bill", _("is of a kind that is not compared"), _("a trade bill"))
    if not bill.file and bill.status != BillStatuses.EMPTY:
        raise InvalidParameter("bill", _("is not downloaded"), _("a bill that is downloaded"))
    result = _Run(bill).run()
    _tell(bill)
    return result


class _Run:
    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self._asking = Asking()
        self._fees = Fees(bill)
        self._found = Differences(bill)
        self._comparing = Comparing(bill, asking=self._asking, fees=self._fees, found=self._found)

    def run(self) -> Reconciliation:
        bill = self._bill
        rows = max(bill.row_count, paid_at_most(bill))
        with (
            closing(Matching(rows, at=OUT_TRADE_NO, ours=order_rows(bill))) as payments,
            closing(Matching(rows, at=OUT_REFUND_NO, ours=refund_rows(bill))) as refunds,
        ):
            compared = self._read(payments, refunds) if bill.file else 0
            payments.end()
            refunds.end()
            self._settle_payments(payments)
            self._settle_refunds(refunds)
        self._fees.flush()
        self._found.resolve_gone()
        return self._ended(compared)

    def _read(self, payments: Matching, refunds: Matching) -> int:
        reader = TradeBillReader(bill_text(self._bill), name=self._bill.file)
        rows = reader.compared()
        while some := list(islice(rows, _READ)):
            refunds.add([row for row in some if _is_refund(row)])
            payments.add([row for row in some if not _is_refund(row)])
        totals = {currency: asdict(money) for currency, money in reader.totals.items()}
        if self._bill.totals not in ({}, totals):
            raise InvalidBill("is not the file that was downloaded", file=self._bill.file)
        return reader.row_count

    def _settle_payments(self, payments: Matching) -> None:
        for theirs, ours in payments.differing():
            reversed_ = {row[OUT_TRADE_NO] for row in theirs if row[TRADE_STATE] == _REVERSED}
            for entries in _batches(theirs):
                self._comparing.payments(entries, reversed_)
            for order in ours:
                self._found.add(payment_missing_there(order))
        for fees in payments.fees():
            for fee in fees:
                self._fees.of_order(*fee)

    def _settle_refunds(self, refunds: Matching) -> None:
        for theirs, ours in refunds.differing():
            for entries in _batches(theirs):
                self._comparing.refunds(entries)
            for refund in ours:
                self._found.add(refund_missing_there(refund))
        for fees in refunds.fees():
            for fee in fees:
                self._fees.of_refund(*fee)

    def _ended(self, compared: int) -> Reconciliation:
        bill, found, fees = self._bill, self._found, self._fees.written
        status = bill.status if bill.status == BillStatuses.EMPTY else BillStatuses.RECONCILED
        changed = found.opened or found.gone or fees
        if changed or bill.reconciled_at is None or bill.status != status:
            values = {"status": status, "reconciled_at": clock.now()}
            mine = Bill.objects.filter(pk=bill.pk)
            retry_on_lock(partial(mine.update, **values))
            bill.refresh_from_db()
        return Reconciliation(
            bill=bill,
            compared=compared,
            asked=self._asking.asked,
            fees=fees,
            opened=found.opened,
            gone=found.gone,
            open=retry_on_lock(_open(bill).count),
        )


def _is_refund(row: Row) -> bool:
    # A sale that was reversed may have the number of a refund that nobody has asked for.
    return bool(row[OUT_REFUND_NO]) and row[TRADE_STATE] != _REVERSED


def _batches(rows: list[Row]) -> Any:
    for start in range(0, len(rows), _DOUBTFUL):
        yield [BillEntry(*row) for row in rows[start : start + _DOUBTFUL]]


def _open(bill: Bill) -> Any:
    return Discrepancy.objects.filter(bill=bill, status=DiscrepancyStatuses.OPEN)


def _tell(bill: Bill) -> None:
    answers = bill_reconciled.send_robust(sender=Bill, bill=bill, discrepancies=_open(bill))
    for receiver, answer in answers:
        if isinstance(answer, Exception):
            logger.error("receiver %r of bill_reconciled raised", receiver, exc_info=answer)
