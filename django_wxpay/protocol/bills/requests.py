"""Days of which a bill can be asked for."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from django_wxpay.protocol.bills.rows import BillKind, BillRequest
from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.times import BEIJING

# "Within three months" (protocol-v2 section 6.6, protocol-v3 section 4.5), and 180 days of the
# global statements (protocol-v3 section 3.7). Which day is the last of three months is not said;
# WeChat Pay refuses the ones that are too old.
_THREE_MONTHS: Final = 92
_OF_STATEMENTS: Final = 180


def days_kept(region: Region, api: Api) -> int:
    """Return how many days back bills can be asked for."""
    return _OF_STATEMENTS if _has_statements(region, api) else _THREE_MONTHS


def _has_statements(region: Region, api: Api) -> bool:
    return region is Region.GLOBAL and api is Api.V3


def check_bill(request: BillRequest, *, now: datetime, region: Region, api: Api) -> None:
    """Raise ``InvalidParameter`` for a bill that there cannot be; no call."""
    today = now.astimezone(BEIJING).date()
    oldest = today - timedelta(days=days_kept(region, api))
    day = request.bill_date
    # A datetime is a date to Python, and of another zone perhaps.
    if isinstance(day, datetime):
        raise InvalidParameter("bill_date", _("is not a date"), _("a day before today, in Beijing"))
    if day >= today:
        raise InvalidParameter(
            "bill_date",
            _("%(day)s is not over in Beijing", day=day),
            _("at the latest %(day)s", day=today - timedelta(1)),
        )
    if day < oldest:
        raise InvalidParameter(
            "bill_date",
            _("%(day)s is too long ago", day=day),
            _("at the earliest %(oldest)s", oldest=oldest),
        )
    if _has_statements(region, api) and request.kind is BillKind.FUND_FLOW:
        raise InvalidParameter("kind", _("the global APIv3 has no fund flow bills"), "trade")


def may_be_made(bill_date: date, now: datetime) -> bool:
    """Return whether the bill of a day may still be in the making: before 10:00 of the next day."""
    ready = datetime(bill_date.year, bill_date.month, bill_date.day, 10, tzinfo=BEIJING)
    return now < ready + timedelta(days=1)
