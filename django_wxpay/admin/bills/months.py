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
from typing import Any, Final

from django.db.models import Count, Q
from django.utils.translation import gettext, ngettext

from django_wxpay import conf
from django_wxpay.admin import display
from django_wxpay.admin.bills.fees import exact
from django_wxpay.models import Bill
from django_wxpay.models.choices import BillKinds, BillStatuses, DiscrepancyStatuses
from django_wxpay.protocol.money import format_amount
from django_wxpay.services.accounts.database import merchant_numbers
from django_wxpay.services.bills.accounts import first_day
from django_wxpay.services.bills.days import latest_due
from django_wxpay.services.bills.fees import totals_of

MOST_CALENDARS: Final = 24
_PRINTED: Final = ("kind", "mch_id", "sub_mch_id", "bill_date", "merchant", "totals")
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
class Month:
    """Merchant numbers that are shown, each with its aliases, and their bills in order of days.

    Each of ``bills`` has the number of its open differences, as ``open_count``. ``printed`` are the
    bills of all, with the columns that are added up.
    """

    first: date
    shown: list[tuple[str, list[str]]]
    bills: list[Bill]
    printed: list[Any]


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


def month_of(first: date, merchant: str) -> Month:
    """Return the trade bills of a month, of the merchant number of ``merchant`` or of all.

    Of thousands of merchants a page shows few; so these are chosen first, by what costs little.
    """
    known = aliases()
    found = Bill.objects.filter(kind=BillKinds.TRADE, bill_date__range=(first, last_of(first)))
    if merchant:
        numbers = [number for number, names in known.items() if merchant in names]
        found = found.filter(Q(mch_id__in=numbers) if numbers else Q(merchant=merchant))
    found = found.order_by("bill_date", "id")
    printed = list(found.values_list(*_PRINTED, named=True))
    for row in printed:
        known.setdefault(row.mch_id, [row.merchant])
    by_name = sorted(known.items(), key=lambda item: item[1])
    shown = [each for each in by_name if not merchant or merchant in each[1]][:MOST_CALENDARS]
    is_open = Q(discrepancies__status=DiscrepancyStatuses.OPEN)
    bills = found.filter(mch_id__in=[number for number, _names in shown])
    return Month(
        first=first,
        shown=shown,
        bills=list(bills.annotate(open_count=Count("discrepancies", filter=is_open))),
        printed=printed,
    )


def aliases() -> dict[str, list[str]]:
    """Return the aliases of each merchant number of the settings, in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    for alias, mch_id in merchant_numbers():
        found[mch_id].append(alias)
    return dict(found)


def calendars(month: Month, *, now: datetime, addresses: Addresses) -> list[Calendar]:
    """Return a calendar for each merchant number that has bills, or stands in the settings.

    Of very many these are the first; the others are seen by naming their merchant.
    """
    by_number: dict[str, dict[date, Bill]] = defaultdict(dict)
    missing = _missing_from(now)
    for bill in month.bills:
        days = by_number[bill.mch_id]
        # Two aliases of one number may both have been asked; the bill that is further counts.
        if bill.bill_date not in days or bill.reconciled_at:
            days[bill.bill_date] = bill
    found = []
    for number, names in month.shown:
        cell = partial(
            _day, bills=by_number[number], alias=names[0], due=missing(names[0]), at=addresses
        )
        weeks = _weeks(month.first, cell)
        found.append(Calendar(title=f"{', '.join(names)} ({number})", weeks=weeks))
    return found


def _missing_from(now: datetime) -> Callable[[str], Due]:
    """Return what tells, by merchant, the first and the last day that are to be fetched."""
    last = latest_due(now)

    def due(alias: str) -> Due:
        account = conf.find_merchant(alias)
        first = first_day(account, last) if account else None
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
    # Counted by ``month_of``.
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


def totals(bills: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Return a row for each currency: payments, paid, refunds, refunded, fees, net.

    ``bills`` are such, or rows of a month with the columns that are added up.
    """
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
