"""Words for bills and differences: statuses, both sides of a difference, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import (
    REFUND_STATUSES,
    TRADE_STATES,
    BillStatuses,
    DiscrepancyKinds,
    DiscrepancyStatuses,
)
from django_wxpay.models.labels import LABELS
from django_wxpay.protocol.money import format_amount

_BILL_TONES: Final[dict[str, str]] = {
    BillStatuses.PENDING: display.WAITING,
    BillStatuses.DOWNLOADED: display.QUIET,
    BillStatuses.EMPTY: display.QUIET,
    BillStatuses.RECONCILED: display.GOOD,
    BillStatuses.FAILED: display.BAD,
}

WHAT_TO_DO: Final[dict[str, Any]] = {
    DiscrepancyKinds.MISSING_HERE: _(
        "Find out who took this payment: another system with the same merchant number, or an "
        "order that was deleted here. If nobody owes the customer anything for it, pay it back on "
        "the merchant platform."
    ),
    DiscrepancyKinds.UNPAID_HERE: _(
        "The customer has paid, and the order does not know it. Open the order and ask WeChat Pay; "
        "then reconcile the bill again."
    ),
    DiscrepancyKinds.MISSING_THERE: _(
        "A payment of the last minutes of a day may stand in the next bill: wait for it first. "
        "After that, open the order and ask WeChat Pay; if the order is paid there too, ask their "
        "support with the transaction_id."
    ),
    DiscrepancyKinds.AMOUNT: _(
        "The customer paid another amount than the order asks for. Deliver nothing more before "
        "somebody has compared both; then pay the difference back, or ask the customer for it."
    ),
    DiscrepancyKinds.CURRENCY: _(
        "The amount is in another currency than the order asks for. Compare the order with what "
        "the shop has shown, and correct the shop's setting of the currency."
    ),
    DiscrepancyKinds.REFUND_MISSING_HERE: _(
        "Somebody paid money back elsewhere, mostly on the merchant platform. Find out who and "
        "why, and enter it in the books."
    ),
    DiscrepancyKinds.REFUND_MISSING_THERE: _(
        "A refund may stand in the bill of the next day: wait for it first. After that, open the "
        "refund and ask WeChat Pay how it stands."
    ),
    DiscrepancyKinds.REFUND_AMOUNT: _(
        "Another amount went back than was asked for. Compare both, and ask WeChat Pay's support "
        "with the refund_id."
    ),
    DiscrepancyKinds.REFUND_STATUS: _(
        "The refund has come further there than here, or failed there. Open the refund and ask "
        "WeChat Pay; then reconcile the bill again."
    ),
}

_STATES: Final[dict[str, Mapping[str, Any]]] = {
    "trade_state": TRADE_STATES,
    "refund_status": REFUND_STATUSES,
}
_AMOUNTS: Final = frozenset({"total_fee", "refund_fee"})
# What came of asking is no value that a bill has.
ANSWER: Final = "answer"


def bill_badge(bill: Bill) -> SafeString:
    return display.badge(bill.get_status_display(), _BILL_TONES[bill.status])


def status_badge(difference: Discrepancy) -> SafeString:
    """Return whether a difference is open, and what ended one that is not."""
    if difference.status == DiscrepancyStatuses.OPEN:
        return display.badge(difference.get_status_display(), display.BAD)
    ended = difference.get_resolution_display() or difference.get_status_display()
    return display.badge(ended, display.GOOD)


def what_to_do(kind: str) -> str:
    return str(WHAT_TO_DO[kind])


def both_sides(difference: Discrepancy) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the label of each value, and the value here and in the bill; marked if they differ."""
    ours, theirs = difference.ours, difference.theirs
    both = isinstance(ours, dict) and isinstance(theirs, dict)
    names = dict.fromkeys((*(ours or {}), *(theirs or {})))
    for name in names:
        if name == ANSWER:
            continue
        here, there = side_value(ours, name), side_value(theirs, name)
        if both and (ours or {}).get(name) != (theirs or {}).get(name):
            here, there = _marked(here), _marked(there)
        yield LABELS.get(name, name), here, there


def side_value(side: Any, name: str) -> str:
    """Return one value of a side for a person's eyes; a dash where it has none."""
    value = side.get(name) if isinstance(side, dict) else None
    if value is None or value == "":
        return "-"
    if name in _AMOUNTS and isinstance(value, int):
        return format_amount(value, str(side.get("fee_type") or "CNY"))
    return str(_STATES.get(name, {}).get(str(value), value))


def amount_of(side: Any) -> str:
    """Return the amount of a side, or a dash where it has no such payment."""
    name = "refund_fee" if isinstance(side, dict) and "refund_fee" in side else "total_fee"
    return side_value(side, name)


def in_a_line(side: Any) -> str:
    """Return the values of a side in one line, labelled: ``amount: 12.50 CNY; ...``."""
    named = side if isinstance(side, dict) else {}
    return "; ".join(f"{LABELS.get(name, name)}: {side_value(side, name)}" for name in named)


def _marked(value: str) -> SafeString:
    return format_html('<mark class="wxpay-differs">{}</mark>', value)
