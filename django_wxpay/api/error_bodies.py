"""Bodies of errors, as the schema describes them; ``errors`` fills them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class WXPayErrorSerializer(serializers.Serializer[Any]):
    """``code`` is for programs, ``detail`` is a sentence for people."""

    code = serializers.CharField()
    detail = serializers.CharField()


class WXPayInvalidSerializer(WXPayErrorSerializer):
    """Each wrong field is a key, with its sentences; under ``errors`` they stand together."""

    # Only described by it, so nobody asks this serializer for errors of its own.
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField())
    )


class WXPayCallErrorSerializer(WXPayErrorSerializer):
    """WeChat Pay refused (422), or gave no trustworthy answer. The last four are those of a 422."""

    id = serializers.IntegerField()
    out_trade_no = serializers.CharField()
    err_code = serializers.CharField(required=False)
    err_code_des = serializers.CharField(required=False)
    advice = serializers.CharField(required=False)
    kind = serializers.CharField(required=False)


class WXPayRefundErrorSerializer(WXPayCallErrorSerializer):
    """``id`` and ``out_trade_no`` are the order's; ``refundable`` is what is left of it."""

    out_refund_no = serializers.CharField(required=False)
    refundable = serializers.IntegerField(required=False)
