"""A notification as the API shows it; its body only with everything private masked."""

from __future__ import annotations

from rest_framework import serializers

from django_wxpay.api.fields import Moment
from django_wxpay.models import Notification
from django_wxpay.protocol.redaction import redact_text


class WXPayNotificationSerializer(serializers.ModelSerializer[Notification]):
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
        """Return what was sent, as a person may read it."""
        return redact_text(bytes(notification.body))
