"""What errors look like, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class WXPayErrorSerializer(serializers.Serializer[Any]):
    """``code`` is for programs, ``detail`` for people; a 400 has a key for each wrong field."""

    code = serializers.CharField()
    detail = serializers.CharField()


class WXPayCallErrorSerializer(WXPayErrorSerializer):
    """WeChat Pay said no, or nothing that can be trusted. ``err_code`` and so on at 422 only."""

    id = serializers.IntegerField()
    out_trade_no = serializers.CharField()
    err_code = serializers.CharField(required=False)
    err_code_des = serializers.CharField(required=False)
    advice = serializers.CharField(required=False)
    kind = serializers.CharField(required=False)
