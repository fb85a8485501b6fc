"""Prepays and promotions: the two kinds of rows that come with a payment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import (
    DescriptiveCharField,
    DescriptiveJSONField,
    ExactCharField,
    ExactTextField,
    Row,
)
from django_wxpay.models.choices import TRADE_TYPES
from django_wxpay.models.labels import LABELS
from django_wxpay.models.order import Order
from django_wxpay.protocol.facts import PrepayGrant

# The longest that WeChat Pay grants (protocol-v2 section 3.4), and what clocks may differ by.
_LIFE: Final = timedelta(hours=2)
_SKEW: Final = timedelta(minutes=1)


class Prepay(Row):
    """The answer of one unifiedorder. A later one for the same order takes its place."""

    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        related_name="prepays",
        verbose_name=_("order"),
    )
    prepay_id = ExactCharField(LABELS["prepay_id"], max_length=128)
    trade_type = models.CharField(LABELS["trade_type"], max_length=16, choices=TRADE_TYPES)
    code_url = ExactTextField(LABELS["code_url"], blank=True, default="")
    mweb_url = ExactTextField(LABELS["mweb_url"], blank=True, default="")
    sign_type = ExactCharField(LABELS["sign_type"], max_length=32, blank=True, default="")
    created_at = models.DateTimeField(_("created"), editable=False)
    expires_at = models.DateTimeField(_("good until"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("prepay")
        verbose_name_plural = _("prepays")
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=["order", "expires_at"], name="wxpay_prepay_live"),
            models.Index(fields=["prepay_id"], name="wxpay_prepay_number"),
            models.Index(fields=["created_at", "id"], name="wxpay_prepay_newest"),
        )

    def __str__(self) -> str:
        # v3 grants NATIVE and MWEB without a prepay_id.
        return self.prepay_id or self.trade_type

    def is_live(self, now: datetime) -> bool:
        """Return whether the customer can still pay with it at ``now``.

        Not with one that a clock which was wrong has written: granted later than now, or for longer
        than any is.
        """
        is_possible = self.created_at <= now + _SKEW and self.expires_at <= now + _LIFE + _SKEW
        return is_possible and now < self.expires_at

    def grant(self) -> PrepayGrant:
        return PrepayGrant(
            prepay_id=self.prepay_id,
            trade_type=self.trade_type,
            code_url=self.code_url,
            mweb_url=self.mweb_url,
            sign_type=self.sign_type,
        )


class Promotion(Row):
    """A row of ``promotion_detail``. Its goods lines are evidence, kept as they were received."""

    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        related_name="promotions",
        verbose_name=_("order"),
    )
    promotion_id = DescriptiveCharField(LABELS["promotion_id"], max_length=64)
    # Two lines of one id are two discounts. Counted by id, so that a later statement of the same
    # lines, in whichever order, finds each of them here.
    occurrence = models.PositiveIntegerField(default=1, editable=False)
    name = DescriptiveCharField(_("name"), max_length=64, blank=True, default="")
    scope = DescriptiveCharField(LABELS["scope"], max_length=32, blank=True, default="")
    type = DescriptiveCharField(LABELS["type"], max_length=32, blank=True, default="")
    amount = models.BigIntegerField(LABELS["amount"], null=True, blank=True)
    currency = DescriptiveCharField(_("currency"), max_length=16, blank=True, default="")
    activity_id = DescriptiveCharField(LABELS["activity_id"], max_length=64, blank=True, default="")
    wxpay_contribute_amount = models.BigIntegerField(
        LABELS["wxpay_contribute_amount"],
        null=True,
        blank=True,
    )
    merchant_contribute_amount = models.BigIntegerField(
        LABELS["merchant_contribute_amount"],
        null=True,
        blank=True,
    )
    other_contribute_amount = models.BigIntegerField(
        LABELS["other_contribute_amount"],
        null=True,
        blank=True,
    )
    goods_detail = DescriptiveJSONField(LABELS["goods_detail"], blank=True, default=list)

    class Meta(Row.Meta):
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=["order", "promotion_id", "occurrence"],
                name="wxpay_promotion_once",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.promotion_id
