"""Routes of the REST API.

A key is any text to them, so that one that no row can have is the views' own 404, in JSON.
"""

from __future__ import annotations

from django.urls import path

from django_wxpay.api.bills import (
    BillDetail,
    BillDownload,
    BillList,
    BillReconcile,
    DiscrepancyDetail,
    DiscrepancyList,
    DiscrepancyResolve,
)
from django_wxpay.api.orders import (
    OrderClose,
    OrderDetail,
    OrderList,
    OrderParameters,
    OrderPayByCode,
    OrderQRCode,
    OrderQuery,
    OrderReverse,
)
from django_wxpay.api.records import (
    ApiReportList,
    ApiReportSummary,
    NotificationDetail,
    NotificationList,
    NotificationReplay,
)
from django_wxpay.api.refunds import (
    OrderRefunds,
    RefundAbnormal,
    RefundDetail,
    RefundList,
    RefundQuery,
)
from django_wxpay.api.schema import SchemaView

urlpatterns = [
    path("orders/", OrderList.as_view(), name="api-orders"),
    path("orders/pay-by-code/", OrderPayByCode.as_view(), name="api-order-pay-by-code"),
    path("orders/<str:pk>/", OrderDetail.as_view(), name="api-order"),
    path("orders/<str:pk>/parameters/", OrderParameters.as_view(), name="api-order-parameters"),
    path("orders/<str:pk>/qr.svg", OrderQRCode.as_view(), name="api-order-qr"),
    path("orders/<str:pk>/query/", OrderQuery.as_view(), name="api-order-query"),
    path("orders/<str:pk>/close/", OrderClose.as_view(), name="api-order-close"),
    path("orders/<str:pk>/reverse/", OrderReverse.as_view(), name="api-order-reverse"),
    path("orders/<str:pk>/refunds/", OrderRefunds.as_view(), name="api-order-refunds"),
    path("refunds/", RefundList.as_view(), name="api-refunds"),
    path("refunds/<str:pk>/", RefundDetail.as_view(), name="api-refund"),
    path("refunds/<str:pk>/query/", RefundQuery.as_view(), name="api-refund-query"),
    path(
        "refunds/<str:pk>/apply-abnormal-refund/",
        RefundAbnormal.as_view(),
        name="api-refund-abnormal",
    ),
    path("notifications/", NotificationList.as_view(), name="api-notifications"),
    path("notifications/<str:pk>/", NotificationDetail.as_view(), name="api-notification"),
    path(
        "notifications/<str:pk>/replay/",
        NotificationReplay.as_view(),
        name="api-notification-replay",
    ),
    path("api-reports/", ApiReportList.as_view(), name="api-reports"),
    path("api-reports/summary/", ApiReportSummary.as_view(), name="api-reports-summary"),
    path("bills/", BillList.as_view(), name="api-bills"),
    path("bills/<str:pk>/", BillDetail.as_view(), name="api-bill"),
    path("bills/<str:pk>/download/", BillDownload.as_view(), name="api-bill-download"),
    path("bills/<str:pk>/reconcile/", BillReconcile.as_view(), name="api-bill-reconcile"),
    path("discrepancies/", DiscrepancyList.as_view(), name="api-discrepancies"),
    path("discrepancies/<str:pk>/", DiscrepancyDetail.as_view(), name="api-discrepancy"),
    path(
        "discrepancies/<str:pk>/resolve/",
        DiscrepancyResolve.as_view(),
        name="api-discrepancy-resolve",
    ),
    path("schema/", SchemaView.as_view(), name="api-schema"),
]
