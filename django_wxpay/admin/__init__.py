"""The admin door: every row can be seen, none edited, and a few actions are offered."""

from __future__ import annotations

from django_wxpay.admin.bills.bills import BillAdmin
from django_wxpay.admin.bills.discrepancies import DiscrepancyAdmin
from django_wxpay.admin.latency.admin import HourlyLatencyAdmin
from django_wxpay.admin.merchants.admin import MerchantAccountAdmin
from django_wxpay.admin.notifications import NotificationAdmin, RefusalCountAdmin
from django_wxpay.admin.operations import (
    ApiReportAdmin,
    BackgroundJobAdmin,
    CertificateDownloadAdmin,
    PlatformCertificateAdmin,
)
from django_wxpay.admin.orders.admin import OrderAdmin
from django_wxpay.admin.orders.events import OrderEventAdmin
from django_wxpay.admin.payments import PrepayAdmin, PromotionAdmin
from django_wxpay.admin.refunds.admin import RefundAdmin

__all__ = [
    "ApiReportAdmin",
    "BackgroundJobAdmin",
    "BillAdmin",
    "CertificateDownloadAdmin",
    "DiscrepancyAdmin",
    "HourlyLatencyAdmin",
    "MerchantAccountAdmin",
    "NotificationAdmin",
    "OrderAdmin",
    "OrderEventAdmin",
    "PlatformCertificateAdmin",
    "PrepayAdmin",
    "PromotionAdmin",
    "RefundAdmin",
    "RefusalCountAdmin",
]
