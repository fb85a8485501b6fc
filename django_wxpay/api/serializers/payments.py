"""What WeChat Pay said of a payment, in the words of interface and protocol."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from django_wxpay.models import Order, Promotion


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


class WXPayPromotionSerializer(serializers.ModelSerializer[Promotion]):
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


class WXPayPaymentSerializer(serializers.ModelSerializer[Order]):
    """Nothing, that is null, until WeChat Pay has said that the order is paid."""

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
