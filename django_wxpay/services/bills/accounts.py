"""Merchants whose bills are fetched, and from which day on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.bills.requests import days_kept
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.times import BEIJING
from django_wxpay.services.bills.days import MOST_DAYS


def accounts() -> Iterator[Merchant]:
    """Yield the merchant of every mch_id: the first alias that has it."""
    seen: dict[str, Merchant] = {}
    for account in conf.merchants().values():
        seen.setdefault(account.mch_id, account)
    yield from seen.values()


def first_day(account: Merchant, last: date) -> date | None:
    """Return the first day whose bill is fetched, if ``last`` is the last; None before business."""
    kept = min(MOST_DAYS, days_kept(account.region, account.api))
    paid = Order.objects.filter(mch_id=account.mch_id, success_time__isnull=False)
    moment = paid.order_by("success_time").values_list("success_time", flat=True).first()
    if moment is None:
        return None
    oldest = last - timedelta(days=kept - 1)
    return max(oldest, moment.astimezone(BEIJING).date())
