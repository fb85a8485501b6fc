"""Order events: their list, and their wording on every page that shows one."""

from __future__ import annotations

import json
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.actions import run_action, too_many
from django_wxpay.admin.base import MOST_AT_ONCE, Button
from django_wxpay.admin.filters import DeliveryFilter
from django_wxpay.admin.resolving import ResolvingAdmin
from django_wxpay.exceptions import WXPayError
from django_wxpay.models import Order, OrderEvent
from django_wxpay.models.choices import REFUND_STATUSES, EventKinds
from django_wxpay.models.sentences import differences_text, error_text
from django_wxpay.protocol.redaction import redact_text
from django_wxpay.services.attention.cases import is_open
from django_wxpay.services.transactions import without_atomic_requests
from django_wxpay.services.transitions.dispatch import began_at, dispatch_event, heard_kinds

SOURCES: Final = {
    "unifiedorder": _("accepted by WeChat Pay"),
    "v2.notice": _("by a notification"),
    "v2.refund-notice": _("by a notification"),
    "v3.notice": _("by a notification"),
    "v2.orderquery": _("by the answer to a query"),
    "v3.query": _("by the answer to a query"),
    "v2.refund": _("accepted by WeChat Pay"),
    "v2.refundquery": _("by the answer to a query"),
    "v3.refund": _("accepted by WeChat Pay"),
    "v3.refund-query": _("by the answer to a query"),
    "v3.refund-list": _("by the answer to a query"),
    "v3.abnormal-refund": _("accepted by WeChat Pay"),
    "refund": _("refused by WeChat Pay"),
    "closeorder": _("closed by us"),
    "attention": _("found by the worker"),
    "note": _("written by a person"),
}


# No signal is sent for them.
UNTOLD: Final = frozenset({EventKinds.MOVED, EventKinds.PAID_TWICE, EventKinds.NOTE})


def move(event: OrderEvent) -> str:
    """Return the states from and to; a conflict moves nothing, and a refund not the order."""
    if event.kind == EventKinds.REFUND_SETTLED:
        return str(REFUND_STATUSES[event.detail["refund_status"]])
    if event.kind == EventKinds.RECEIVED:
        return event.event_type or "-"
    here, there = event.get_from_state_display(), event.get_to_state_display()
    return here if here == there else f"{here} → {there}"


def differences(event: OrderEvent) -> list[str]:
    """Return the differences of a conflict, one sentence a field."""
    rows = event.detail.get("differences", ())
    return differences_text(rows, currency=event.order.fee_type if event.order else "")


def other_payment(event: OrderEvent) -> str:
    """Return which order is paid beside this one."""
    values = {"number": event.detail["out_trade_no"], "reference": event.detail["reference"]}
    return gettext("order %(number)s of the same reference %(reference)s is paid too") % values


def author(event: OrderEvent) -> str:
    """Return who has written a note."""
    return str(event.detail.get("by", ""))


def resolution(event: OrderEvent) -> str:
    """Return who has resolved it and why, or that its cause has gone."""
    if not event.resolved_by:
        return gettext("its cause is gone")
    values = {"who": event.resolved_by, "note": event.note}
    return gettext("resolved by %(who)s: %(note)s") % values


def delivery(event: OrderEvent) -> str:
    """Return whether the project's receivers have run for ``event``, and if not, why."""
    if event.dispatched_at is not None:
        values = {"moment": display.moment(event.dispatched_at)}
        return gettext("delivered to your code at %(moment)s") % values
    if began := began_at(event):
        values = {"moment": display.moment(began)}
        return gettext("a try that began at %(moment)s has not ended") % values
    # Whatever an earlier receiver made of it: without one there is no further try.
    if event.kind not in heard_kinds():
        return gettext("waits until your code has a receiver for it")
    if event.dispatch_error:
        return gettext("not delivered to your code: %(error)s") % {
            "error": error_text(event.dispatch_error)
        }
    return gettext("not delivered to your code yet")


@admin.register(OrderEvent)
class OrderEventAdmin(ResolvingAdmin):
    list_display = (
        "created_at",
        "order_link",
        "kind_shown",
        "delivery_shown",
        "move_shown",
        "source_shown",
    )
    list_prefetch_related = ("order",)
    list_filter = ("kind", DeliveryFilter, ("created_at", DateFieldListFilter))
    search_fields = ("order__out_trade_no__exact",)
    search_help_text = _("A whole merchant order number (out_trade_no).")
    actions = ("tell",)
    fields = (
        "kind_shown",
        "order",
        "refund",
        "move_shown",
        "source_shown",
        "differences_shown",
        "notification",
        "created_at",
        "delivery_shown",
        "dispatch_attempts",
        "next_dispatch_at",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:  # noqa: ARG002
        """Return the fields; its note, or that of the person who has resolved it."""
        if obj.kind == EventKinds.NOTE:
            fields = ("kind_shown", "order", "note", "author", "created_at")
            return [(None, {"fields": fields})]
        more: tuple[str, ...] = ()
        if obj.resolved_at:
            more = ("note", "resolved_by", "resolved_at")
        if obj.kind == EventKinds.RECEIVED:
            more = ("content_shown",)
        return [(None, {"fields": (*self.fields, *more)})]

    def buttons(self, row: OrderEvent) -> list[Button]:
        found = []
        if is_open(row):
            address = self.address(row, "resolve")
            found.append(Button(label=_("Resolve"), url=address, asks_first=True))
        if row.dispatched_at is None:
            found.append(Button(label=_("Deliver again"), url=self.address(row, "tell")))
        return found

    def get_urls(self) -> list[URLPattern]:
        ours = [self.posted("tell", self._tell), self.route("resolve", self.resolve_view)]
        return [*ours, *super().get_urls()]

    @without_atomic_requests
    def resolve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a note, and resolve the conflict, or the double payment, when it is posted."""
        event: OrderEvent = self.operable(request, pk)
        if not is_open(event):
            return self.resolved_already(request, event)
        subject = f"{event.order} {event.get_kind_display()}"
        return self.resolve_page(
            request,
            event,
            lambda note, by: services.resolve_event(event, note=note, by=by),
            title=gettext("Resolve this?"),
            subject=subject,
            facts=differences(event) or [other_payment(event)],
        )

    @admin.action(description=_("Deliver again"), permissions=["operate"])
    def tell(self, request: HttpRequest, queryset: QuerySet[OrderEvent]) -> None:
        """Deliver each of them, the oldest first; what was delivered stays so."""
        if not too_many(request, queryset, MOST_AT_ONCE):
            for event in queryset.order_by("created_at", "id"):
                self._tell(request, event)

    def _tell(self, request: HttpRequest, event: OrderEvent) -> None:
        def verb() -> str:
            if dispatch_event(event, event.order):
                return gettext("delivered to your code")
            event.refresh_from_db()
            if event.dispatched_at is None:
                raise WXPayError(delivery(event))
            return gettext("already delivered, and not delivered twice")

        subject = f"{event.order or event.event_type} {event.get_kind_display()}".lstrip()
        self.log_change(request, event, run_action(request, subject, verb))

    @admin.display(description=_("order"))
    def order_link(self, event: OrderEvent) -> SafeString | str:
        if event.order is None:
            return "-"
        return display.page_link(self.admin_site, Order, event.order.pk, event.order)

    @admin.display(description=_("written by"))
    def author(self, event: OrderEvent) -> str:
        return author(event)

    @admin.display(description=_("kind"))
    def kind_shown(self, event: OrderEvent) -> SafeString:
        return display.value_badge(event.kind, event.get_kind_display())

    @admin.display(description=_("move"))
    def move_shown(self, event: OrderEvent) -> str:
        return move(event)

    @admin.display(description=_("source"))
    def source_shown(self, event: OrderEvent) -> str:
        return str(SOURCES.get(event.source, event.source))

    @admin.display(description=_("differences"))
    def differences_shown(self, event: OrderEvent) -> SafeString | str:
        lines = [(line,) for line in differences(event)]
        return format_html_join("", "<div>{}</div>", lines) or "-"

    @admin.display(description=_("content"))
    def content_shown(self, event: OrderEvent) -> SafeString:
        """Return what the notification says, redacted."""
        text = redact_text(json.dumps(event.detail["resource"]))
        return format_html('<pre class="wxpay-body">{}</pre>', text)

    @admin.display(description=_("your code"))
    def delivery_shown(self, event: OrderEvent) -> str:
        return "-" if event.kind in UNTOLD else delivery(event)
