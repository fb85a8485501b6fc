"""Orders: the request, the state, and the payment that WeChat Pay confirmed.

``trade_state`` and everything below it in this file is written by ``services`` alone.
"""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import Q, Sum
from django.db.models.functions import Lower, Right
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import (
    DescriptiveCharField,
    DescriptiveJSONField,
    ExactCharField,
    ExactTextField,
    Row,
    UniqueExactCharField,
)
from django_wxpay.models.choices import TRADE_STATES, TRADE_TYPES
from django_wxpay.models.labels import LABELS
from django_wxpay.protocol.facts import RefundStatus, TradeState
from django_wxpay.protocol.money import format_amount
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.states import PAID, Expectation

# Bills print fees in five more decimals than amounts; the column of a fee counts the last one.
FEE_DECIMALS: Final = 5


# A few characters more than a person can keep in mind, and enough to tell orders apart.
END_OF_NUMBER: Final = 6


def _end_of(column: str) -> Any:
    return models.GeneratedField(
        expression=Lower(Right(column, END_OF_NUMBER)),
        output_field=models.CharField(max_length=END_OF_NUMBER),
        db_persist=True,
        editable=False,
    )


class Order(Row):
    """An order at WeChat Pay. Amounts are minor units of ``fee_type``."""

    merchant = ExactCharField(_("merchant"), max_length=64)
    mch_id = ExactCharField(LABELS["mch_id"], max_length=32)
    appid = ExactCharField(LABELS["appid"], max_length=32)
    sub_appid = ExactCharField(LABELS["sub_appid"], max_length=32, blank=True, default="")
    sub_mch_id = ExactCharField(LABELS["sub_mch_id"], max_length=32, blank=True, default="")
    reference = ExactCharField(
        _("reference"),
        max_length=128,
        blank=True,
        default="",
        help_text=_("The shop's own order number."),
    )
    out_trade_no = ExactCharField(LABELS["out_trade_no"], max_length=32)
    trade_type = models.CharField(LABELS["trade_type"], max_length=16, choices=TRADE_TYPES)
    body = ExactCharField(LABELS["body"], max_length=128)
    total_fee = models.BigIntegerField(_("amount in minor units"))
    fee_type = ExactCharField(LABELS["fee_type"], max_length=16, default="CNY")
    spbill_create_ip = ExactCharField(
        LABELS["spbill_create_ip"], max_length=64, blank=True, default=""
    )
    notify_url = ExactCharField(LABELS["notify_url"], max_length=256, blank=True, default="")
    device_info = ExactCharField(LABELS["device_info"], max_length=32, blank=True, default="")
    version = ExactCharField(LABELS["version"], max_length=32, blank=True, default="")
    detail = ExactTextField(LABELS["detail"], blank=True, default="")
    attach = ExactCharField(LABELS["attach"], max_length=128, blank=True, default="")
    time_start = models.DateTimeField(LABELS["time_start"], null=True, blank=True)
    time_expire = models.DateTimeField(LABELS["time_expire"], null=True, blank=True)
    goods_tag = ExactCharField(LABELS["goods_tag"], max_length=32, blank=True, default="")
    product_id = ExactCharField(LABELS["product_id"], max_length=32, blank=True, default="")
    limit_pay = ExactCharField(LABELS["limit_pay"], max_length=32, blank=True, default="")
    openid = ExactCharField(LABELS["openid"], max_length=128, blank=True, default="")
    sub_openid = ExactCharField(LABELS["sub_openid"], max_length=128, blank=True, default="")
    receipt = ExactCharField(LABELS["receipt"], max_length=8, blank=True, default="")
    profit_sharing = ExactCharField(LABELS["profit_sharing"], max_length=16, blank=True, default="")
    scene_info = ExactTextField(LABELS["scene_info"], blank=True, default="")
    fingerprint = ExactCharField(LABELS["fingerprint"], max_length=128, blank=True, default="")
    user_type = ExactCharField(LABELS["user_type"], max_length=32, blank=True, default="")
    user_creid = ExactCharField(LABELS["user_creid"], max_length=32, blank=True, default="")
    user_truename = ExactCharField(LABELS["user_truename"], max_length=64, blank=True, default="")
    placing_until = models.DateTimeField(null=True, blank=True, editable=False)
    # Until when a reversal without an outcome may still land, whether or not a call works on it.
    reversing_until = models.DateTimeField(null=True, blank=True, editable=False)
    # When WeChat Pay was last asked to place it, whatever came of it.
    placed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When WeChat Pay is to be asked for this order, and when a notification or a page last had it
    # asked.
    next_check_at = models.DateTimeField(_("next query"), null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)

    trade_state = models.CharField(
        LABELS["trade_state"],
        max_length=32,
        choices=TRADE_STATES,
        default=TradeState.CREATED.value,
    )
    trade_state_desc = DescriptiveCharField(
        LABELS["trade_state_desc"], max_length=256, blank=True, default=""
    )
    err_code = DescriptiveCharField(LABELS["err_code"], max_length=64, blank=True, default="")
    err_code_des = DescriptiveCharField(
        LABELS["err_code_des"], max_length=256, blank=True, default=""
    )
    transaction_id = UniqueExactCharField(LABELS["transaction_id"], max_length=32)
    success_time = models.DateTimeField(LABELS["success_time"], null=True, blank=True)
    bank_type = DescriptiveCharField(LABELS["bank_type"], max_length=32, blank=True, default="")
    payer_openid = DescriptiveCharField(_("payer openid"), max_length=128, blank=True, default="")
    payer_sp_openid = DescriptiveCharField(
        _("payer sp_openid"), max_length=128, blank=True, default=""
    )
    payer_sub_openid = DescriptiveCharField(
        _("payer sub_openid"),
        max_length=128,
        blank=True,
        default="",
    )
    payer_total = models.BigIntegerField(LABELS["payer_total"], null=True, blank=True)
    payer_currency = DescriptiveCharField(
        LABELS["payer_currency"], max_length=16, blank=True, default=""
    )
    cash_fee = models.BigIntegerField(LABELS["cash_fee"], null=True, blank=True)
    cash_fee_type = DescriptiveCharField(
        LABELS["cash_fee_type"], max_length=16, blank=True, default=""
    )
    settlement_total_fee = models.BigIntegerField(
        LABELS["settlement_total_fee"], null=True, blank=True
    )
    coupon_fee = models.BigIntegerField(LABELS["coupon_fee"], null=True, blank=True)
    coupons = DescriptiveJSONField(LABELS["coupons"], blank=True, default=list)
    exchange_rate_type = DescriptiveCharField(
        LABELS["exchange_rate_type"],
        max_length=32,
        blank=True,
        default="",
    )
    exchange_rate = models.DecimalField(
        LABELS["exchange_rate"],
        max_digits=20,
        decimal_places=8,
        null=True,
        blank=True,
    )
    # What a customer reads out from the end of a receipt; written by the database itself.
    out_trade_no_end = _end_of("out_trade_no")
    transaction_id_end = _end_of("transaction_id")
    created_at = models.DateTimeField(_("created"), editable=False)
    updated_at = models.DateTimeField(_("updated"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["merchant", "out_trade_no"],
                name="wxpay_order_number_once",
            ),
            # One payment is the payment of one order.
            models.UniqueConstraint(
                fields=["mch_id", "transaction_id"],
                name="wxpay_order_transaction_once",
            ),
            models.CheckConstraint(condition=Q(total_fee__gte=1), name="wxpay_order_has_amount"),
        )
        indexes = (
            models.Index(fields=["created_at", "id"], name="wxpay_order_newest"),
            models.Index(fields=["out_trade_no"], name="wxpay_order_number"),
            models.Index(fields=["transaction_id"], name="wxpay_order_transaction"),
            models.Index(fields=["reference"], name="wxpay_order_reference"),
            models.Index(fields=["trade_state", "created_at"], name="wxpay_order_state"),
            models.Index(fields=["trade_type", "created_at"], name="wxpay_order_type"),
            models.Index(fields=["merchant", "created_at"], name="wxpay_order_merchant"),
            models.Index(fields=["next_check_at"], name="wxpay_order_to_check"),
            # By what a customer says: the end of a number, the amount, who has paid.
            models.Index(fields=["out_trade_no_end"], name="wxpay_order_number_end"),
            models.Index(fields=["transaction_id_end"], name="wxpay_order_transaction_end"),
            models.Index(
                fields=["total_fee", "fee_type", "-created_at"], name="wxpay_order_amount"
            ),
            models.Index(fields=["payer_openid", "created_at"], name="wxpay_order_payer"),
            # Those of a day: of all merchants, and of one among thousands.
            models.Index(fields=["success_time", "id"], name="wxpay_order_paid_newest"),
            models.Index(
                fields=["merchant", "success_time", "id"], name="wxpay_order_merchant_paid"
            ),
            # A bill is compared with the payments of its day.
            models.Index(fields=["mch_id", "success_time"], name="wxpay_order_paid"),
        )

    def __str__(self) -> str:
        return self.out_trade_no

    @property
    def amount(self) -> str:
        """The amount with its currency, as in ``12.50 CNY``."""
        return format_amount(self.total_fee, self.fee_type)

    @property
    def is_paid(self) -> bool:
        """Whether money has arrived, even if some of it was refunded since."""
        return TradeState(self.trade_state) in PAID

    @property
    def fee(self) -> Decimal | None:
        """The fee of the payment in minor units, from the bill; None until one was reconciled."""
        try:
            billed: Decimal = self.billed_fee.fee
        except ObjectDoesNotExist:
            return None
        return billed

    @property
    def net(self) -> Decimal | None:
        """What is left of the payment, in minor units: without what was paid back, and the fees.

        None for an order that is not paid, or whose fee no bill has told yet.
        """
        if not self.is_paid or (fee := self.fee) is None:
            return None
        billed = self.refunds.aggregate(fees=Sum("billed_fee__fee_e5"))
        given_back = Decimal(billed["fees"] or 0).scaleb(-FEE_DECIMALS)
        return self.total_fee - self.refunded_fee - fee - given_back

    @property
    def refunded_fee(self) -> int:
        """What has been paid back, in minor units, summed up from the refunds."""
        paid_back = self.refunds.filter(refund_status=RefundStatus.SUCCESS, refund_id__isnull=False)
        return paid_back.aggregate(total=Sum("refund_fee"))["total"] or 0

    @property
    def refundable(self) -> int:
        """What can still be refunded, in minor units; 0 for an order that is not paid.

        A refund takes its amount from when it is asked for, and gives it back only if it is
        closed. Those asked for may be more than was paid, where the platform was quicker.
        """
        if not self.is_paid:
            return 0
        taken = self.refunds.filter(position__isnull=False).exclude(
            refund_status=RefundStatus.CLOSED
        )
        return max(0, self.total_fee - (taken.aggregate(total=Sum("refund_fee"))["total"] or 0))

    def terms(self) -> OrderTerms:
        """Return the request, from which every call about this order is built."""
        values: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in fields(OrderTerms)
        }
        return OrderTerms(**values)

    def ref(self) -> OrderRef:
        """Return the identifiers by which the gateway knows this order."""
        return OrderRef(
            appid=self.appid,
            mch_id=self.mch_id,
            out_trade_no=self.out_trade_no,
            sub_appid=self.sub_appid,
            sub_mch_id=self.sub_mch_id,
            version=self.version,
        )

    def expectation(self) -> Expectation:
        """Return the values that a fact about this order is compared with."""
        return Expectation(
            trade_state=TradeState(self.trade_state),
            mch_id=self.mch_id,
            appid=self.appid,
            sub_mch_id=self.sub_mch_id,
            total_fee=self.total_fee,
            fee_type=self.fee_type,
            transaction_id=self.transaction_id,
        )
