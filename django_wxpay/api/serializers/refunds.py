"""A refund as the API shows it: exactly the keys of the contract."""

from __future__ import annotations

from rest_framework import serializers

from django_wxpay.api.fields import Moment
from django_wxpay.models import Refund


class WXPayRefundSerializer(serializers.ModelSerializer[Refund]):
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
