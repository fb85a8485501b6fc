"""The public calls: what a shop, a clerk, a notification or a timer can do.

Every call but ``record_sale``, which records one more sale each time, is safe to repeat. A call
that uses the network refuses to do so while a database transaction is open.
"""

from __future__ import annotations

from django_wxpay.protocol.v2.batch_reports import SaleState, TerminalSale
from django_wxpay.services.notifications.receiving import receive_notification, replay_notification
from django_wxpay.services.notifications.responses import Acknowledgement
from django_wxpay.services.notifications.retrying import retry_notifications
from django_wxpay.services.orders.checkout import Checkout, checkout, payment_parameters
from django_wxpay.services.orders.closing import close_order
from django_wxpay.services.orders.creating import create_order, get_or_create_order
from django_wxpay.services.orders.placing import unified_order
from django_wxpay.services.orders.querying import query_order
from django_wxpay.services.reports.sales import SalesRun, record_sale, report_sales
from django_wxpay.services.reports.sending import ReportRun, send_reports
from django_wxpay.services.sync.sweep import SyncRun, sync_orders
from django_wxpay.services.transitions.events import dispatch_events
from django_wxpay.services.worker.running import JobRun, run_jobs

__all__ = [
    "Acknowledgement",
    "Checkout",
    "JobRun",
    "ReportRun",
    "SaleState",
    "SalesRun",
    "SyncRun",
    "TerminalSale",
    "checkout",
    "close_order",
    "create_order",
    "dispatch_events",
    "get_or_create_order",
    "payment_parameters",
    "query_order",
    "receive_notification",
    "record_sale",
    "replay_notification",
    "report_sales",
    "retry_notifications",
    "run_jobs",
    "send_reports",
    "sync_orders",
    "unified_order",
]
