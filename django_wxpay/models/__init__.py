"""What is remembered: orders, what they were granted, what was heard of them, and each call."""

from __future__ import annotations

from django_wxpay.models.background_job import BackgroundJob
from django_wxpay.models.latency import ApiReport, HourlyLatency, ReportBacklog
from django_wxpay.models.notification import Notification
from django_wxpay.models.order import Order
from django_wxpay.models.order_event import OrderEvent
from django_wxpay.models.platform_certificate import CertificateDownload, PlatformCertificate
from django_wxpay.models.prepay import Prepay
from django_wxpay.models.promotion import Promotion
from django_wxpay.models.refund import Refund

__all__ = [
    "ApiReport",
    "BackgroundJob",
    "CertificateDownload",
    "HourlyLatency",
    "Notification",
    "Order",
    "OrderEvent",
    "PlatformCertificate",
    "Prepay",
    "Promotion",
    "Refund",
    "ReportBacklog",
]
