"""Notifications and API reports over HTTP: rows to read, and the replay."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from django_wxpay import services
from django_wxpay.api.base import WXPayView
from django_wxpay.api.lists import (
    ApiReportFilter,
    ExactFilters,
    LatencyFilter,
    NotificationFilter,
    lookups,
)
from django_wxpay.api.serializers import (
    WXPayApiReportSerializer,
    WXPayLatencySummarySerializer,
    WXPayNotificationDetailSerializer,
    WXPayNotificationSerializer,
)
from django_wxpay.models import ApiReport, Notification
from django_wxpay.services.latency import summary

_RECENT: Final = timedelta(hours=24)


@extend_schema(parameters=[NotificationFilter])
class NotificationList(WXPayView, ListAPIView[Notification]):
    """All notifications, newest first, without their bodies."""

    permission_to_read = "view_notification"
    filter_backends = (ExactFilters,)
    filter_serializer_class = NotificationFilter
    queryset = Notification.objects.all()
    serializer_class = WXPayNotificationSerializer

    def get_queryset(self) -> QuerySet[Any]:
        # Bodies may be a megabyte each, and no list shows them.
        return super().get_queryset().defer("body", "headers")


@extend_schema(responses={200: WXPayNotificationDetailSerializer})
class NotificationDetail(WXPayView, RetrieveAPIView[Notification]):
    """One notification, its body redacted."""

    permission_to_read = "view_notification"
    queryset = Notification.objects.all()
    serializer_class = WXPayNotificationDetailSerializer


@extend_schema(
    request=None,
    responses={200: WXPayNotificationDetailSerializer},
)
class NotificationReplay(WXPayView):
    """One notification, processed again."""

    permission_to_write = "change_notification"
    queryset = Notification.objects.all()
    serializer_class = WXPayNotificationDetailSerializer

    def post(self, _request: Request, **_kwargs: str) -> Response:
        """Send the stored bytes through the same door again; ``outcome`` is the result."""
        notification = self.get_object()
        services.replay_notification(notification)
        notification.refresh_from_db()
        return Response(self.get_serializer(notification).data)


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
    responses={200: WXPayLatencySummarySerializer},
)
class ApiReportSummary(WXPayView):
    """How long calls took and how many failed, by merchant, interface and host."""

    permission_to_read = "view_apireport"
    queryset = ApiReport.objects.all()
    serializer_class = WXPayLatencySummarySerializer

    def get(self, request: Request) -> Response:
        """Sum up the hours asked for; those of the last 24 hours if no time is given."""
        wanted: dict[str, Any] = lookups(request, LatencyFilter)
        period = summary.Period.covering(
            after=wanted.pop("created_after", None),
            before=wanted.pop("created_before", None),
            span=_RECENT,
        )
        rows = summary.measure(period, summary.Scope(**wanted)).summary()
        return Response({"results": [asdict(row) for row in rows]})
