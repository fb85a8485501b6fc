"""Notifications: the bytes that WeChat Pay sent, and the outcome.

Only verified notifications are stored: a request that is not authentic costs no row.
"""

from __future__ import annotations

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import DescriptiveCharField, DescriptiveJSONField, ExactCharField, Row
from django_wxpay.models.choices import NotificationKinds, NotificationOutcomes
from django_wxpay.models.order import Order

# Decided notifications are acknowledged when they come again; the others are processed again.
DECIDED = frozenset(
    {NotificationOutcomes.APPLIED, NotificationOutcomes.CONFLICT, NotificationOutcomes.IGNORED},
)
# The beginning of the reason of one that was authentic and could not be read.
UNREADABLE: Final = "not readable"


class Notification(Row):
    """``fingerprint`` is the same for every delivery of the same content, whatever its nonce."""

    merchant = ExactCharField(_("merchant"), max_length=64)
    kind = models.CharField(_("kind"), max_length=16, choices=NotificationKinds)
    api = ExactCharField("API", max_length=4, default="v2")
    event_id = ExactCharField(_("event"), max_length=64, blank=True, default="")
    event_type = DescriptiveCharField(_("event type"), max_length=64, blank=True, default="")
    fingerprint = ExactCharField(max_length=64, unique=True, editable=False)
    out_trade_no = ExactCharField("out_trade_no", max_length=32, blank=True, default="")
    transaction_id = ExactCharField("transaction_id", max_length=32, blank=True, default="")
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="notifications",
        verbose_name=_("order"),
        # The index of the order and the kind begins with it.
        db_index=False,
    )
    outcome = models.CharField(_("outcome"), max_length=16, choices=NotificationOutcomes)
    reason = DescriptiveCharField(_("reason"), max_length=256, blank=True, default="")
    attempts = models.PositiveIntegerField(_("deliveries"), default=1)
    retries = models.PositiveIntegerField(_("tried again"), default=0)
    next_retry_at = models.DateTimeField(_("next try"), null=True, blank=True)
    headers = DescriptiveJSONField(default=dict, editable=False)
    body = models.BinaryField(editable=False)
    created_at = models.DateTimeField(_("first received"), editable=False)
    updated_at = models.DateTimeField(_("last received"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=["-created_at", "-id"], name="wxpay_notification_newest"),
            # A new order asks for both, and a search for the number alone.
            models.Index(
                fields=["out_trade_no", "merchant", "-created_at"],
                name="wxpay_notification_number",
            ),
            models.Index(fields=["transaction_id"], name="wxpay_notification_transact"),
            models.Index(fields=["outcome", "-created_at"], name="wxpay_notification_outcome"),
            models.Index(fields=["kind", "-created_at"], name="wxpay_notification_kind"),
            models.Index(fields=["order", "kind", "-created_at"], name="wxpay_notification_order"),
            models.Index(fields=["merchant", "-created_at"], name="wxpay_notification_merchant"),
            # The queue of retries: never tried, or due. Those given up lie between.
            models.Index(
                fields=["outcome", "next_retry_at", "retries"],
                name="wxpay_notification_retry",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.out_trade_no or self.event_type}"

    @property
    def is_decided(self) -> bool:
        """Whether it is never processed again."""
        return self.outcome in DECIDED
