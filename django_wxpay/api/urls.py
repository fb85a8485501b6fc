"""Which address asks for what."""

from __future__ import annotations

from django.urls import path

from django_wxpay.api.schema import SchemaView
from django_wxpay.api.views.api_reports import ApiReportList, ApiReportSummary
from django_wxpay.api.views.notifications import (
    NotificationDetail,
    NotificationList,
    NotificationReplay,
)
from django_wxpay.api.views.orders import OrderClose, OrderDetail, OrderList, OrderQuery
from django_wxpay.api.views.paying import OrderParameters, OrderQRCode
from django_wxpay.api.views.refunds import RefundDetail, RefundList

urlpatterns = [
    path("orders/", OrderList.as_view(), name="api-orders"),
    path("orders/<int:pk>/", OrderDetail.as_view(), name="api-order"),
    path("orders/<int:pk>/parameters/", OrderParameters.as_view(), name="api-order-parameters"),
    path("orders/<int:pk>/qr.svg", OrderQRCode.as_view(), name="api-order-qr"),
    path("orders/<int:pk>/query/", OrderQuery.as_view(), name="api-order-query"),
    path("orders/<int:pk>/close/", OrderClose.as_view(), name="api-order-close"),
    path("refunds/", RefundList.as_view(), name="api-refunds"),
    path("refunds/<int:pk>/", RefundDetail.as_view(), name="api-refund"),
    path("notifications/", NotificationList.as_view(), name="api-notifications"),
    path("notifications/<int:pk>/", NotificationDetail.as_view(), name="api-notification"),
    path(
        "notifications/<int:pk>/replay/",
        NotificationReplay.as_view(),
        name="api-notification-replay",
    ),
    path("api-reports/", ApiReportList.as_view(), name="api-reports"),
    path("api-reports/summary/", ApiReportSummary.as_view(), name="api-reports-summary"),
    path("schema/", SchemaView.as_view(), name="api-schema"),
]
