"""Fees of payments and refunds, written once, from the first bill that has them; and sums.

Bills are added up as WeChat Pay printed them: what was paid, paid back, taken as fees, and left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

from django_wxpay.models import Bill, Fee
from django_wxpay.models.choices import BillKinds
from django_wxpay.models.order import FEE_DECIMALS
from django_wxpay.services import clock
from django_wxpay.services.transactions import retry_on_lock

_BATCH: Final = 1000


class Fees:
    """The fees of one bill on their way to the database."""

    def __init__(self, bill: Bill) -> None:
        self._of_bill = Fee.objects.filter(bill=bill)
        self._common: dict[str, Any] = {"bill": bill, "created_at": clock.now()}
        self._waiting: list[Fee] = []
        self._before: int | None = None

    @property
    def written(self) -> int:
        """The number of fees that are new, once all is flushed."""
        if self._before is None:
            return 0
        return retry_on_lock(self._of_bill.count) - self._before

    def of_order(self, pk: int, fee_e5: int, currency: str, rate: str) -> None:
        """Note the fee of a payment that has none yet."""
        fee = Fee(order_id=pk, fee_e5=fee_e5, currency=currency, rate=rate, **self._common)
        self._add(fee)

    def of_refund(self, pk: int, fee_e5: int, currency: str, rate: str) -> None:
        """Note the fee of a refund that has none yet."""
        fee = Fee(refund_id=pk, fee_e5=fee_e5, currency=currency, rate=rate, **self._common)
        self._add(fee)

    def flush(self) -> None:
        """Write what waits. One that another process has written meanwhile stays as it is."""
        if not self._waiting:
            return
        if self._before is None:
            self._before = retry_on_lock(self._of_bill.count)
        fees, self._waiting = self._waiting, []
        retry_on_lock(partial(Fee.objects.bulk_create, fees, ignore_conflicts=True))

    def _add(self, fee: Fee) -> None:
        self._waiting.append(fee)
        if len(self._waiting) >= _BATCH:
            self.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of one currency, in minor units; ``fees`` may be finer than these."""

    currency: str
    payments: int = 0
    paid: int = 0
    refunds: int = 0
    refunded: int = 0
    fees: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """What is left: paid, less what was paid back, less the fees."""
        return self.paid - self.refunded - self.fees


def totals_of(bills: Iterable[Bill]) -> list[Totals]:
    """Add up trade bills, as WeChat Pay printed them; one row for each currency, by its name.

    Bills of other kinds are passed over. Of two aliases of one mch_id the bill of a day is the
    same, and counts once.
    """
    counted: set[tuple[object, ...]] = set()
    sums: dict[str, Totals] = {}
    for bill in bills:
        key = (bill.mch_id, bill.sub_mch_id, bill.bill_date)
        if bill.kind != BillKinds.TRADE or key in counted:
            continue
        counted.add(key)
        for currency, printed in bill.totals.items():
            known = sums.get(currency, Totals(currency=currency))
            fees = Decimal(printed["fees_e5"]).scaleb(-FEE_DECIMALS)
            sums[currency] = Totals(
                currency=currency,
                payments=known.payments + printed["payments"],
                paid=known.paid + printed["paid"],
                refunds=known.refunds + printed["refunds"],
                refunded=known.refunded + printed["refunded"],
                fees=known.fees + fees,
            )
    return [sums[currency] for currency in sorted(sums)]
