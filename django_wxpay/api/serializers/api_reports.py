"""A call on the wire as the API shows it, and what many of them come to."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_wxpay.api.fields import Moment
from django_wxpay.models import ApiReport


class WXPayApiReportSerializer(serializers.ModelSerializer[ApiReport]):
    created_at = Moment(read_only=True)

    class Meta:
        model = ApiReport
        fields = (
            "id",
            "merchant",
            "mch_id",
            "appid",
            "sub_appid",
            "sub_mch_id",
            "api",
            "interface_url",
            "host",
            "is_standby",
            "out_trade_no",
            "device_info",
            "user_ip",
            "execute_time_ms",
            "http_status",
            "failure",
            "return_code",
            "return_msg",
            "result_code",
            "err_code",
            "err_code_des",
            "request_id",
            "report_status",
            "created_at",
        )
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
