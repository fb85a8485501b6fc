"""Refunds: the request, and the status that WeChat Pay reports."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import (
    DescriptiveCharField,
    ExactCharField,
    Row,
    UniqueExactCharField,
)
from django_wxpay.models.choices import REFUND_STATUSES
from django_wxpay.models.order import Order
from django_wxpay.protocol.money import format_amount


class Refund(Row):
    """A refund of one order. ``refund_fee`` is in minor units of the order's ``fee_type``.

    ``position`` counts the proven refunds of an order from 1, in the order in which they were
    proven. It is null for one that is merely hinted at: of that the number is known, and nothing
    else is held against anything.
    """

    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        related_name="refunds",
        verbose_name=_("order"),
    )
    merchant = ExactCharField(_("merchant"), max_length=64)
    out_refund_no = ExactCharField("out_refund_no", max_length=64)
    position = models.PositiveIntegerField(null=True, blank=True, editable=False)
    refund_id = UniqueExactCharField("refund_id", max_length=64)
    refund_fee = models.BigIntegerField(_("amount in minor units"))
    refund_desc = ExactCharField(_("reason"), max_length=80, blank=True, default="")
    refund_status = models.CharField(_("status"), max_length=16, choices=REFUND_STATUSES)
    user_received_account = DescriptiveCharField(
        _("paid back to"),
        max_length=64,
        blank=True,
        default="",
    )
    success_time = models.DateTimeField(_("paid back at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), editable=False)
    updated_at = models.DateTimeField(_("updated"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["merchant", "out_refund_no"],
                name="wxpay_refund_number_once",
            ),
            models.UniqueConstraint(
                fields=["merchant", "refund_id"],
                name="wxpay_refund_id_once",
            ),
            # Two that are proven at once saw the same sum of the earlier ones: one is written,
            # and the other is decided again.
            models.UniqueConstraint(
                fields=["order", "position"],
                name="wxpay_refund_position_once",
            ),
            models.CheckConstraint(condition=Q(refund_fee__gte=1), name="wxpay_refund_has_amount"),
        )
        indexes = (
            models.Index(fields=["-created_at", "-id"], name="wxpay_refund_newest"),
            models.Index(fields=["refund_id"], name="wxpay_refund_id"),
            models.Index(fields=["out_refund_no"], name="wxpay_refund_number"),
            models.Index(fields=["refund_status", "-created_at"], name="wxpay_refund_status"),
        )

    def __str__(self) -> str:
        return self.out_refund_no

    @property
    def is_proven(self) -> bool:
        """Whether WeChat Pay has signed it; of a hint neither amount nor status is certain."""
        return self.position is not None

    @property
    def amount(self) -> str:
        """The amount with its currency, as in ``12.50 CNY``."""
        return format_amount(self.refund_fee, self.order.fee_type)
