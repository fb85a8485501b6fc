"""Differences as they are written: their kind and numbers, and the values of both sides."""

from __future__ import annotations

from django_wxpay.models import Order, Refund
from django_wxpay.models.choices import DiscrepancyKinds as Kinds
from django_wxpay.protocol.bills.rows import BillEntry
from django_wxpay.services.bills.differences import ANSWER, Difference
from django_wxpay.services.bills.here import AMOUNT, CURRENCY, NUMBER, PK, WXPAY_ID
from django_wxpay.services.bills.spilling import Row


def of_payment(kind: Kinds, entry: BillEntry, order: Order | None, answer: str = "") -> Difference:
    """Return the difference of a payment that the bill has; ``answer`` is what came of asking."""
    theirs: dict[str, str | int] = {
        "out_trade_no": entry.out_trade_no,
        "transaction_id": entry.transaction_id,
        "trade_state": entry.trade_state,
        "total_fee": entry.amount,
        "fee_type": entry.currency,
    }
    return Difference(
        kind=kind,
        number=entry.out_trade_no,
        out_trade_no=entry.out_trade_no,
        transaction_id=entry.transaction_id,
        ours=None if order is None else _order_side(order) | _said(answer),
        theirs=theirs,
        local_order_id=None if order is None else order.pk,
    )


def of_refund(
    kind: Kinds, entry: BillEntry, refund: Refund | None, order: Order | None, answer: str = ""
) -> Difference:
    """Return the difference of a refund that the bill has; ``order`` is its order, if known."""
    theirs: dict[str, str | int] = {
        "out_refund_no": entry.out_refund_no,
        "refund_id": entry.refund_id,
        "refund_status": entry.refund_status,
        "refund_fee": entry.amount,
        "fee_type": entry.currency,
    }
    of = refund.order if refund is not None else order
    return Difference(
        kind=kind,
        number=entry.out_refund_no,
        out_trade_no=entry.out_trade_no,
        transaction_id=entry.transaction_id,
        out_refund_no=entry.out_refund_no,
        refund_id=entry.refund_id,
        ours=None if refund is None else _refund_side(refund) | _said(answer),
        theirs=theirs,
        local_order_id=None if of is None else of.pk,
        local_refund_id=None if refund is None else refund.pk,
    )


def _said(answer: str) -> dict[str, str | int]:
    return {ANSWER: answer} if answer else {}


def _order_side(order: Order) -> dict[str, str | int]:
    return {
        "out_trade_no": order.out_trade_no,
        "transaction_id": order.transaction_id,
        "trade_state": order.trade_state,
        "total_fee": order.total_fee,
        "fee_type": order.fee_type,
    }


def _refund_side(refund: Refund) -> dict[str, str | int]:
    return {
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_status": refund.refund_status,
        "refund_fee": refund.refund_fee,
        "fee_type": refund.order.fee_type,
    }


def payment_missing_there(row: Row) -> Difference:
    """Return the difference of a payment of ours, as ``order_rows`` has it, that no bill has."""
    ours = {
        "out_trade_no": row[NUMBER],
        "transaction_id": row[WXPAY_ID],
        "total_fee": row[AMOUNT],
        "fee_type": row[CURRENCY],
    }
    return Difference(
        kind=Kinds.MISSING_THERE,
        number=row[NUMBER],
        out_trade_no=row[NUMBER],
        transaction_id=row[WXPAY_ID],
        ours=ours,
        theirs=None,
        local_order_id=row[PK],
    )


def refund_missing_there(row: Row) -> Difference:
    """Return the difference of a refund of ours, as ``refund_rows`` has it, that no bill has."""
    ours = {
        "out_refund_no": row[NUMBER],
        "refund_id": row[WXPAY_ID],
        "refund_fee": row[AMOUNT],
        "fee_type": row[CURRENCY],
    }
    return Difference(
        kind=Kinds.REFUND_MISSING_THERE,
        number=row[NUMBER],
        out_refund_no=row[NUMBER],
        refund_id=row[WXPAY_ID],
        ours=ours,
        theirs=None,
        local_refund_id=row[PK],
    )
