"""A month of bills for the pages: days that agree, differ, are empty, failed or missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone

from django_wxpay.models import Bill, Discrepancy, Order
from django_wxpay.services.bills.days import latest_due
from tests.factories import (
    BillFactory,
    DiscrepancyFactory,
    FeeFactory,
    OrderFactory,
    RefundFactory,
)


def newest_month() -> date:
    """Return the first day of the month that the page shows first."""
    return latest_due(timezone.now()).replace(day=1)


def a_month(first: date) -> dict[str, Bill]:
    """Make 20 days of bills from ``first`` on, and return those of each kind."""
    opened = datetime.combine(first, time(4), UTC)
    OrderFactory(paid=True, success_time=opened)
    days = [first + timedelta(days=n) for n in range(20)]
    bills = {"good": BillFactory(bill_date=days[0])}
    for day in days[1:20]:
        match day.day:
            case 4:
                bills["empty"] = BillFactory(bill_date=day, empty=True)
            case 7:
                bills["failed"] = BillFactory(bill_date=day, failed=True)
            case 9:
                pass  # missing
            case 12:
                bills["open"] = BillFactory(bill_date=day)
            case 15:
                bills["fetched"] = BillFactory(bill_date=day, fetched=True)
            case _:
                paid = 125_000 + day.day * 731
                totals = {
                    "payments": 90 + day.day,
                    "paid": paid,
                    "refunds": 2,
                    "refunded": 2_500,
                    "fees_e5": paid * 600,
                }
                BillFactory(bill_date=day, totals={"CNY": totals})
    differences(bills["open"])
    return bills


def differences(bill: Bill) -> list[Discrepancy]:
    """Make an amount that differs, a payment that nobody knows, a refund, and a resolved one."""
    order: Order = OrderFactory(paid=True)
    FeeFactory(order=order, bill=bill)
    return [
        DiscrepancyFactory(bill=bill, local_order=order),
        DiscrepancyFactory(
            bill=bill,
            missing_here=True,
            theirs={"total_fee": 4500, "fee_type": "CNY", "trade_state": "SUCCESS"},
        ),
        DiscrepancyFactory(bill=bill, refund=True, local_refund=RefundFactory(order=order)),
        DiscrepancyFactory(bill=bill, resolved=True),
    ]
