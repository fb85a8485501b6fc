"""Routes of the REST API.

A key is any text to them, so that one that no row can have is the views' own 404, in JSON.
"""

from __future__ import annotations

from django.urls import path

from django_wxpay.api.orders import (
    OrderClose,
    OrderDetail,
    OrderList,
    OrderParameters,
    OrderQRCode,
    OrderQuery,
)
from django_wxpay.api.records import (
    ApiReportList,
    ApiReportSummary,
    NotificationDetail,
    NotificationList,
    NotificationReplay,
    RefundDetail,
    RefundList,
)
from django_wxpay.api.schema import SchemaView

urlpatterns = [
    path("orders/", OrderList.as_view(), name="api-orders"),
    path("orders/<str:pk>/", OrderDetail.as_view(), name="api-order"),
    path("orders/<str:pk>/parameters/", OrderParameters.as_view(), name="api-order-parameters"),
    path("orders/<str:pk>/qr.svg", OrderQRCode.as_view(), name="api-order-qr"),
    path("orders/<str:pk>/query/", OrderQuery.as_view(), name="api-order-query"),
    path("orders/<str:pk>/close/", OrderClose.as_view(), name="api-order-close"),
    path("refunds/", RefundList.as_view(), name="api-refunds"),
    path("refunds/<str:pk>/", RefundDetail.as_view(), name="api-refund"),
    path("notifications/", NotificationList.as_view(), name="api-notifications"),
    path("notifications/<str:pk>/", NotificationDetail.as_view(), name="api-notification"),
    path(
        "notifications/<str:pk>/replay/",
        NotificationReplay.as_view(),
        name="api-notification-replay",
    ),
    path("api-reports/", ApiReportList.as_view(), name="api-reports"),
    path("api-reports/summary/", ApiReportSummary.as_view(), name="api-reports-summary"),
    path("schema/", SchemaView.as_view(), name="api-schema"),
]
