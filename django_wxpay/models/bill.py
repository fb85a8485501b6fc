"""Bills of a day, the differences found in them, and the fees that only they tell.

A fee may be finer than the minor unit, and no database of ours holds a decimal without a float
in between, so it is an integer of hundred-thousandths of the minor unit.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import (
    DescriptiveCharField,
    DescriptiveJSONField,
    ExactCharField,
    Row,
)
from django_wxpay.models.choices import (
    BillKinds,
    BillStatuses,
    DiscrepancyKinds,
    DiscrepancyStatuses,
    Resolutions,
)
from django_wxpay.models.labels import LABELS
from django_wxpay.models.order import FEE_DECIMALS, Order
from django_wxpay.models.refund import Refund


class Bill(Row):
    """One bill of one Beijing day, and the file of it, which is gzip.

    ``sha1`` is that of the text. ``totals`` holds, by currency, ``payments``, ``paid``,
    ``refunds``, ``refunded`` (minor units) and ``fees_e5``. ``account_type`` is "" for a trade
    bill. ``claimed_until`` gives the fetching to one process at a time.
    """

    merchant = ExactCharField(_("merchant"), max_length=64)
    mch_id = ExactCharField(LABELS["mch_id"], max_length=32)
    sub_mch_id = ExactCharField(LABELS["sub_mch_id"], max_length=32, blank=True, default="")
    kind = models.CharField(_("kind"), max_length=16, choices=BillKinds)
    account_type = ExactCharField(_("account"), max_length=16, blank=True, default="")
    bill_date = models.DateField(_("day"))
    status = models.CharField(
        _("status"), max_length=16, choices=BillStatuses, default=BillStatuses.PENDING
    )
    file = ExactCharField(_("file"), max_length=255, blank=True, default="")
    sha1 = ExactCharField("SHA-1", max_length=40, blank=True, default="")
    row_count = models.PositiveIntegerField(_("rows"), default=0)
    totals = DescriptiveJSONField(_("totals"), blank=True, default=dict)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    error = DescriptiveCharField(_("error"), max_length=512, blank=True, default="")
    next_try_at = models.DateTimeField(_("next try"), null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    downloaded_at = models.DateTimeField(_("downloaded"), null=True, blank=True)
    reconciled_at = models.DateTimeField(_("reconciled"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("bill")
        verbose_name_plural = _("bills")
        ordering = ("-bill_date", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["merchant", "kind", "bill_date", "account_type", "sub_mch_id"],
                name="wxpay_bill_once",
            ),
        )
        indexes = (
            models.Index(fields=["bill_date", "id"], name="wxpay_bill_newest"),
            models.Index(fields=["status", "bill_date"], name="wxpay_bill_status"),
        )

    def __str__(self) -> str:
        return f"{self.merchant} {self.bill_date} {self.kind}"


class Discrepancy(Row):
    """One difference between a bill and what is here: one row for each kind and number of a bill.

    ``number`` is the out_refund_no of a refund and the out_trade_no of a payment. ``ours`` and
    ``theirs`` hold the values that differ, by the names of the columns, and None for a side that
    has no such payment. ``resolution`` tells a person's decision from a cause that is gone.
    """

    bill = models.ForeignKey(
        Bill, on_delete=models.PROTECT, related_name="discrepancies", verbose_name=_("bill")
    )
    kind = models.CharField(_("kind"), max_length=32, choices=DiscrepancyKinds)
    number = ExactCharField(_("number"), max_length=64)
    out_trade_no = ExactCharField(LABELS["out_trade_no"], max_length=64, blank=True, default="")
    transaction_id = ExactCharField(LABELS["transaction_id"], max_length=64, blank=True, default="")
    out_refund_no = ExactCharField(LABELS["out_refund_no"], max_length=64, blank=True, default="")
    refund_id = ExactCharField(LABELS["refund_id"], max_length=64, blank=True, default="")
    ours = DescriptiveJSONField(_("here"), null=True, blank=True)
    theirs = DescriptiveJSONField(_("in the bill"), null=True, blank=True)
    local_order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="discrepancies",
        verbose_name=_("order"),
    )
    local_refund = models.ForeignKey(
        Refund,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="discrepancies",
        verbose_name=_("refund"),
    )
    status = models.CharField(
        _("status"),
        max_length=16,
        choices=DiscrepancyStatuses,
        default=DiscrepancyStatuses.OPEN,
    )
    resolution = models.CharField(
        _("resolution"), max_length=16, choices=Resolutions, blank=True, default=""
    )
    note = ExactCharField(_("note"), max_length=500, blank=True, default="")
    # A name and no foreign key: users may live in another database.
    resolved_by = DescriptiveCharField(_("resolved by"), max_length=254, blank=True, default="")
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    created_at = models.DateTimeField(_("found"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["bill", "kind", "number"], name="wxpay_discrepancy_once"
            ),
        )
        indexes = (
            models.Index(fields=["created_at", "id"], name="wxpay_discrepancy_newest"),
            models.Index(fields=["status", "created_at"], name="wxpay_discrepancy_status"),
            models.Index(fields=["kind", "created_at"], name="wxpay_discrepancy_kind"),
            models.Index(fields=["out_trade_no"], name="wxpay_discrepancy_order"),
            models.Index(fields=["transaction_id"], name="wxpay_discrepancy_trade"),
            models.Index(fields=["out_refund_no"], name="wxpay_discrepancy_refund"),
            models.Index(fields=["refund_id"], name="wxpay_discrepancy_refund_id"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.number}"


class Fee(Row):
    """What one payment or one refund cost, written once, from the first bill that has it.

    ``fee_e5`` is in hundred-thousandths of the minor unit of ``currency``; below zero where
    WeChat Pay gives a fee back. That a row is here says that a bill has the payment or refund.
    """

    bill = models.ForeignKey(
        Bill, on_delete=models.PROTECT, related_name="fees", verbose_name=_("bill")
    )
    order = models.OneToOneField(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="billed_fee",
        verbose_name=_("order"),
    )
    refund = models.OneToOneField(
        Refund,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="billed_fee",
        verbose_name=_("refund"),
    )
    fee_e5 = models.BigIntegerField(editable=False)
    currency = DescriptiveCharField(_("currency"), max_length=16)
    rate = DescriptiveCharField(_("rate"), max_length=16, blank=True, default="")
    created_at = models.DateTimeField(_("created"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("fee")
        verbose_name_plural = _("fees")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(order__isnull=True, refund__isnull=False)
                | Q(order__isnull=False, refund__isnull=True),
                name="wxpay_fee_of_one",
            ),
        )

    def __str__(self) -> str:
        return f"{self.fee} {self.currency}"

    @property
    def fee(self) -> Decimal:
        """The fee in minor units, exactly as the bill has it."""
        return Decimal(self.fee_e5).scaleb(-FEE_DECIMALS)
