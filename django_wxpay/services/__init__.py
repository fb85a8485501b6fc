"""The public calls: what a shop, a clerk, a notification or a timer can do.

Every call but ``record_sale``, which records one more sale each time, is safe to repeat. A call
that uses the network refuses to do so while a database transaction is open.

They are imported when the first of them is used: a process that never pays, such as a command of
Django's or a page of the admin, then does not wait for the client of WeChat Pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_wxpay.protocol.late_imports import imported_late

# ruff: noqa: F405 - the names are those of ``public``, which are known here without loading it.
if TYPE_CHECKING:
    from django_wxpay.services.public import *  # noqa: F403

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

if not TYPE_CHECKING:
    __getattr__ = imported_late(__name__, dict.fromkeys(__all__, "public"))
