"""Refunds: what was asked to be given back, and what WeChat Pay said became of it."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import badges
from django_wxpay.admin.base import Ledger
from django_wxpay.admin.filters import MerchantFilter
from django_wxpay.admin.links import may_see, page_link
from django_wxpay.admin.orders.related import notifications_table
from django_wxpay.admin.orders.timeline import move, told
from django_wxpay.admin.sections import NEWEST, Section
from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.models.choices import NotificationKinds


@admin.register(Refund)
class RefundAdmin(Ledger):
    """Found by its numbers or by its order."""

    list_display = (
        "status_shown",
        "amount_shown",
        "out_refund_no",
        "created_at",
        "order_link",
        "merchant",
        "success_time",
    )
    list_display_links = ("out_refund_no",)
    list_filter = ("refund_status", MerchantFilter, ("created_at", DateFieldListFilter))
    list_select_related = ("order",)
    search_fields = ("out_refund_no__exact", "refund_id__exact", "order__out_trade_no__exact")
    search_help_text = _("A whole out_refund_no, refund_id or out_trade_no.")
    fields = (
        "status_shown",
        "amount_shown",
        "order",
        "out_refund_no",
        "refund_id",
        "refund_desc",
        "user_received_account",
        "success_time",
        "merchant",
        "created_at",
        "updated_at",
    )

    def sections(self, request: HttpRequest, row: Refund) -> list[Section]:
        """Return its events, and what notifications told of the order's refunds."""
        tables = ((OrderEvent, _events), (Notification, _notifications))
        return [section(row) for model, section in tables if may_see(request, model)]

    @admin.display(description=_("status"))
    def status_shown(self, refund: Refund) -> SafeString:
        """Return what became of it, at a glance."""
        return badges.refund_status(refund.refund_status)

    @admin.display(description=_("amount"))
    def amount_shown(self, refund: Refund) -> str:
        """Return the amount in major units."""
        return refund.amount

    @admin.display(description=_("order"))
    def order_link(self, refund: Refund) -> SafeString:
        """Return the way to its order."""
        return page_link(Order, refund.order_id, refund.order)


def _events(refund: Refund) -> Section:
    rows = [
        (
            page_link(OrderEvent, event.pk, localize(localtime(event.created_at))),
            move(event),
            told(event),
        )
        for event in refund.events.all()[:NEWEST]
    ]
    return Section(title=_("History"), columns=(_("created"), _("move"), _("the shop")), rows=rows)


def _notifications(refund: Refund) -> Section:
    """Return those of the whole order: one that changed nothing is tied to no refund."""
    told_of = Notification.objects.filter(order=refund.order_id, kind=NotificationKinds.REFUND)
    return notifications_table(
        told_of,
        title=_("Notifications of refunds of this order"),
        order__id__exact=str(refund.order_id),
        kind__exact=NotificationKinds.REFUND.value,
    )
