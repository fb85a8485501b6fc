"""One discount that took part in a payment, with its goods lines."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.order import Order


class Promotion(models.Model):
    """A row of ``promotion_detail``. Its goods lines are evidence, kept as they were told."""

    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        related_name="promotions",
        verbose_name=_("order"),
    )
    promotion_id = models.CharField("promotion_id", max_length=32)
    name = models.CharField(_("name"), max_length=64, blank=True, default="")
    scope = models.CharField("scope", max_length=32, blank=True, default="")
    type = models.CharField("type", max_length=32, blank=True, default="")
    amount = models.BigIntegerField("amount", null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=16, blank=True, default="")
    activity_id = models.CharField("activity_id", max_length=32, blank=True, default="")
    wxpay_contribute_amount = models.BigIntegerField(
        "wxpay_contribute_amount",
        null=True,
        blank=True,
    )
    merchant_contribute_amount = models.BigIntegerField(
        "merchant_contribute_amount",
        null=True,
        blank=True,
    )
    other_contribute_amount = models.BigIntegerField(
        "other_contribute_amount",
        null=True,
        blank=True,
    )
    goods_detail = models.JSONField("goods_detail", blank=True, default=list)

    class Meta:
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=["order", "promotion_id"],
                name="wxpay_promotion_once",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.promotion_id
