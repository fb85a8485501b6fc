"""Tables: orders and what belongs to them, bills, notifications, API reports, background rows."""

from __future__ import annotations

from django_wxpay.models.background import (
    BackgroundJob,
    CertificateDownload,
    PlatformCertificate,
)
from django_wxpay.models.bill import Bill, Discrepancy, Fee
from django_wxpay.models.latency import ApiReport, HourlyLatency, ReportBacklog
from django_wxpay.models.merchant import MerchantAccount, MerchantVersion
from django_wxpay.models.notification import Notification, RefusalCount
from django_wxpay.models.order import Order
from django_wxpay.models.order_event import OrderEvent
from django_wxpay.models.payment import Prepay, Promotion
from django_wxpay.models.refund import Refund

__all__ = [
    "ApiReport",
    "BackgroundJob",
    "Bill",
    "CertificateDownload",
    "Discrepancy",
    "Fee",
    "HourlyLatency",
    "MerchantAccount",
    "MerchantVersion",
    "Notification",
    "Order",
    "OrderEvent",
    "PlatformCertificate",
    "Prepay",
    "Promotion",
    "Refund",
    "RefusalCount",
    "ReportBacklog",
]
