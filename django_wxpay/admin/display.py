"""Display of values in the admin: badges, links and amounts.

A badge has a colour and always the word itself. The colours are the admin's own variables, so
they follow its light, dark and custom themes. A link stays on the site that shows it; where that
site has no such page, the text stands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.admin import display as column
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.timezone import is_naive, localtime
from django.utils.translation import gettext as _

from django_wxpay.models import ApiReport, Order
from django_wxpay.models.choices import (
    EventKinds,
    NotificationOutcomes,
    ReportStatuses,
)
from django_wxpay.protocol.facts import RefundStatus, TradeState
from django_wxpay.protocol.money import format_amount
from django_wxpay.protocol.redaction import redact

GOOD, WAITING, BAD, QUIET = "good", "waiting", "bad", "quiet"

TONES: Final[dict[str, str]] = {
    TradeState.CREATED: QUIET,
    TradeState.NOTPAY: WAITING,
    TradeState.USERPAYING: WAITING,
    TradeState.SUCCESS: GOOD,
    TradeState.REFUND: GOOD,
    TradeState.CLOSED: QUIET,
    TradeState.REVOKED: QUIET,
    TradeState.PAYERROR: BAD,
    EventKinds.PAID: GOOD,
    EventKinds.CONFLICTED: BAD,
    EventKinds.MOVED: QUIET,
    EventKinds.REFUND_SETTLED: QUIET,
    EventKinds.PAID_TWICE: BAD,
    EventKinds.RECEIVED: QUIET,
    EventKinds.NOTE: QUIET,
    NotificationOutcomes.APPLIED: GOOD,
    NotificationOutcomes.CONFLICT: BAD,
    NotificationOutcomes.IGNORED: QUIET,
    NotificationOutcomes.FAILED: WAITING,
}

# Apart from the others: CLOSED is quiet for an order, but a refund closed is money not paid back.
REFUND_TONES: Final[dict[str, str]] = {
    RefundStatus.PROCESSING: QUIET,
    RefundStatus.SUCCESS: GOOD,
    RefundStatus.CLOSED: WAITING,
    RefundStatus.ABNORMAL: BAD,
}

# Apart as well: FAILED is tried again for a notification, and final for a report.
REPORT_TONES: Final[dict[str, str]] = {
    ReportStatuses.PENDING: WAITING,
    ReportStatuses.SENT: GOOD,
    ReportStatuses.FAILED: BAD,
    ReportStatuses.SKIPPED: QUIET,
    ReportStatuses.NOT_REPORTABLE: QUIET,
}


def badge(text: Any, tone: str) -> SafeString:
    """Return ``text`` on the colour of ``tone``."""
    return format_html('<span class="wxpay-badge wxpay-{}">{}</span>', tone, text)


def value_badge(value: str, label: Any) -> SafeString:
    """Return a state, an event's kind or a notification's outcome as a badge."""
    return badge(label, TONES[value])


def wire_name(name: str) -> SafeString:
    """Return the name of a field in WeChat Pay's interfaces, for whoever reads their documents."""
    return format_html(
        '<code class="wxpay-wire" title="{}">{}</code>',
        _("Its name in WeChat Pay's interfaces"),
        name,
    )


def bank(code: str) -> str:
    """Return a ``bank_type``, an open set, with the kind of card that its ending tells."""
    if code == "OTHERS":
        return _("another bank (%(code)s)") % {"code": code}
    if code.endswith("_DEBIT"):
        return _("%(code)s (debit card)") % {"code": code}
    if code.endswith("_CREDIT"):
        return _("%(code)s (credit card)") % {"code": code}
    return code


def report_badge(value: str) -> SafeString:
    return badge(ReportStatuses(value).label, REPORT_TONES[value])


def state_badge(order: Order) -> SafeString:
    """Return the state of an order, "Refused" where WeChat Pay never accepted it."""
    if order.trade_state == TradeState.CREATED and order.err_code:
        return badge(_("Refused"), BAD)
    return value_badge(order.trade_state, order.get_trade_state_display())


def answer_badge(report: ApiReport) -> SafeString:
    """Return the result of a call: a failure, a refusal, or OK."""
    if report.failure:
        return badge(report.failure, BAD)
    if report.err_code or "FAIL" in {report.return_code, report.result_code}:
        return badge(report.err_code or "FAIL", WAITING)
    return badge("OK", GOOD)


def page_address(site: AdminSite, model: type[Model], page: str, *args: Any) -> str:
    """Return the address of a page of ``model`` on ``site``, or "" where the site has none."""
    opts = model._meta  # noqa: SLF001 - Django's documented model API
    name = f"admin:{opts.app_label}_{opts.model_name}_{page}"
    try:
        return reverse(name, args=args, current_app=site.name)
    except NoReverseMatch:
        # A project may show some of the models on a site of its own, and not the others.
        return ""


def page_link(site: AdminSite, model: type[Model], pk: int, text: Any) -> SafeString:
    """Return a link to the page of one row, which need not be loaded for it."""
    return _link(page_address(site, model, "change", pk), text)


def list_link(site: AdminSite, model: type[Model], text: Any, **lookups: str) -> SafeString:
    """Return a link to the rows that have these values."""
    return _link(list_address(site, model, **lookups), text)


def more_link(site: AdminSite, model: type[Model], **lookups: str) -> SafeString | str:
    """Return the link "See all" to these rows, or "" where ``site`` has no list of them."""
    address = list_address(site, model, **lookups)
    return _link(address, _("See all")) if address else ""


def list_address(site: AdminSite, model: type[Model], **lookups: str) -> str:
    """Return the address of the rows that have these values, or "" where ``site`` has none."""
    address = page_address(site, model, "changelist")
    return f"{address}?{urlencode(lookups)}" if address and lookups else address


def _link(address: str, text: Any) -> SafeString:
    return (
        format_html('<a href="{}">{}</a>', address, text) if address else conditional_escape(text)
    )


def may_see(site: AdminSite, request: HttpRequest, model: type[Model]) -> bool:
    """Return whether this person may see rows of ``model`` on ``site``."""
    if site.is_registered(model):
        # A project may have registered a class of its own, with other rules.
        return site.get_model_admin(model).has_view_permission(request)
    opts = model._meta  # noqa: SLF001 - Django's documented model API
    return request.user.has_perm(f"{opts.app_label}.view_{opts.model_name}")


def may_operate(site: AdminSite, request: HttpRequest, model: type[Model]) -> bool:
    """Return whether this person may use the actions of ``model`` on ``site``."""
    if site.is_registered(model):
        # A class of the project's own may have no actions at all.
        asks = getattr(site.get_model_admin(model), "has_operate_permission", None)
        return bool(asks and asks(request))
    return False


def with_merchant(shown: str, merchant: str) -> SafeString | str:
    """Return a cell with the merchant below it; "default" is what most sites have alone."""
    if merchant == "default":
        return shown or "-"
    return format_html('{} <small class="wxpay-merchant">{}</small>', shown, merchant)


def moment(when: datetime) -> str:
    """Return a time in the zone of this site, with its name: ``2026-11-29 17:03:05 CST``."""
    here = when if is_naive(when) else localtime(when)
    return f"{here:%Y-%m-%d %H:%M:%S} {here.tzname() or ''}".rstrip()


def time_column(model: type[Model], name: str) -> Callable[[Any], str]:
    """Return a column of a list, or of a page, that shows the time ``name`` as ``moment`` does.

    It is the same object each time, for Django finds columns again by themselves.
    """
    field: Any = model._meta.get_field(name)  # noqa: SLF001 - Django's documented model API
    return _time_column(name, field.verbose_name)


@cache
def _time_column(name: str, label: Any) -> Callable[[Any], str]:
    def shown(row: Any) -> str:
        when = getattr(row, name)
        return moment(when) if when else "-"

    # Django names the cells after it, and sorts by it.
    shown.__name__ = name
    return column(description=label, ordering=name)(shown)


def masked(openid: str) -> str:
    """Return enough of an openid to recognise it, and too little to use it."""
    return redact({"openid": openid})["openid"]


def payer(order: Order) -> str:
    """Return the payer's ids, redacted; "" where WeChat Pay gave none."""
    ids = {
        "openid": order.payer_openid,
        "sp_openid": order.payer_sp_openid,
        "sub_openid": order.payer_sub_openid,
    }
    return ", ".join(f"{name} {masked(ids[name])}" for name in ids if ids[name])


def money(amount: int | None, currency: str) -> str:
    """Return minor units of ``currency`` in major units; a dash where WeChat Pay gave none."""
    return "-" if amount is None else format_amount(amount, currency)
