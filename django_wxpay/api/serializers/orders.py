"""An order as the API shows it: exactly the keys of the contract, and nothing private."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_wxpay.api.fields import Moment
from django_wxpay.api.serializers.payments import WXPayPaymentSerializer
from django_wxpay.models import Order, Prepay


class WXPayPrepaySerializer(serializers.ModelSerializer[Prepay]):
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


class WXPayOrderSerializer(serializers.ModelSerializer[Order]):
    success_time = Moment(read_only=True, allow_null=True)
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)
    prepay = WXPayPrepaySerializer(source="*", read_only=True, allow_null=True)
    payment = WXPayPaymentSerializer(source="*", read_only=True, allow_null=True)

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
            "transaction_id",
            "success_time",
            "bank_type",
            "created_at",
            "updated_at",
            "prepay",
            "payment",
        )
        read_only_fields = fields


class WXPayPlacedOrderSerializer(WXPayOrderSerializer):
    """An order just placed, with what its paying client needs."""

    parameters = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta(WXPayOrderSerializer.Meta):
        fields = (*WXPayOrderSerializer.Meta.fields, "parameters")
        read_only_fields = fields
