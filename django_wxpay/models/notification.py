"""Notifications: the bytes that WeChat Pay sent, and the outcome; and counts of what was refused.

Only verified notifications are stored: a request that is not authentic costs no row, and is
counted in its hour.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import DescriptiveCharField, DescriptiveJSONField, ExactCharField, Row
from django_wxpay.models.choices import NotificationKinds, NotificationOutcomes, RefusalReasons
from django_wxpay.models.labels import LABELS
from django_wxpay.models.order import Order
from django_wxpay.models.sentences import Reasons, in_english, reason_text

# Decided notifications are acknowledged when they come again; the others are processed again.
DECIDED = frozenset(
    {NotificationOutcomes.APPLIED, NotificationOutcomes.CONFLICT, NotificationOutcomes.IGNORED},
)


class Notification(Row):
    """``fingerprint`` is the same for every delivery of the same content, whatever its nonce."""

    merchant = ExactCharField(_("merchant"), max_length=64)
    kind = models.CharField(_("kind"), max_length=16, choices=NotificationKinds)
    api = ExactCharField("API", max_length=4, default="v2")
    event_id = ExactCharField(_("event"), max_length=64, blank=True, default="")
    event_type = DescriptiveCharField(LABELS["event_type"], max_length=64, blank=True, default="")
    fingerprint = ExactCharField(max_length=64, unique=True, editable=False)
    out_trade_no = ExactCharField(LABELS["out_trade_no"], max_length=32, blank=True, default="")
    transaction_id = ExactCharField(LABELS["transaction_id"], max_length=32, blank=True, default="")
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
    reason_code = models.CharField(
        _("reason"), max_length=32, choices=Reasons, blank=True, default=""
    )
    reason_params = DescriptiveJSONField(blank=True, default=dict, editable=False)
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
            models.Index(fields=["created_at", "id"], name="wxpay_notification_newest"),
            # A new order asks for both, and a search for the number alone.
            models.Index(
                fields=["out_trade_no", "merchant", "created_at"],
                name="wxpay_notification_number",
            ),
            models.Index(fields=["transaction_id"], name="wxpay_notification_transact"),
            models.Index(fields=["outcome", "created_at"], name="wxpay_notification_outcome"),
            models.Index(fields=["kind", "created_at"], name="wxpay_notification_kind"),
            models.Index(fields=["event_type", "created_at"], name="wxpay_notification_event"),
            models.Index(fields=["order", "kind", "created_at"], name="wxpay_notification_order"),
            models.Index(fields=["merchant", "created_at"], name="wxpay_notification_merchant"),
            # The queue of retries: never tried, or due. Those given up lie between.
            models.Index(
                fields=["outcome", "next_retry_at", "retries"],
                name="wxpay_notification_retry",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.out_trade_no or self.event_type}"

    @property
    def reason(self) -> str:
        """Why it ended as it did, in English; "" where nothing was wrong."""
        return in_english(lambda: reason_text(self.reason_code, self.reason_params))

    def set_reason(self, code: Reasons, **params: Any) -> None:
        """Put down why it ended as it did, to be saved with its outcome."""
        self.reason_code, self.reason_params = code, params

    @property
    def is_decided(self) -> bool:
        """Whether it is never processed again."""
        return self.outcome in DECIDED


class RefusalCount(Row):
    """How many requests at a notify_url were refused for one reason in one hour.

    ``hour`` is the full hour, in UTC. ``merchant`` is an alias of the settings, and "" where the
    request names none that is there: whoever floods the address makes no row more than that.
    """

    hour = models.DateTimeField(_("hour"))
    merchant = ExactCharField(_("merchant"), max_length=64, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=24, choices=RefusalReasons)
    count = models.PositiveBigIntegerField(_("refused"), default=0)
    last_seen_at = models.DateTimeField(_("last seen"))

    class Meta(Row.Meta):
        verbose_name = _("refused notifications")
        verbose_name_plural = _("refused notifications")
        ordering = ("-hour", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["hour", "merchant", "reason"],
                name="wxpay_refusals_once_an_hour",
            ),
        )
        indexes = (
            models.Index(fields=["merchant", "hour"], name="wxpay_refusals_merchant"),
            models.Index(fields=["reason", "hour"], name="wxpay_refusals_reason"),
        )

    def __str__(self) -> str:
        return f"{self.reason} {self.hour:%Y-%m-%d %H:00}"
