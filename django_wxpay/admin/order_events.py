"""Order events: the history of all orders, and what of it the shop has not been told."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import badges
from django_wxpay.admin.actions import ask, too_many
from django_wxpay.admin.base import MOST_AT_ONCE, Ledger
from django_wxpay.admin.filters import ToldFilter
from django_wxpay.admin.links import page_link
from django_wxpay.admin.orders.timeline import SOURCES, differences, move, told
from django_wxpay.admin.sections import Button
from django_wxpay.exceptions import WXPayError
from django_wxpay.models import Order, OrderEvent
from django_wxpay.models.choices import EventKinds
from django_wxpay.services.transitions.events import dispatch_event


@admin.register(OrderEvent)
class OrderEventAdmin(Ledger):
    """What the shop's own code raised when it was told is shown, and it can be told again."""

    list_display = (
        "created_at",
        "order_link",
        "kind_shown",
        "told_shown",
        "move_shown",
        "source_shown",
    )
    list_filter = ("kind", ToldFilter, ("created_at", DateFieldListFilter))
    list_select_related = ("order",)
    search_fields = ("order__out_trade_no__exact",)
    search_help_text = _("A whole out_trade_no.")
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
        "told_shown",
        "dispatch_attempts",
        "next_dispatch_at",
    )

    def buttons(self, row: OrderEvent) -> list[Button]:
        """Offer to tell the shop of what it does not know."""
        if row.dispatched_at is not None:
            return []
        return [Button(label=_("Tell the shop again"), url=self.address(row, "tell"))]

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the button."""
        return [self.posted("tell", self._tell), *super().get_urls()]

    @admin.action(description=_("Tell the shop again"), permissions=["operate"])
    def tell(self, request: HttpRequest, queryset: QuerySet[OrderEvent]) -> None:
        """Tell the shop of each of them, the oldest first; what it knows is not told twice."""
        if not too_many(request, queryset.count(), MOST_AT_ONCE):
            for event in queryset.order_by("created_at", "id"):
                self._tell(request, event)

    def _tell(self, request: HttpRequest, event: OrderEvent) -> None:
        def verb() -> str:
            if dispatch_event(event, event.order):
                return gettext("the shop was told")
            event.refresh_from_db()
            if event.dispatched_at is None:
                raise WXPayError(told(event))
            return gettext("the shop knows already and is not told twice")

        subject = f"{event.order} {event.get_kind_display()}"
        self.log_change(request, event, ask(request, subject, verb))

    @admin.display(description=_("order"))
    def order_link(self, event: OrderEvent) -> SafeString:
        """Return the way to its order."""
        return page_link(Order, event.order_id, event.order)

    @admin.display(description=_("kind"))
    def kind_shown(self, event: OrderEvent) -> SafeString:
        """Return what it means to the shop, at a glance."""
        return badges.word(event.kind, event.get_kind_display())

    @admin.display(description=_("move"))
    def move_shown(self, event: OrderEvent) -> str:
        """Return from where to where."""
        return move(event)

    @admin.display(description=_("source"))
    def source_shown(self, event: OrderEvent) -> str:
        """Return how the news came."""
        return str(SOURCES.get(event.source, event.source))

    @admin.display(description=_("contradictions"))
    def differences_shown(self, event: OrderEvent) -> SafeString | str:
        """Return them, one a line."""
        lines = [(line,) for line in differences(event)]
        return format_html_join("", "<div>{}</div>", lines) or "-"

    @admin.display(description=_("the shop"))
    def told_shown(self, event: OrderEvent) -> str:
        """Return whether the shop knows."""
        return "-" if event.kind == EventKinds.MOVED else told(event)
