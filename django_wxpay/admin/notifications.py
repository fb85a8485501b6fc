"""Notifications: what WeChat Pay sent, its outcome, and the replay."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.actions import run_action, too_many
from django_wxpay.admin.base import MOST_AT_ONCE, NEWEST, Button, ReadOnlyAdmin, Section
from django_wxpay.admin.filters import EventTypeFilter, MerchantFilter
from django_wxpay.admin.orders.events import move
from django_wxpay.exceptions import WXPayError
from django_wxpay.models import Notification, Order, OrderEvent, RefusalCount
from django_wxpay.models.choices import NotificationKinds, NotificationOutcomes
from django_wxpay.models.labels import LABELS
from django_wxpay.models.sentences import Reasons, reason_text
from django_wxpay.protocol.redaction import redact_text

_ELEMENT_END: Final = re.compile(r"(^<xml>|</[^>]+>)(?=<)")


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "kind",
        "outcome_shown",
        "order_shown",
        "event_type",
        "reason_shown",
    )
    list_filter = (
        "outcome",
        "kind",
        EventTypeFilter,
        MerchantFilter,
        ("created_at", DateFieldListFilter),
    )
    search_fields = ("out_trade_no__exact", "transaction_id__exact")
    search_help_text = _(
        "A whole merchant order number (out_trade_no) or WeChat Pay transaction ID "
        "(transaction_id)."
    )
    actions = ("replay",)
    # The body is no field of WeChat Pay's.
    wire_names: ClassVar = {"body_shown": ""}
    fields = (
        "outcome_shown",
        "reason_shown",
        "next_step",
        "order",
        "out_trade_no",
        "transaction_id",
        "kind",
        "api",
        "event_type",
        "event_id",
        "merchant",
        "attempts",
        "retries",
        "next_retry_at",
        "created_at",
        "updated_at",
        "body_shown",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # The bodies stay in the database until one is looked at.
        return super().get_queryset(request).defer("body", "headers")

    def buttons(self, row: Notification) -> list[Button]:
        return [Button(label=_("Replay"), url=self.address(row, "replay"))]

    def sections(self, request: HttpRequest, row: Notification) -> list[Section]:
        """Return the events that it caused."""
        if not display.may_see(self.admin_site, request, OrderEvent):
            return []
        rows = [
            (
                display.page_link(
                    self.admin_site, OrderEvent, event.pk, display.moment(event.created_at)
                ),
                display.value_badge(event.kind, event.get_kind_display()),
                move(event),
            )
            for event in row.events.all()[:NEWEST]
        ]
        columns = (_("created"), _("kind"), _("move"))
        return [Section(title=_("Changes"), columns=columns, rows=rows)]

    def get_urls(self) -> list[URLPattern]:
        return [self.posted("replay", self._replay), *super().get_urls()]

    @admin.action(description=_("Replay"), permissions=["operate"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Process each of them again, the oldest first, as they came."""
        if not too_many(request, queryset, MOST_AT_ONCE):
            for notification in queryset.order_by("created_at", "id"):
                self._replay(request, notification)

    def _replay(self, request: HttpRequest, notification: Notification) -> None:
        def verb() -> str:
            answer = services.replay_notification(notification)
            notification.refresh_from_db()
            if not answer.accepted:
                raise WXPayError(_why_not(notification))
            outcome = notification.get_outcome_display()
            return gettext("processed again: %(outcome)s") % {"outcome": outcome}

        self.log_change(request, notification, run_action(request, str(notification), verb))

    @admin.display(description=LABELS["out_trade_no"])
    def order_shown(self, notification: Notification) -> SafeString | str:
        """Return a link to its order, and the merchant if it is another than "default"."""
        return display.with_merchant(self.order_link(notification), notification.merchant)

    @admin.display(description=LABELS["out_trade_no"])
    def order_link(self, notification: Notification) -> SafeString | str:
        """Return a link to its order, if that is known."""
        if notification.order_id is None:
            return notification.out_trade_no or "-"
        return display.page_link(
            self.admin_site, Order, notification.order_id, notification.out_trade_no
        )

    @admin.display(description=_("outcome"))
    def outcome_shown(self, notification: Notification) -> SafeString:
        return display.value_badge(notification.outcome, notification.get_outcome_display())

    @admin.display(description=_("reason"))
    def reason_shown(self, notification: Notification) -> str:
        return why(notification) or "-"

    @admin.display(description=_("next step"))
    def next_step(self, notification: Notification) -> str:
        """Return what a person can do about one that failed."""
        if notification.outcome != NotificationOutcomes.FAILED:
            return "-"
        is_unreadable = notification.reason_code == Reasons.UNREADABLE
        if is_unreadable and notification.kind == NotificationKinds.OTHER:
            return gettext(
                "It is WeChat Pay's. If the reason names a setting, correct it; otherwise update "
                "django-wxpay. Then replay it."
            )
        if is_unreadable:
            return gettext(
                "It is WeChat Pay's, and the customer may have paid: query the order. If the "
                "reason names a setting, correct it; otherwise update django-wxpay. Then replay it."
            )
        return gettext("Correct what the reason names, then replay it.")

    @admin.display(description=_("body"))
    def body_shown(self, notification: Notification) -> SafeString:
        """Return the body redacted, one element a line."""
        text = redact_text(bytes(notification.body))
        lines = _ELEMENT_END.sub(r"\1\n", text)
        return format_html('<pre class="wxpay-body">{}</pre>', lines)


def why(notification: Notification) -> str:
    """Return why it ended as it did, in the reader's language."""
    return reason_text(notification.reason_code, notification.reason_params, for_people=True)


def _why_not(notification: Notification) -> str:
    if notification.is_decided:
        return gettext("with the present settings it is not authentic")
    return gettext("not settled: %(reason)s") % {"reason": why(notification)}


@admin.register(RefusalCount)
class RefusalCountAdmin(ReadOnlyAdmin):
    """What was refused at a notify_url, hour by hour: no such request has a row of its own."""

    ordering: ClassVar[tuple[str, ...]] = ("-hour", "-id")
    list_display = ("hour", "reason", "count", "last_seen_at", "merchant")
    list_filter = ("reason", MerchantFilter, ("hour", DateFieldListFilter))
    fields = ("hour", "reason", "count", "last_seen_at", "merchant")
