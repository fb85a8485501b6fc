"""Reading of a refund object, from a callback or an answer, of either family.

A callback has ``refund_id`` and ``refund_status`` where an answer has ``id`` (global) and
``status`` (protocol-v3 sections 3.6, 4.4 and 6.3). The time and the account it went to only
describe: unreadable, they are left out.
"""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.facts import CouponRefund, RefundFact, RefundPayout, RefundStatus
from django_wxpay.protocol.v3.reading import (
    Members,
    child,
    integer,
    number,
    optional_child,
    optional_integer,
    optional_moment,
    optional_text,
    text,
)

# s[1,64]: longer than the other numbers (protocol-v3 section 3.6).
_LONGEST_REFUND_NUMBER: Final = 64

# CLOSED has three spellings (protocol-v3 section 8.2).
_STATUSES: Final = {
    "PROCESSING": RefundStatus.PROCESSING,
    "SUCCESS": RefundStatus.SUCCESS,
    "CLOSED": RefundStatus.CLOSED,
    "CLOSE": RefundStatus.CLOSED,
    "REFUNDCLOSE": RefundStatus.CLOSED,
    "ABNORMAL": RefundStatus.ABNORMAL,
}


def refund_fact(refund: Members, *, source: str, absent: RefundStatus | None = None) -> RefundFact:
    """Return the fact that a verified refund object states.

    ``absent`` is the status of one that names none, as the answer to a global refund does
    (protocol-v3 section 3.5).

    Raises ``MalformedMessage`` for an unknown status, an amount that is none, and a refund
    whose numbers or amount are missing or overlong.
    """
    word = text(refund, "refund_status", "status")
    status = _STATUSES.get(word) if word else absent
    if status is None:
        raise MalformedMessage("there is no refund_status that we know")
    amount = child(refund, "amount")
    refund_fee = integer(amount, "refund")
    if not refund_fee:
        raise MalformedMessage("a refund without its amount")
    fact = RefundFact(
        source=source,
        mch_id=text(refund, "mchid", "sp_mchid"),
        sub_mch_id=text(refund, "sub_mchid"),
        out_trade_no=number(refund, "out_trade_no"),
        transaction_id=number(refund, "transaction_id"),
        out_refund_no=number(refund, "out_refund_no", longest=_LONGEST_REFUND_NUMBER),
        refund_id=number(refund, "refund_id", "id"),
        refund_status=status,
        refund_fee=refund_fee,
        total_fee=integer(amount, "total"),
        # Domestic callbacks name no currency; that family has one (protocol-v3 section 6.3).
        fee_type=text(amount, "currency") or "CNY",
        success_time=optional_moment(refund, "success_time"),
        user_received_account=optional_text(refund, "user_received_account", "recv_account"),
        payout=_payout(refund),
    )
    if not fact.out_refund_no or not fact.refund_id:
        raise MalformedMessage("a refund without its numbers")
    return fact


def _payout(refund: Members) -> RefundPayout:
    amount = optional_child(refund, "amount")
    return RefundPayout(
        channel=optional_text(refund, "channel"),
        funds_account=optional_text(refund, "funds_account", "fund_source"),
        settlement_refund_fee=optional_integer(amount, "settlement_refund"),
        payer_refund=optional_integer(amount, "payer_refund"),
        payer_currency=optional_text(amount, "payer_currency"),
        coupon_refund_fee=optional_integer(amount, "discount_refund"),
        coupons=_coupons(refund),
    )


def _coupons(refund: Members) -> tuple[CouponRefund, ...]:
    # Every spelling, and one object in the place of a list (protocol-v3 section 3.6).
    names = ("promotion_detail", "detail", "refund_detail")
    found: Any = next((refund[name] for name in names if refund.get(name)), [])
    rows = [found] if isinstance(found, dict) else found
    return tuple(
        CouponRefund(
            coupon_refund_id=optional_text(row, "promotion_id"),
            coupon_type=optional_text(row, "type"),
            coupon_refund_fee=optional_integer(row, "refund_amount"),
        )
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    )
