"""What happened to one order, in the words its pages say it with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import Model
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import badges
from django_wxpay.admin.links import list_link, may_see, page_link
from django_wxpay.admin.sections import NEWEST, Moment, Section
from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.models.choices import EventKinds, RefundStatuses

SOURCES: Final = {
    "unifiedorder": _("accepted by WeChat Pay"),
    "v2.notice": _("told by a notification"),
    "v2.refund-notice": _("told by a notification"),
    "v3.notice": _("told by a notification"),
    "v2.orderquery": _("answered to a query"),
    "v3.query": _("answered to a query"),
    "closeorder": _("closed by us"),
}


def history(request: HttpRequest, order: Order) -> Section:
    """Return the newest events as a timeline."""
    events = order.events.all()[:NEWEST]
    more: Any = ""
    if may_see(request, OrderEvent):
        more = list_link(OrderEvent, _("See all"), order__id__exact=str(order.pk))
    linked: set[type[Model]] = {
        model for model in (Notification, Refund) if may_see(request, model)
    }
    timeline = [_moment(event, linked) for event in events]
    return Section(title=_("History"), timeline=timeline, more=more)


def _moment(event: OrderEvent, linked: set[type[Model]]) -> Moment:
    return Moment(at=event.created_at, title=_title(event), notes=tuple(_notes(event, linked)))


def _title(event: OrderEvent) -> SafeString:
    if event.kind == EventKinds.CONFLICTED:
        return badges.word(event.kind, event.get_kind_display())
    if event.kind == EventKinds.REFUND_SETTLED:
        refund = gettext("Refund: %(status)s") % {"status": move(event)}
        return badges.badge(refund, badges.REFUND_TONES[event.detail["refund_status"]])
    return badges.word(event.to_state, event.get_to_state_display())


def _notes(event: OrderEvent, linked: set[type[Model]]) -> Iterator[Any]:
    yield SOURCES.get(event.source, event.source)
    yield from differences(event)
    if Refund in linked and event.refund_id is not None:
        yield page_link(Refund, event.refund_id, event.detail["out_refund_no"])
    if Notification in linked and event.notification_id is not None:
        yield page_link(Notification, event.notification_id, _("the notification"))
    if event.kind != EventKinds.MOVED:
        yield told(event)


def move(event: OrderEvent) -> str:
    """Return from where to where; a contradiction moves nothing, and a refund not the order."""
    if event.kind == EventKinds.REFUND_SETTLED:
        return str(RefundStatuses(event.detail["refund_status"]).label)
    here, there = event.get_from_state_display(), event.get_to_state_display()
    return here if here == there else f"{here} → {there}"


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
