"""The month above the list of bills: calendars, sums, and the ways to other months."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.bills import months
from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import DiscrepancyStatuses
from django_wxpay.services import clock
from django_wxpay.services.bills.days import latest_due

COLUMNS: Final = (
    _("currency"),
    _("payments"),
    _("paid"),
    _("refunds"),
    _("refunded"),
    _("fees"),
    _("net"),
)


class BillPage(Protocol):
    """What is asked of the admin of bills."""

    admin_site: AdminSite

    def may_fetch(self, request: HttpRequest) -> bool: ...

    def address(self, bill: Bill) -> str: ...


def overview(page: BillPage, request: HttpRequest) -> dict[str, Any]:
    """Return what the template shows of the month in the address, or of the latest one."""
    now = clock.now()
    newest = latest_due(now).replace(day=1)
    first = months.first_of(request.GET.get("month", "")) or newest
    merchant = request.GET.get("merchant", "")[:64].replace("\0", "")
    found = months.month_of(first, merchant)
    return {
        "month": date_format(first, "YEAR_MONTH_FORMAT"),
        "earlier": _address(first - timedelta(days=1), merchant),
        "later": _address(months.last_of(first) + timedelta(days=1), merchant)
        if first < newest
        else "",
        "weekdays": [WEEKDAYS_ABBR[number] for number in range(7)],
        "calendars": months.calendars(found, now=now, addresses=_addresses(page, request)),
        "columns": COLUMNS,
        "totals": months.totals(found.printed),
        "differences": _differences(page, request, first, merchant),
    }


def _differences(page: BillPage, request: HttpRequest, first: date, merchant: str) -> str:
    site = page.admin_site
    if not display.may_see(site, request, Discrepancy):
        return ""
    asked = {"month": f"{first:%Y-%m}"} | ({"merchant": merchant} if merchant else {})
    return display.list_address(site, Discrepancy, **asked)


def _address(day: date, merchant: str) -> str:
    asked = {"month": f"{day:%Y-%m}"} | ({"merchant": merchant} if merchant else {})
    return f"?{urlencode(asked)}"


def _addresses(page: BillPage, request: HttpRequest) -> months.Addresses:
    site = page.admin_site
    sees = display.may_see(site, request, Discrepancy)
    fetches = page.may_fetch(request)
    fetch_page = display.page_address(site, Bill, "fetch")

    def differences(bill: Bill) -> str:
        if not sees:
            return page.address(bill)
        status = DiscrepancyStatuses.OPEN.value
        lookups = {"bill__id__exact": str(bill.pk), "status__exact": status}
        return display.list_address(site, Discrepancy, **lookups) or page.address(bill)

    def fetch(alias: str, day: date) -> str:
        asked = urlencode({"merchant": alias, "day": f"{day:%Y-%m-%d}"})
        return f"{fetch_page}?{asked}" if fetches else ""

    return months.Addresses(bill=page.address, differences=differences, fetch=fetch)
