"""The admin door: everything to be seen, nothing to be edited, a few things to be asked for."""

from __future__ import annotations

from django_wxpay.admin.api_reports import ApiReportAdmin
from django_wxpay.admin.background_jobs import BackgroundJobAdmin
from django_wxpay.admin.certificates import CertificateDownloadAdmin, PlatformCertificateAdmin
from django_wxpay.admin.latency.page import HourlyLatencyAdmin
from django_wxpay.admin.notifications import NotificationAdmin
from django_wxpay.admin.order_events import OrderEventAdmin
from django_wxpay.admin.orders.page import OrderAdmin
from django_wxpay.admin.prepays import PrepayAdmin
from django_wxpay.admin.promotions import PromotionAdmin
from django_wxpay.admin.refunds import RefundAdmin

__all__ = [
    "ApiReportAdmin",
    "BackgroundJobAdmin",
    "CertificateDownloadAdmin",
    "HourlyLatencyAdmin",
    "NotificationAdmin",
    "OrderAdmin",
    "OrderEventAdmin",
    "PlatformCertificateAdmin",
    "PrepayAdmin",
    "PromotionAdmin",
    "RefundAdmin",
]
