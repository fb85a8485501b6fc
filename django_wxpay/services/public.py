"""The public calls, from where they are defined, for ``services`` to hand out."""

from __future__ import annotations

from django_wxpay.protocol.v2.batch_reports import SaleState, TerminalSale
from django_wxpay.services.attention.cases import attention_of, resolve_event
from django_wxpay.services.bills.differences import resolve_discrepancy
from django_wxpay.services.bills.downloading import download_bill
from django_wxpay.services.bills.reading import bill_rows
from django_wxpay.services.bills.reconciling import Reconciliation, reconcile
from django_wxpay.services.calling import (
    call,
    call_v2,
    decrypt_sensitive,
    download,
    encrypt_sensitive,
    upload,
)
from django_wxpay.services.notifications.receiving import receive_notification, replay_notification
from django_wxpay.services.notifications.responses import Acknowledgement
from django_wxpay.services.notifications.retrying import retry_notifications
from django_wxpay.services.orders.checkout import Checkout, checkout, payment_parameters
from django_wxpay.services.orders.closing import close_order
from django_wxpay.services.orders.codepay import Sale, complete_sale, open_sale, pay_by_code
from django_wxpay.services.orders.creating import create_order, get_or_create_order
from django_wxpay.services.orders.notes import add_note
from django_wxpay.services.orders.payment_status import (
    CustomerStatus,
    PaymentStatus,
    payment_status,
)
from django_wxpay.services.orders.placing import unified_order
from django_wxpay.services.orders.qr_codes import qr_svg
from django_wxpay.services.orders.querying import query_order
from django_wxpay.services.orders.reversing import reverse_order
from django_wxpay.services.refunds.abnormal import apply_abnormal_refund
from django_wxpay.services.refunds.creating import create_refund, get_or_create_refund
from django_wxpay.services.refunds.querying import query_refund, query_refunds
from django_wxpay.services.reports.sales import SalesRun, record_sale, report_sales
from django_wxpay.services.reports.sending import ReportRun, send_reports
from django_wxpay.services.sync.checking import check_order
from django_wxpay.services.sync.sweep import SyncRun, sync_orders
from django_wxpay.services.transitions.dispatch import dispatch_events
from django_wxpay.services.worker.running import JobRun, run_jobs

__all__ = [
    "Acknowledgement",
    "Checkout",
    "CustomerStatus",
    "JobRun",
    "PaymentStatus",
    "Reconciliation",
    "ReportRun",
    "Sale",
    "SaleState",
    "SalesRun",
    "SyncRun",
    "TerminalSale",
    "add_note",
    "apply_abnormal_refund",
    "attention_of",
    "bill_rows",
    "call",
    "call_v2",
    "check_order",
    "checkout",
    "close_order",
    "complete_sale",
    "create_order",
    "create_refund",
    "decrypt_sensitive",
    "dispatch_events",
    "download",
    "download_bill",
    "encrypt_sensitive",
    "get_or_create_order",
    "get_or_create_refund",
    "open_sale",
    "pay_by_code",
    "payment_parameters",
    "payment_status",
    "qr_svg",
    "query_order",
    "query_refund",
    "query_refunds",
    "receive_notification",
    "reconcile",
    "record_sale",
    "replay_notification",
    "report_sales",
    "resolve_discrepancy",
    "resolve_event",
    "retry_notifications",
    "reverse_order",
    "run_jobs",
    "send_reports",
    "sync_orders",
    "unified_order",
    "upload",
]
