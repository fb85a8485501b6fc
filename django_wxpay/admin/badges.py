"""Words that are seen at a glance: a colour for each, and always the word itself.

The colours are the admin's own variables, so they follow its light, dark and custom themes.
"""

from __future__ import annotations

from typing import Any, Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_wxpay.models import ApiReport, Order
from django_wxpay.models.choices import (
    EventKinds,
    NotificationOutcomes,
    RefundStatuses,
    ReportStatuses,
    TradeStates,
)

GOOD, WAITING, BAD, QUIET = "good", "waiting", "bad", "quiet"

TONES: Final[dict[str, str]] = {
    TradeStates.CREATED: QUIET,
    TradeStates.NOTPAY: WAITING,
    TradeStates.USERPAYING: WAITING,
    TradeStates.SUCCESS: GOOD,
    TradeStates.REFUND: GOOD,
    TradeStates.CLOSED: QUIET,
    TradeStates.REVOKED: QUIET,
    TradeStates.PAYERROR: BAD,
    EventKinds.PAID: GOOD,
    EventKinds.CONFLICTED: BAD,
    EventKinds.MOVED: QUIET,
    EventKinds.REFUND_SETTLED: QUIET,
    NotificationOutcomes.APPLIED: GOOD,
    NotificationOutcomes.CONFLICT: BAD,
    NotificationOutcomes.IGNORED: QUIET,
    NotificationOutcomes.FAILED: WAITING,
}

# Apart from the others, because a refund that is closed is money the customer did not get.
REFUND_TONES: Final[dict[str, str]] = {
    RefundStatuses.PROCESSING: QUIET,
    RefundStatuses.SUCCESS: GOOD,
    RefundStatuses.CLOSED: WAITING,
    RefundStatuses.ABNORMAL: BAD,
}

# Apart as well: a report that is given up is nobody's loss.
REPORT_TONES: Final[dict[str, str]] = {
    ReportStatuses.PENDING: WAITING,
    ReportStatuses.SENT: GOOD,
    ReportStatuses.FAILED: BAD,
    ReportStatuses.SKIPPED: QUIET,
    ReportStatuses.NOT_REPORTABLE: QUIET,
}


def badge(text: Any, tone: str) -> SafeString:
    """Return ``text`` on the colour of ``tone``."""
    return format_html('<span class="wxpay-badge wxpay-{}">{}</span>', tone, text)


def word(value: str, label: Any) -> SafeString:
    """Return one of WeChat Pay's words or of ours as a badge."""
    return badge(label, TONES[value])


def refund_status(value: str) -> SafeString:
    """Return where a refund stands."""
    return badge(RefundStatuses(value).label, REFUND_TONES[value])


def report_status(value: str) -> SafeString:
    """Return how far a measured call is on its way to WeChat Pay."""
    return badge(ReportStatuses(value).label, REPORT_TONES[value])


def state_of(order: Order) -> SafeString:
    """Return where an order stands; one that was refused at the start says so."""
    if order.trade_state == TradeStates.CREATED and order.err_code:
        return badge(_("Refused"), BAD)
    return word(order.trade_state, order.get_trade_state_display())


def answer_of(report: ApiReport) -> SafeString:
    """Return what came of a call: nothing to believe, a no, or a yes."""
    if report.failure:
        return badge(report.failure, BAD)
    if report.err_code or "FAIL" in {report.return_code, report.result_code}:
        return badge(report.err_code or "FAIL", WAITING)
    return badge("OK", GOOD)
