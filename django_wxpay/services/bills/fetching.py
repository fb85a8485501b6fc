"""Bills that are due: yesterday's of every merchant, missed days, and those to try again.

One bill is fetched of each mch_id, by the first alias that has it, and reconciled at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django_wxpay.models import Bill
from django_wxpay.models.choices import BillKinds
from django_wxpay.protocol.errors import BillNotReady, WXPayError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.services import clock
from django_wxpay.services.bills.accounts import accounts, first_day
from django_wxpay.services.bills.days import latest_due
from django_wxpay.services.bills.downloading import download_bill
from django_wxpay.services.bills.reconciling import reconcile
from django_wxpay.services.transactions import require_no_transaction

logger = logging.getLogger("django_wxpay.bills")


# Where the latest run of this process was full: the merchant that it had come to, as "alias".
_latest: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class BillsRun:
    """The counts of one run: ``not_ready`` and ``failed`` are tried again half an hour later."""

    found: int = 0
    fetched: int = 0
    reconciled: int = 0
    not_ready: int = 0
    failed: int = 0


def fetch_bills(*, limit: int = 20, stop: Callable[[], bool] = lambda: False) -> BillsRun:
    """Fetch and reconcile the trade bills that are due, the oldest day of each merchant first.

    From 10:10 in Beijing on that is yesterday's, and every day before it that was missed: 90
    days at most, and none before the first payment that is known here.
    """
    require_no_transaction("fetch_bills")
    counts = dict.fromkeys(("found", "fetched", "reconciled", "not_ready", "failed"), 0)
    for account, day in _due(limit):
        if stop():
            break
        counts["found"] += 1
        try:
            bill = download_bill(account.alias, bill_date=day)
            counts["fetched"] += 1
            reconcile(bill)
            counts["reconciled"] += 1
        except BillNotReady:
            counts["not_ready"] += 1
        except WXPayError as error:
            logger.warning("the bill of %s for %s: %s", account.alias, day, error)
            counts["failed"] += 1
    return BillsRun(**counts)


def missing_days(account: Merchant, last: date) -> list[date]:
    """Return the days up to ``last`` whose trade bill is not reconciled, the oldest first."""
    first = first_day(account, last)
    if first is None:
        return []
    days = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    bills = Bill.objects.filter(
        mch_id=account.mch_id,
        kind=BillKinds.TRADE,
        sub_mch_id="",
        bill_date__range=(first, last),
        reconciled_at__isnull=False,
    )
    done = set(bills.values_list("bill_date", flat=True))
    return [day for day in days if day not in done]


def _due(limit: int) -> Iterator[tuple[Merchant, date]]:
    now = clock.now()
    last = latest_due(now)
    left = limit
    # A full run is followed by another one, which would pass all those over again that have none.
    for account in accounts(beginning_with=_latest.get("alias", "")):
        if left <= 0:
            return
        days = missing_days(account, last)
        if not days:
            continue
        resting = set(
            Bill.objects.filter(
                merchant=account.alias,
                kind=BillKinds.TRADE,
                sub_mch_id="",
                bill_date__in=days,
                next_try_at__gt=now,
            ).values_list("bill_date", flat=True)
        )
        for day in [day for day in days if day not in resting][:left]:
            left -= 1
            if left == 0:
                _latest["alias"] = account.alias
            yield account, day
    _latest.clear()
