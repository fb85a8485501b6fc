"""Notifications over HTTP: what WeChat Pay sent, and judging it again."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from django_wxpay import services
from django_wxpay.api.base import WXPayView
from django_wxpay.api.filters import ExactFilters, NotificationFilter
from django_wxpay.api.serializers.errors import WXPayErrorSerializer
from django_wxpay.api.serializers.notifications import (
    WXPayNotificationDetailSerializer,
    WXPayNotificationSerializer,
)
from django_wxpay.models import Notification


@extend_schema(parameters=[NotificationFilter])
class NotificationList(WXPayView, ListAPIView[Notification]):
    """All notifications, newest first, without their bodies."""

    permission_to_read = "view_notification"
    filter_backends = (ExactFilters,)
    filter_serializer_class = NotificationFilter
    queryset = Notification.objects.all()
    serializer_class = WXPayNotificationSerializer

    def get_queryset(self) -> QuerySet[Any]:
        """Leave the bodies in the database."""
        return super().get_queryset().defer("body", "headers")


@extend_schema(responses={200: WXPayNotificationDetailSerializer, 404: WXPayErrorSerializer})
class NotificationDetail(WXPayView, RetrieveAPIView[Notification]):
    """One notification, its body redacted."""

    permission_to_read = "view_notification"
    queryset = Notification.objects.all()
    serializer_class = WXPayNotificationDetailSerializer


@extend_schema(
    request=None,
    responses={200: WXPayNotificationDetailSerializer, 404: WXPayErrorSerializer},
)
class NotificationReplay(WXPayView):
    """A second judgement of one notification."""

    permission_to_write = "change_notification"
    queryset = Notification.objects.all()
    serializer_class = WXPayNotificationDetailSerializer

    def post(self, _request: Request, **_kwargs: int) -> Response:
        """Send the stored bytes through the same door again; ``outcome`` says what came of it."""
        notification = self.get_object()
        services.replay_notification(notification)
        notification.refresh_from_db()
        return Response(self.get_serializer(notification).data)
