"""Merchants whose bills are fetched, and from which day on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.bills.requests import days_kept
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.times import BEIJING
from django_wxpay.services.accounts.database import merchant_numbers
from django_wxpay.services.bills.days import MOST_DAYS


def accounts(*, beginning_with: str = "") -> Iterator[Merchant]:
    """Yield the merchant of every mch_id: the first alias that has it.

    They come in their order, or from the alias ``beginning_with`` on and then those before it.
    """
    firsts: dict[str, str] = {}
    for alias, mch_id in merchant_numbers():
        firsts.setdefault(mch_id, alias)
    names = list(firsts.values())
    start = names.index(beginning_with) if beginning_with in names else 0
    for alias in [*names[start:], *names[:start]]:
        if (account := conf.find_merchant(alias)) is not None:
            yield account


def first_day(account: Merchant, last: date) -> date | None:
    """Return the first day whose bill is fetched, if ``last`` is the last; None before business."""
    kept = min(MOST_DAYS, days_kept(account.region, account.api))
    paid = Order.objects.filter(mch_id=account.mch_id, success_time__isnull=False)
    moment = paid.order_by("success_time").values_list("success_time", flat=True).first()
    if moment is None:
        return None
    oldest = last - timedelta(days=kept - 1)
    return max(oldest, moment.astimezone(BEIJING).date())
