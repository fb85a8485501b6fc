"""Refunds over HTTP: listed and shown."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView, RetrieveAPIView

from django_wxpay.api.base import WXPayView
from django_wxpay.api.filters import ExactFilters, RefundFilter
from django_wxpay.api.serializers.errors import WXPayErrorSerializer
from django_wxpay.api.serializers.refunds import WXPayRefundSerializer
from django_wxpay.models import Refund


@extend_schema(parameters=[RefundFilter])
class RefundList(WXPayView, ListAPIView[Refund]):
    """All refunds, newest first."""

    permission_to_read = "view_refund"
    filter_backends = (ExactFilters,)
    filter_serializer_class = RefundFilter
    queryset = Refund.objects.all()
    serializer_class = WXPayRefundSerializer


@extend_schema(responses={200: WXPayRefundSerializer, 404: WXPayErrorSerializer})
class RefundDetail(WXPayView, RetrieveAPIView[Refund]):
    """One refund."""

    permission_to_read = "view_refund"
    queryset = Refund.objects.all()
    serializer_class = WXPayRefundSerializer
