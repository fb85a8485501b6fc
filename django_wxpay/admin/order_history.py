"""All that belongs to one order, as its page shows it, to those who may see each kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import Model
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import badges
from django_wxpay.admin.links import list_link, page_link
from django_wxpay.admin.sections import Moment, Section
from django_wxpay.models import ApiReport, Notification, Order, OrderEvent, Prepay, Promotion
from django_wxpay.models.choices import EventKinds
from django_wxpay.protocol.money import format_amount

# The rest of a long list is one click away.
NEWEST: Final = 20

SOURCES: Final = {
    "unifiedorder": _("accepted by WeChat Pay"),
    "v2.notice": _("told by a notification"),
    "v2.orderquery": _("answered to a query"),
    "closeorder": _("closed by us"),
}


def belongings(request: HttpRequest, order: Order) -> list[Section]:
    """Return the timeline and the tables, in the order in which they came about."""
    tables = (
        (Prepay, _prepays),
        (Notification, _notifications),
        (Promotion, _promotions),
        (ApiReport, _calls),
    )
    shown = [section(order) for model, section in tables if _may_see(request, model)]
    return [_history(request, order), *shown]


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    return request.user.has_perm(f"django_wxpay.view_{model.__name__.lower()}")


def _history(request: HttpRequest, order: Order) -> Section:
    events = order.events.all()[:NEWEST]
    more: Any = ""
    if _may_see(request, OrderEvent):
        more = list_link(OrderEvent, _("See all"), order__id__exact=str(order.pk))
    linked = _may_see(request, Notification)
    timeline = [_moment(event, linked=linked) for event in events]
    return Section(title=_("History"), timeline=timeline, more=more)


def _moment(event: OrderEvent, *, linked: bool) -> Moment:
    return Moment(
        at=event.created_at,
        title=badges.word(event.kind, event.get_kind_display())
        if event.kind == EventKinds.CONFLICTED
        else badges.word(event.to_state, event.get_to_state_display()),
        notes=tuple(_notes(event, linked=linked)),
    )


def _notes(event: OrderEvent, *, linked: bool) -> Iterator[Any]:
    yield SOURCES.get(event.source, event.source)
    yield from differences(event)
    if linked and event.notification_id is not None:
        yield page_link(Notification, event.notification_id, _("the notification"))
    if event.kind != EventKinds.MOVED:
        yield told(event)


def differences(event: OrderEvent) -> list[str]:
    """Return how a contradiction contradicts, one sentence a field."""
    sentence = gettext("%(name)s: expected %(ours)s, told %(theirs)s")
    return [
        sentence % {"name": name, "ours": ours, "theirs": theirs}
        for name, ours, theirs in event.detail.get("differences", ())
    ]


def told(event: OrderEvent) -> str:
    """Return whether the shop's own code knows, and if not, why."""
    if event.dispatched_at is not None:
        moment = localize(localtime(event.dispatched_at))
        return gettext("the shop was told on %(moment)s") % {"moment": moment}
    if event.dispatch_error:
        return gettext("the shop could not be told: %(error)s") % {"error": event.dispatch_error}
    return gettext("the shop is not told yet")


def _prepays(order: Order) -> Section:
    rows = [
        (row.created_at, page_link(Prepay, row.pk, row.prepay_id), row.expires_at)
        for row in order.prepays.all()[:NEWEST]
    ]
    columns = (_("created"), "prepay_id", _("good until"))
    return Section(title=_("Prepays"), columns=columns, rows=rows)


def _notifications(order: Order) -> Section:
    rows = [
        (
            page_link(Notification, row.pk, localize(localtime(row.created_at))),
            row.get_kind_display(),
            badges.word(row.outcome, row.get_outcome_display()),
            row.attempts,
            row.reason,
        )
        for row in order.notifications.defer("body", "headers")[:NEWEST]
    ]
    return Section(
        title=_("Notifications"),
        columns=(_("first received"), _("kind"), _("outcome"), _("deliveries"), _("reason")),
        rows=rows,
        more=list_link(Notification, _("See all"), order__id__exact=str(order.pk)),
    )


def _promotions(order: Order) -> Section:
    rows = [
        (
            page_link(Promotion, row.pk, row),
            row.scope,
            row.type,
            "-" if row.amount is None else format_amount(row.amount, row.currency or "CNY"),
        )
        for row in order.promotions.all()[:NEWEST]
    ]
    columns = (_("promotion"), "scope", "type", _("amount"))
    return Section(title=_("Promotions"), columns=columns, rows=rows)


def _calls(order: Order) -> Section:
    calls = ApiReport.objects.filter(merchant=order.merchant, out_trade_no=order.out_trade_no)
    rows = [
        (
            page_link(ApiReport, row.pk, localize(localtime(row.created_at))),
            row.interface_url,
            f"{row.execute_time_ms} ms",
            badges.answer_of(row),
        )
        for row in calls[:NEWEST]
    ]
    return Section(
        title=_("Calls to WeChat Pay"),
        columns=(_("called"), "interface_url", _("took"), _("answer")),
        rows=rows,
        more=list_link(ApiReport, _("See all"), out_trade_no=order.out_trade_no),
    )
