"""Order events: the history of an order, and the outbox of signals to the shop's code.

The outbox is one, so a notification of another product has its event here as well: of no order.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import DescriptiveCharField, DescriptiveJSONField, ExactCharField, Row
from django_wxpay.models.choices import TRADE_STATES, EventKinds
from django_wxpay.models.notification import Notification
from django_wxpay.models.order import Order
from django_wxpay.models.refund import Refund


class OrderEvent(Row):
    """One move of state, conflict, note of a person, or notification to hand on.

    Append-only, but for its marks. ``order`` is None for a notification of another product alone;
    ``detail`` holds what it says.

    ``conflict_key`` keeps a conflict that is notified again and again from filling the history; it
    is null for moves, so that only conflicts are unique. A conflict is open until ``resolved_at``,
    or until a later event settles it; ``resolved_by`` is "" where its cause went by itself. Who has
    written a note stands in ``detail``.
    """

    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        verbose_name=_("order"),
    )
    kind = models.CharField(_("kind"), max_length=16, choices=EventKinds)
    from_state = models.CharField(_("from"), max_length=32, blank=True, choices=TRADE_STATES)
    to_state = models.CharField(_("to"), max_length=32, blank=True, choices=TRADE_STATES)
    source = ExactCharField(_("source"), max_length=32)
    detail = DescriptiveJSONField(_("details"), blank=True, default=dict)
    conflict_key = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001
    notification = models.ForeignKey(
        Notification,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        verbose_name=_("notification"),
    )
    refund = models.ForeignKey(
        Refund,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        verbose_name=_("refund"),
    )
    created_at = models.DateTimeField(_("created"), editable=False)
    dispatched_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    dispatch_attempts = models.PositiveIntegerField(_("delivery attempts"), default=0)
    dispatch_error = DescriptiveCharField(_("last error"), max_length=512, blank=True, default="")
    next_dispatch_at = models.DateTimeField(_("next delivery"), null=True, blank=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    # A name and no foreign key: users may live in another database.
    resolved_by = DescriptiveCharField(_("resolved by"), max_length=254, blank=True, default="")
    note = ExactCharField(_("note"), max_length=500, blank=True, default="")

    class Meta(Row.Meta):
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["order", "conflict_key"],
                name="wxpay_event_conflict_once",
            ),
        )
        indexes = (
            models.Index(fields=["created_at", "id"], name="wxpay_event_newest"),
            # The outbox. A shop that listens to payments alone leaves every other kind waiting for
            # good. No other index begins with the mark: PostgreSQL would take it for this one and
            # read all that wait, for it does not see that few of them are of the kind asked for.
            models.Index(
                fields=["dispatched_at", "kind", "created_at"],
                name="wxpay_event_waiting",
            ),
            models.Index(fields=["kind", "created_at"], name="wxpay_event_kind"),
        )

    def __str__(self) -> str:
        if self.kind == EventKinds.RECEIVED:
            return f"{self.kind} {self.event_type}".rstrip()
        return f"{self.kind} {self.from_state} → {self.to_state}"

    @property
    def event_type(self) -> str:
        """WeChat Pay's type of the event that a notification announces, "" for every other kind."""
        return str(self.detail.get("event_type", ""))
