"""Refunds: the request, and the status that WeChat Pay reports."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import (
    DescriptiveCharField,
    DescriptiveJSONField,
    ExactCharField,
    Row,
    UniqueExactCharField,
)
from django_wxpay.models.choices import REFUND_STATUSES
from django_wxpay.models.labels import LABELS
from django_wxpay.models.order import Order
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.protocol.money import format_amount
from django_wxpay.protocol.orders import OrderRef
from django_wxpay.protocol.refunds import RefundRef, RefundTerms


class Refund(Row):
    """A refund of one order. ``refund_fee`` is in minor units of the order's ``fee_type``.

    It is in one of three stages:

    - hinted at: somebody has sent its number. ``position`` is null, and nothing is held against
      anything;
    - requested: ``create_refund`` has made it. It has a ``position``, and its amount is taken from
      what can be refunded, whether or not WeChat Pay has it yet;
    - proven: WeChat Pay has stated it, and it has a ``refund_id``.

    ``position`` counts the refunds of an order from 1, in the order in which their amounts were
    taken.
    """

    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        related_name="refunds",
        verbose_name=_("order"),
    )
    merchant = ExactCharField(_("merchant"), max_length=64)
    out_refund_no = ExactCharField(LABELS["out_refund_no"], max_length=64)
    position = models.PositiveIntegerField(null=True, blank=True, editable=False)
    refund_id = UniqueExactCharField(LABELS["refund_id"], max_length=64)
    refund_fee = models.BigIntegerField(_("amount in minor units"))
    refund_desc = ExactCharField(LABELS["refund_desc"], max_length=80, blank=True, default="")
    notify_url = ExactCharField(LABELS["notify_url"], max_length=256, blank=True, default="")
    # Until when one process has the sending of this refund to itself.
    sending_until = models.DateTimeField(null=True, blank=True, editable=False)
    # When WeChat Pay is to be asked for this refund, and when a notification last had it asked for.
    next_check_at = models.DateTimeField(null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)

    refund_status = models.CharField(
        LABELS["refund_status"], max_length=16, choices=REFUND_STATUSES
    )
    err_code = DescriptiveCharField(LABELS["err_code"], max_length=64, blank=True, default="")
    err_code_des = DescriptiveCharField(
        LABELS["err_code_des"], max_length=256, blank=True, default=""
    )
    user_received_account = DescriptiveCharField(
        LABELS["user_received_account"],
        max_length=64,
        blank=True,
        default="",
    )
    channel = DescriptiveCharField(LABELS["channel"], max_length=32, blank=True, default="")
    funds_account = DescriptiveCharField(
        LABELS["funds_account"], max_length=32, blank=True, default=""
    )
    settlement_refund_fee = models.BigIntegerField(
        LABELS["settlement_refund_fee"], null=True, blank=True
    )
    payer_refund = models.BigIntegerField(LABELS["payer_refund"], null=True, blank=True)
    payer_currency = DescriptiveCharField(
        LABELS["payer_currency"], max_length=16, blank=True, default=""
    )
    coupon_refund_fee = models.BigIntegerField(LABELS["coupon_refund_fee"], null=True, blank=True)
    coupons = DescriptiveJSONField(LABELS["coupons"], blank=True, default=list)
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
            models.Index(fields=["created_at", "id"], name="wxpay_refund_newest"),
            models.Index(fields=["refund_id"], name="wxpay_refund_id"),
            models.Index(fields=["out_refund_no"], name="wxpay_refund_number"),
            models.Index(fields=["refund_status", "created_at"], name="wxpay_refund_status"),
            models.Index(fields=["merchant", "created_at"], name="wxpay_refund_merchant"),
            models.Index(fields=["next_check_at"], name="wxpay_refund_to_check"),
            # A bill is compared with what was paid back on its day.
            models.Index(fields=["success_time"], name="wxpay_refund_paid_back"),
        )

    def __str__(self) -> str:
        return self.out_refund_no

    @property
    def is_proven(self) -> bool:
        """Whether WeChat Pay has stated it, over its signature or in a verified answer."""
        return bool(self.refund_id)

    @property
    def is_hint(self) -> bool:
        """Whether somebody has sent its number and nothing else is certain."""
        return self.position is None

    @property
    def is_reserved(self) -> bool:
        """Whether its amount is taken from what can be refunded."""
        return not self.is_hint and self.refund_status != RefundStatus.CLOSED

    @property
    def fee(self) -> Decimal | None:
        """The fee of the refund in minor units, from the bill; None until one was reconciled."""
        try:
            billed: Decimal = self.billed_fee.fee
        except ObjectDoesNotExist:
            return None
        return billed

    def ref(self) -> RefundRef:
        """Return the number by which the gateway knows this refund."""
        return RefundRef(order=self._order_ref(), out_refund_no=self.out_refund_no)

    def terms(self) -> RefundTerms:
        """Return the request, from which every try to send it is built."""
        return RefundTerms(
            order=self._order_ref(),
            out_refund_no=self.out_refund_no,
            refund_fee=self.refund_fee,
            total_fee=self.order.total_fee,
            fee_type=self.order.fee_type,
            refund_desc=self.refund_desc,
            notify_url=self.notify_url,
        )

    def _order_ref(self) -> OrderRef:
        # The transaction is the surest name of what is paid back.
        return replace(self.order.ref(), transaction_id=self.order.transaction_id)

    @property
    def amount(self) -> str:
        """The amount with its currency, as in ``12.50 CNY``."""
        return format_amount(self.refund_fee, self.order.fee_type)
