"""Labels of the words that columns hold.

WeChat Pay's words are enums of ``protocol``, so here they are only labelled; the enums of this
file are words of our own.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from django_wxpay.protocol.bills.rows import BillKind
from django_wxpay.protocol.facts import RefundStatus, TradeState, TradeType

# By value, because a migration would otherwise import the enums, and hold them in place for good.
TRADE_TYPES: Final[dict[str, Any]] = {
    TradeType.JSAPI.value: _("In WeChat or a mini program (JSAPI)"),
    TradeType.NATIVE.value: _("QR code (NATIVE)"),
    TradeType.APP.value: _("In an app (APP)"),
    TradeType.MWEB.value: _("Mobile browser (MWEB)"),
    TradeType.MICROPAY.value: _("Payment code (MICROPAY)"),
}

TRADE_STATES: Final[dict[str, Any]] = {
    TradeState.CREATED.value: _("Created"),
    TradeState.NOTPAY.value: _("Not paid"),
    TradeState.USERPAYING.value: _("Customer is paying"),
    TradeState.SUCCESS.value: _("Paid"),
    TradeState.REFUND.value: _("Paid, with refunds"),
    TradeState.CLOSED.value: _("Closed"),
    TradeState.REVOKED.value: _("Reversed"),
    TradeState.PAYERROR.value: _("Payment failed"),
}

REFUND_STATUSES: Final[dict[str, Any]] = {
    RefundStatus.PROCESSING.value: _("In progress"),
    RefundStatus.SUCCESS.value: _("Paid back"),
    RefundStatus.CLOSED.value: _("Closed, nothing paid back"),
    RefundStatus.ABNORMAL.value: _("Stuck, needs a person"),
}


class EventKinds(TextChoices):
    PAID = "PAID", _("Paid")
    CLOSED = "CLOSED", _("Closed")
    CONFLICTED = "CONFLICTED", _("Conflict")
    MOVED = "MOVED", _("Moved")
    REFUND_SETTLED = "REFUND_SETTLED", _("Refund settled")
    PAID_TWICE = "PAID_TWICE", _("Paid twice")
    RECEIVED = "RECEIVED", _("Notification received")
    NOTE = "NOTE", _("Note")


class Attentions(TextChoices):
    """What of an order needs a person, the most urgent first."""

    CONFLICT = "CONFLICT", _("Conflict")
    PAID_TWICE = "PAID_TWICE", _("Paid twice")
    REFUND_ABNORMAL = "REFUND_ABNORMAL", _("Refund stuck")
    NOT_DELIVERED = "NOT_DELIVERED", _("Not delivered")
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN", _("Outcome unknown")
    OVERDUE = "OVERDUE", _("Overdue")


class ReportStatuses(TextChoices):
    """Stages of a measured call on its way to payitil/report. Only PENDING is ever sent."""

    PENDING = "PENDING", _("Waiting to be reported")
    SENT = "SENT", _("Reported")
    FAILED = "FAILED", _("Given up")
    SKIPPED = "SKIPPED", _("Left out by REPORT_LEVEL")
    NOT_REPORTABLE = "NOT_REPORTABLE", _("Cannot be reported")


class NotificationKinds(TextChoices):
    PAYMENT = "payment", _("Payment")
    REFUND = "refund", _("Refund")
    OTHER = "other", _("Another product")


class NotificationOutcomes(TextChoices):
    """Results of processing a notification. Only FAILED is undecided and tried again."""

    APPLIED = "APPLIED", _("Applied")
    CONFLICT = "CONFLICT", _("Conflict")
    IGNORED = "IGNORED", _("Nothing to do")
    FAILED = "FAILED", _("Failed, tried again")


class RefusalReasons(TextChoices):
    """Reasons to refuse a request at a notify_url, so that it has no row of its own.

    The first ones are what a wrong key of ours looks like, and a forgery.
    """

    WRONG = "WRONG", _("Wrong signature")
    UNKNOWN_KEY = "UNKNOWN_KEY", _("Signed with an unknown key")
    NOT_OPENED = "NOT_OPENED", _("Our key does not open it")
    NO_KEYS = "NO_KEYS", _("No key of ours for its protocol")
    OTHER_MERCHANT = "OTHER_MERCHANT", _("For another mch_id")
    STALE = "STALE", _("Not signed within five minutes of our clock")
    UNSIGNED = "UNSIGNED", _("Not signed")
    UNKNOWN_MERCHANT = "UNKNOWN_MERCHANT", _("For a merchant that the settings do not have")
    OUR_TROUBLE = "OUR_TROUBLE", _("Our own settings or keys could not be used")
    MALFORMED = "MALFORMED", _("Not readable")
    TOO_LARGE = "TOO_LARGE", _("Too large")
    PROBE = "PROBE", _("WeChat Pay's test of the verification")


class BillKinds(TextChoices):
    TRADE = BillKind.TRADE.value, _("Payments and refunds")
    FUND_FLOW = BillKind.FUND_FLOW.value, _("Fund flow")


class BillStatuses(TextChoices):
    """Stages of a bill. FAILED is tried again; EMPTY is a day without business."""

    PENDING = "PENDING", _("Not fetched yet")
    DOWNLOADED = "DOWNLOADED", _("Fetched")
    EMPTY = "EMPTY", _("No business that day")
    RECONCILED = "RECONCILED", _("Reconciled")
    FAILED = "FAILED", _("Failed")


class DiscrepancyKinds(TextChoices):
    MISSING_HERE = "MISSING_HERE", _("Paid there, no such order here")
    UNPAID_HERE = "UNPAID_HERE", _("Paid there, not paid here")
    MISSING_THERE = "MISSING_THERE", _("Paid here, not in the bill")
    AMOUNT = "AMOUNT", _("Another amount")
    CURRENCY = "CURRENCY", _("Another currency")
    REFUND_MISSING_HERE = "REFUND_MISSING_HERE", _("Refunded there, no such refund here")
    REFUND_MISSING_THERE = "REFUND_MISSING_THERE", _("Refunded here, not in the bill")
    REFUND_AMOUNT = "REFUND_AMOUNT", _("Another amount of a refund")
    REFUND_STATUS = "REFUND_STATUS", _("Another status of a refund")


class DiscrepancyStatuses(TextChoices):
    OPEN = "OPEN", _("Open")
    RESOLVED = "RESOLVED", _("Resolved")


class Resolutions(TextChoices):
    PERSON = "PERSON", _("By a person")
    GONE = "GONE", _("Its cause is gone")
