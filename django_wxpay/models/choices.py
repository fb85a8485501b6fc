"""The words of WeChat Pay, and our own, as a person reads them."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class TradeTypes(TextChoices):
    JSAPI = "JSAPI", _("JSAPI (in WeChat, mini program)")
    NATIVE = "NATIVE", _("NATIVE (QR code)")
    APP = "APP", _("APP (in-app)")
    MWEB = "MWEB", _("MWEB (mobile browser)")
    MICROPAY = "MICROPAY", _("MICROPAY (payment code)")


class TradeStates(TextChoices):
    CREATED = "CREATED", _("Created")
    NOTPAY = "NOTPAY", _("Not paid")
    USERPAYING = "USERPAYING", _("Customer is paying")
    SUCCESS = "SUCCESS", _("Paid")
    REFUND = "REFUND", _("Paid, with refunds")
    CLOSED = "CLOSED", _("Closed")
    REVOKED = "REVOKED", _("Reversed")
    PAYERROR = "PAYERROR", _("Payment failed")


class EventKinds(TextChoices):
    PAID = "PAID", _("Paid")
    CLOSED = "CLOSED", _("Closed")
    CONFLICTED = "CONFLICTED", _("Conflict")
    MOVED = "MOVED", _("Moved")
    REFUND_SETTLED = "REFUND_SETTLED", _("Refund settled")


class RefundStatuses(TextChoices):
    PROCESSING = "PROCESSING", _("In progress")
    SUCCESS = "SUCCESS", _("Paid back")
    CLOSED = "CLOSED", _("Closed, nothing paid back")
    ABNORMAL = "ABNORMAL", _("Stuck, needs a person")


class ReportStatuses(TextChoices):
    """How far a measured call is on its way to payitil/report. Only PENDING is ever sent."""

    PENDING = "PENDING", _("Waiting to be reported")
    SENT = "SENT", _("Reported")
    FAILED = "FAILED", _("Given up")
    SKIPPED = "SKIPPED", _("Left out by REPORT_LEVEL")
    NOT_REPORTABLE = "NOT_REPORTABLE", _("Cannot be reported")


class NotificationKinds(TextChoices):
    PAYMENT = "payment", _("Payment")
    REFUND = "refund", _("Refund")


class NotificationOutcomes(TextChoices):
    """What became of a notification. Only FAILED is undecided and tried again."""

    APPLIED = "APPLIED", _("Applied")
    CONFLICT = "CONFLICT", _("Conflict")
    IGNORED = "IGNORED", _("Nothing to do")
    FAILED = "FAILED", _("Failed, tried again")
