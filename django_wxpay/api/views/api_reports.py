"""Calls on the wire over HTTP: each one, and what they come to."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from django_wxpay.api.base import WXPayView
from django_wxpay.api.filters import ApiReportFilter, ExactFilters, LatencyFilter, asked
from django_wxpay.api.serializers.api_reports import (
    WXPayApiReportSerializer,
    WXPayLatencySummarySerializer,
)
from django_wxpay.api.serializers.errors import WXPayErrorSerializer
from django_wxpay.models import ApiReport
from django_wxpay.services.latency import summary

_RECENT: Final = timedelta(hours=24)


@extend_schema(parameters=[ApiReportFilter])
class ApiReportList(WXPayView, ListAPIView[ApiReport]):
    """All calls, newest first, with their milliseconds."""

    permission_to_read = "view_apireport"
    filter_backends = (ExactFilters,)
    filter_serializer_class = ApiReportFilter
    queryset = ApiReport.objects.all()
    serializer_class = WXPayApiReportSerializer


@extend_schema(
    parameters=[LatencyFilter],
    responses={200: WXPayLatencySummarySerializer, 400: WXPayErrorSerializer},
)
class ApiReportSummary(WXPayView):
    """How long calls took and how many failed, by merchant, interface and host."""

    permission_to_read = "view_apireport"
    queryset = ApiReport.objects.all()
    serializer_class = WXPayLatencySummarySerializer

    def get(self, request: Request) -> Response:
        """Sum up the hours asked for; those of the last 24 hours if no time is given."""
        wanted: dict[str, Any] = asked(request, LatencyFilter)
        period = summary.Period.covering(
            after=wanted.pop("created_after", None),
            before=wanted.pop("created_before", None),
            span=_RECENT,
        )
        rows = summary.measure(period, summary.Scope(**wanted)).summary()
        return Response({"results": [asdict(row) for row in rows]})
