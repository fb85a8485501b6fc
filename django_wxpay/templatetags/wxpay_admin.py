"""First page of the app: what was taken today, and what waits, fails or ends soon.

Each person sees the cards whose rows they may see. A card leads to its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django import VERSION, template
from django.contrib.admin import AdminSite
from django.contrib.admin.sites import all_sites
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_wxpay.admin import display
from django_wxpay.models import (
    BackgroundJob,
    Discrepancy,
    HourlyLatency,
    Order,
    OrderEvent,
    PlatformCertificate,
    RefusalCount,
)
from django_wxpay.models.choices import Attentions
from django_wxpay.protocol.money import format_amount
from django_wxpay.services.overview import Counted, Overview, overview

register = template.Library()


@register.simple_tag
def breadcrumbs_are_a_list() -> bool:
    """Return whether this Django writes the way to a page as a list, and styles nothing else."""
    return VERSION >= (6, 1)


# A job runs every few seconds; WeChat Pay has a successor of a certificate ready for weeks.
_LATELY: Final = timedelta(minutes=15)
_SOON: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A title, its figures and what belongs to them; ``tone`` is one of ``display``."""

    title: str
    lines: list[Any]
    notes: list[Any] = field(default_factory=list)
    tone: str = display.QUIET


@register.filter
def wxpay_shown(value: Any) -> Any:
    """Return a time with its seconds and its zone, and any other value as it is."""
    return display.moment(value) if isinstance(value, datetime) else value


@register.simple_tag(takes_context=True)
def wxpay_overview(context: template.Context) -> list[Card]:
    """Return the cards for the person of the page, or none without a permission for any."""
    request: HttpRequest = context["request"]
    site = next((one for one in all_sites if one.name == request.current_app), None)
    makers = [
        (Order, _takings),
        (Order, _success),
        (Order, _attention),
        (OrderEvent, _events),
        (BackgroundJob, _worker),
        (RefusalCount, _refusals),
        (HourlyLatency, _latency),
        (PlatformCertificate, _certificates),
        (Discrepancy, _differences),
    ]
    if site is None:
        return []
    allowed = [make for model, make in makers if display.may_see(site, request, model)]
    if not allowed:
        return []
    state = overview()
    return [card for make in allowed for card in make(site, state)]


def _counted(many: Counted) -> str:
    return _("%(many)d or more") % {"many": many} if many.is_cut else str(many)


def _takings(_site: AdminSite, state: Overview) -> Iterator[Card]:
    for each in state.takings:
        payments = ngettext("%(many)d payment", "%(many)d payments", each.payments)
        notes = [payments % {"many": each.payments}]
        if each.refunded:
            amount = format_amount(each.refunded, each.fee_type)
            notes.append(_("%(amount)s refunded") % {"amount": amount})
        yield Card(
            title=_("Taken today: %(merchant)s") % {"merchant": each.merchant},
            lines=[format_amount(each.paid, each.fee_type)],
            notes=notes,
            tone=display.GOOD,
        )
    if not state.takings:
        yield Card(title=_("Taken today"), lines=[_("Nothing yet")])


def _success(site: AdminSite, state: Overview) -> Iterator[Card]:
    rate = state.success_rate
    waiting = ngettext("%(many)d order waits", "%(many)d orders wait", state.waiting)
    if state.waiting.is_cut:
        waiting = _("%(many)d orders or more wait")
    placed = ngettext("of %(many)d order of today", "of %(many)d orders of today", state.placed)
    link = display.list_link(site, Order, waiting % {"many": state.waiting}, paid="no")
    yield Card(
        title=_("Paid"),
        lines=["-" if rate is None else f"{rate:.0%}"],
        notes=[placed % {"many": state.placed}, link],
    )


def _attention(site: AdminSite, state: Overview) -> Iterator[Card]:
    found = [(kind, many) for kind, many in state.attention.items() if many]
    lines = [
        display.list_link(site, Order, _said(kind, many), attention=kind.value)
        for kind, many in found
    ]
    yield Card(
        title=_("Needs attention"),
        lines=lines or [_("Nothing")],
        tone=display.BAD if found else display.GOOD,
    )


def _said(kind: Attentions, many: Counted) -> str:
    return _("%(reason)s: %(many)s") % {"reason": kind.label, "many": _counted(many)}


def _events(site: AdminSite, state: Overview) -> Iterator[Card]:
    many = state.undelivered
    link = display.list_link(site, OrderEvent, _counted(many), told="no")
    refused = state.attention[Attentions.NOT_DELIVERED]
    yield Card(
        title=_("Events that your code has not taken"),
        lines=[link if many else _("None")],
        tone=display.BAD if refused else display.GOOD,
    )


def _worker(site: AdminSite, state: Overview) -> Iterator[Card]:
    at = state.last_job_at
    is_late = at is None or state.at - at > _LATELY
    failing = [
        display.list_link(site, BackgroundJob, _("%(job)s fails") % {"job": name})
        for name in state.failing_jobs
    ]
    in_part = [
        display.list_link(site, BackgroundJob, _("%(job)s fails in part") % {"job": name})
        for name in state.failing_in_part
    ]
    is_waiting = is_late or bool(in_part)
    yield Card(
        title=_("Worker, last run"),
        lines=[display.moment(at) if at else _("Never")],
        notes=[*failing, *in_part],
        tone=display.BAD if failing else display.WAITING if is_waiting else display.GOOD,
    )


def _refusals(site: AdminSite, state: Overview) -> Iterator[Card]:
    if state.refused:
        link = display.list_link(site, RefusalCount, state.refused)
        # How bad that is, the doctor says: anyone can post to the address.
        yield Card(title=_("Refused notifications in 24 hours"), lines=[link], tone=display.WAITING)


def _latency(site: AdminSite, state: Overview) -> Iterator[Card]:
    if state.p95_ms is None or state.failure_rate is None:
        yield Card(title=_("Calls in 24 hours"), lines=[_("None")])
        return
    notes = [
        _("at worst %(rate)s failed") % {"rate": f"{state.failure_rate:.1%}"},
        _("at worst 95 of 100 within %(ms)d ms") % {"ms": state.p95_ms},
    ]
    link = display.list_link(site, HourlyLatency, state.calls)
    yield Card(title=_("Calls in 24 hours"), lines=[link], notes=notes)


def _certificates(_site: AdminSite, state: Overview) -> Iterator[Card]:
    if state.keys_end_at is None:
        return
    left = state.keys_end_at - state.at
    days = max(0, left.days)
    text = ngettext("%(many)d day left", "%(many)d days left", days) % {"many": days}
    yield Card(
        title=_("WeChat Pay's certificates"),
        lines=[text],
        notes=[display.moment(state.keys_end_at)],
        tone=display.BAD if days == 0 else display.WAITING if left <= _SOON else display.GOOD,
    )


def _differences(site: AdminSite, state: Overview) -> Iterator[Card]:
    many = state.open_differences
    link = display.list_link(site, Discrepancy, _counted(many), status__exact="OPEN")
    yield Card(
        title=_("Open differences of bills"),
        lines=[link if many else _("None")],
        tone=display.BAD if many else display.GOOD,
    )
