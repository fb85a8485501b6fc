"""Rows as JSON: exactly the keys of the contract, and nothing private."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from django_wxpay.api.fields import Moment, RowSerializer
from django_wxpay.models import ApiReport, Notification, Order, Prepay, Promotion, Refund
from django_wxpay.models.choices import Attentions
from django_wxpay.models.latency import CALL_COLUMNS
from django_wxpay.protocol.redaction import redact_text
from django_wxpay.services.attention.cases import attention_of
from django_wxpay.services.orders.advice import advice_of
from django_wxpay.services.refunds.balances import Balance, balances


class WXPayPayerSerializer(serializers.Serializer[Order]):
    openid = serializers.CharField(source="payer_openid", read_only=True)
    sp_openid = serializers.CharField(source="payer_sp_openid", read_only=True)
    sub_openid = serializers.CharField(source="payer_sub_openid", read_only=True)


class WXPayCouponSerializer(serializers.Serializer[Any]):
    coupon_id = serializers.CharField(default="", read_only=False)
    coupon_type = serializers.CharField(default="")
    coupon_fee = serializers.IntegerField(default=None, allow_null=True)


class WXPayExchangeRateSerializer(serializers.Serializer[Order]):
    type = serializers.CharField(source="exchange_rate_type", read_only=True)
    rate = serializers.SerializerMethodField()

    def get_rate(self, order: Order) -> str | None:
        """Return it as the shortest decimal that is exactly it: ``"0.8"``."""
        rate: Decimal | None = order.exchange_rate
        return None if rate is None else format(rate.normalize(), "f")


class WXPayGoodsLineSerializer(serializers.Serializer[Any]):
    goods_id = serializers.CharField(default="")
    goods_remark = serializers.CharField(default="")
    discount_amount = serializers.IntegerField(default=None, allow_null=True)
    quantity = serializers.IntegerField(default=None, allow_null=True)
    price = serializers.IntegerField(default=None, allow_null=True)


class WXPayPromotionSerializer(RowSerializer[Promotion]):
    goods_detail = WXPayGoodsLineSerializer(many=True, read_only=True)

    class Meta:
        model = Promotion
        fields = (
            "promotion_id",
            "name",
            "scope",
            "type",
            "amount",
            "currency",
            "activity_id",
            "wxpay_contribute_amount",
            "merchant_contribute_amount",
            "other_contribute_amount",
            "goods_detail",
        )
        read_only_fields = fields


class WXPayPaymentSerializer(RowSerializer[Order]):
    """Null until WeChat Pay has stated a payment; one that is reversed since is still shown."""

    payer = WXPayPayerSerializer(source="*", read_only=True)
    coupons = WXPayCouponSerializer(many=True, read_only=True)
    exchange_rate = WXPayExchangeRateSerializer(source="*", read_only=True)
    promotions = WXPayPromotionSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields = (
            "payer",
            "payer_total",
            "payer_currency",
            "cash_fee",
            "cash_fee_type",
            "settlement_total_fee",
            "coupon_fee",
            "coupons",
            "exchange_rate",
            "promotions",
        )
        read_only_fields = fields

    def to_representation(self, instance: Order) -> dict[str, Any] | None:  # type: ignore[override]
        """Return the facts of the payment; one that was reversed has happened all the same."""
        if not (instance.is_paid or instance.success_time):
            return None
        return super().to_representation(instance)


class WXPayPrepaySerializer(RowSerializer[Prepay]):
    """The newest prepay of an order, or null."""

    expires_at = Moment(read_only=True)

    class Meta:
        model = Prepay
        fields = ("prepay_id", "code_url", "mweb_url", "expires_at")
        read_only_fields = fields

    def to_representation(self, instance: Any) -> dict[str, Any] | None:  # type: ignore[override]
        """Return the first of the order's prepays, which are fetched newest first."""
        newest = next(iter(instance.prepays.all()), None)
        return None if newest is None else super().to_representation(newest)


class WXPayOrderSerializer(RowSerializer[Order]):
    success_time = Moment(read_only=True, allow_null=True)
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)
    prepay = WXPayPrepaySerializer(source="*", read_only=True, allow_null=True)
    payment = WXPayPaymentSerializer(source="*", read_only=True, allow_null=True)
    attention = serializers.SerializerMethodField()
    is_paid = serializers.BooleanField(read_only=True)
    refunded = serializers.SerializerMethodField()
    refundable = serializers.SerializerMethodField()
    advice = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields: tuple[str, ...] = (
            "id",
            "merchant",
            "mch_id",
            "appid",
            "sub_appid",
            "sub_mch_id",
            "reference",
            "out_trade_no",
            "trade_type",
            "body",
            "total_fee",
            "fee_type",
            "attach",
            "openid",
            "trade_state",
            "trade_state_desc",
            "is_paid",
            "refunded",
            "refundable",
            "err_code",
            "err_code_des",
            "advice",
            "transaction_id",
            "success_time",
            "bank_type",
            "created_at",
            "updated_at",
            "prepay",
            "payment",
            "attention",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(Attentions.choices)))
    def get_attention(self, order: Order) -> list[str]:
        """Return why a person has to look at it; a list has read this for a whole page."""
        known: dict[int, list[Attentions]] = self.context.get("attention", {})
        needs = known[order.pk] if order.pk in known else attention_of([order])[order.pk]
        return [kind.value for kind in needs]

    def get_refunded(self, order: Order) -> int:
        """Return what was paid back, in the minor unit; 0 for an order that is not paid."""
        return self._balance(order).refunded

    def get_refundable(self, order: Order) -> int:
        """Return what can be refunded now, in the minor unit; 0 for an order that is not paid."""
        # More may be refunded on the merchant platform than is left here.
        return max(0, self._balance(order).left)

    def get_advice(self, order: Order) -> str:
        """Return what to do about the refusal; "" where WeChat Pay has refused nothing."""
        return gettext(advice) if (advice := advice_of(order)) else ""

    def _balance(self, order: Order) -> Balance:
        known: dict[int, Balance] = self.context.get("balances", {})
        if order.pk not in known:
            known |= balances([order])
        return known[order.pk]


class WXPayPlacedOrderSerializer(WXPayOrderSerializer):
    """An order just placed, with what its paying client needs."""

    parameters = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta(WXPayOrderSerializer.Meta):
        fields = (*WXPayOrderSerializer.Meta.fields, "parameters")
        read_only_fields = fields


class WXPayRefundSerializer(RowSerializer[Refund]):
    success_time = Moment(read_only=True, allow_null=True)
    created_at = Moment(read_only=True)

    class Meta:
        model = Refund
        fields = (
            "id",
            "order",
            "out_refund_no",
            "refund_id",
            "refund_fee",
            "refund_desc",
            "refund_status",
            "success_time",
            "created_at",
        )
        read_only_fields = fields


class WXPayNotificationSerializer(RowSerializer[Notification]):
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    class Meta:
        model = Notification
        fields: tuple[str, ...] = (
            "id",
            "merchant",
            "kind",
            "api",
            "event_id",
            "event_type",
            "out_trade_no",
            "transaction_id",
            "order",
            "outcome",
            "reason",
            "reason_code",
            "attempts",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class WXPayNotificationDetailSerializer(WXPayNotificationSerializer):
    body = serializers.SerializerMethodField()

    class Meta(WXPayNotificationSerializer.Meta):
        fields = (*WXPayNotificationSerializer.Meta.fields, "body")
        read_only_fields = fields

    def get_body(self, notification: Notification) -> str:
        return redact_text(bytes(notification.body))


class WXPayApiReportSerializer(RowSerializer[ApiReport]):
    created_at = Moment(read_only=True)

    class Meta:
        model = ApiReport
        fields = ("id", *CALL_COLUMNS, "report_status", "created_at")
        read_only_fields = fields


class WXPayLatencySerializer(serializers.Serializer[Any]):
    merchant = serializers.CharField()
    interface_url = serializers.CharField()
    host = serializers.CharField()
    count = serializers.IntegerField()
    failure_rate = serializers.FloatField()
    p50_ms = serializers.IntegerField()
    p95_ms = serializers.IntegerField()
    p99_ms = serializers.IntegerField()
    slowest_ms = serializers.IntegerField()
    refused = serializers.IntegerField()
    failures = serializers.DictField(child=serializers.IntegerField())


class WXPayLatencySummarySerializer(serializers.Serializer[Any]):
    results = WXPayLatencySerializer(many=True)
