"""A month of bills: a calendar of days for each merchant number, and sums by currency.

Aliases that share a merchant number share its bills. A day counts as missing once its bill is
made, and for as long as the worker fetches it.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext, ngettext

from django_wxpay.admin import display
from django_wxpay.admin.bills.fees import exact
from django_wxpay.admin.filters import configured
from django_wxpay.models import Bill
from django_wxpay.models.choices import BillKinds, BillStatuses, DiscrepancyStatuses
from django_wxpay.protocol.money import format_amount
from django_wxpay.services.bills.accounts import accounts, first_day
from django_wxpay.services.bills.days import latest_due
from django_wxpay.services.bills.fees import totals_of

# The first and the last day whose bills are to be here.
Due = tuple[date, date] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A cell: its day of the month, a word, a tone, and where it leads."""

    number: int
    text: str = ""
    tone: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The month of one merchant number; None stands for the days of other months."""

    title: str
    weeks: list[list[Day | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a day leads: its bill, its open differences, or the question whether to fetch it."""

    bill: Callable[[Bill], str]
    differences: Callable[[Bill], str]
    fetch: Callable[[str, date], str]


def first_of(text: str) -> date | None:
    """Return the first day of the month that ``text`` names as ``YYYY-MM``, or None."""
    if len(text) != len("2026-01") or not text.isascii():
        return None
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return first if date(2000, 1, 1) <= first < date(2100, 1, 1) else None


def last_of(first: date) -> date:
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def bills_of(first: date, merchant: str) -> list[Bill]:
    """Return the trade bills of a month, of the merchant number of ``merchant`` or of all.

    Each has the number of its open differences, as ``open_count``.
    """
    is_open = Q(discrepancies__status=DiscrepancyStatuses.OPEN)
    of_month = Bill.objects.filter(kind=BillKinds.TRADE, bill_date__range=(first, last_of(first)))
    found = of_month.annotate(open_count=Count("discrepancies", filter=is_open))
    found = found.order_by("bill_date", "id")
    numbers = {number for number, names in aliases().items() if merchant in names}
    if merchant:
        return list(
            found.filter(mch_id__in=numbers) if numbers else found.filter(merchant=merchant)
        )
    return list(found)


def aliases() -> dict[str, list[str]]:
    """Return the aliases of each merchant number of the settings, in their order."""
    config = configured()
    found: dict[str, list[str]] = defaultdict(list)
    for alias, merchant in (config.merchants if config else {}).items():
        found[merchant.mch_id].append(alias)
    return dict(found)


def calendars(
    first: date, bills: Iterable[Bill], *, merchant: str, now: datetime, addresses: Addresses
) -> list[Calendar]:
    """Return a calendar for each merchant number that has bills, or stands in the settings."""
    by_number: dict[str, dict[date, Bill]] = defaultdict(dict)
    known = aliases()
    missing = _missing_from(now)
    for bill in bills:
        days = by_number[bill.mch_id]
        # Two aliases of one number may both have been asked; the bill that is further counts.
        if bill.bill_date not in days or bill.reconciled_at:
            days[bill.bill_date] = bill
        known.setdefault(bill.mch_id, [bill.merchant])
    found = []
    for number, names in sorted(known.items(), key=lambda item: item[1]):
        if merchant and merchant not in names:
            continue
        cell = partial(
            _day, bills=by_number[number], alias=names[0], due=missing(number), at=addresses
        )
        found.append(Calendar(title=f"{', '.join(names)} ({number})", weeks=_weeks(first, cell)))
    return found


def _missing_from(now: datetime) -> Callable[[str], Due]:
    """Return what tells, by merchant number, the first and the last day that are to be fetched."""
    config = configured()
    last = latest_due(now)
    merchants = {each.mch_id: each for each in accounts()} if config else {}

    def due(number: str) -> Due:
        first = first_day(merchants[number], last) if number in merchants else None
        return (first, last) if first else None

    return due


def _weeks(first: date, cell: Callable[[date], Day]) -> list[list[Day | None]]:
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    return [[cell(day) if day.month == first.month else None for day in week] for week in weeks]


def _day(day: date, *, bills: Mapping[date, Bill], alias: str, due: Due, at: Addresses) -> Day:
    bill = bills.get(day)
    if bill is None:
        if due is None or not due[0] <= day <= due[1]:
            return Day(number=day.day)
        text = gettext("missing")
        return Day(number=day.day, text=text, tone=display.WAITING, address=at.fetch(alias, day))
    # Counted by ``bills_of``.
    open_: int = bill.open_count  # type: ignore[attr-defined]
    if open_:
        text = ngettext("%(count)d open", "%(count)d open", open_) % {"count": open_}
        return Day(number=day.day, text=text, tone=display.BAD, address=at.differences(bill))
    text, tone = _words()[bill.status]
    return Day(number=day.day, text=text, tone=tone, address=at.bill(bill))


def _words() -> dict[str, tuple[str, str]]:
    return {
        BillStatuses.PENDING: (gettext("not fetched"), display.WAITING),
        BillStatuses.DOWNLOADED: (gettext("not compared"), display.WAITING),
        BillStatuses.EMPTY: (gettext("empty"), display.QUIET),
        BillStatuses.RECONCILED: (gettext("OK"), display.GOOD),
        BillStatuses.FAILED: (gettext("failed"), display.BAD),
    }


def totals(bills: Iterable[Bill]) -> list[tuple[Any, ...]]:
    """Return a row for each currency: payments, paid, refunds, refunded, fees, net."""
    return [
        (
            row.currency,
            row.payments,
            format_amount(row.paid, row.currency),
            row.refunds,
            format_amount(row.refunded, row.currency),
            exact(row.fees, row.currency),
            exact(row.net, row.currency),
        )
        for row in totals_of(bills)
    ]
