"""Refunds of v2: the signed requests, and the verified answers (protocol-v2 sections 6.4, 6.5).

A refund that is answered with SUCCESS is accepted, and not yet paid back: it is PROCESSING until
a query says more. Numbers, amounts and statuses are read strictly. How it is paid out only
describes it, so what cannot be read of that is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from django_wxpay.protocol.errors import BadAnswer, BadSignature, MalformedMessage
from django_wxpay.protocol.facts import CouponRefund, RefundFact, RefundPayout, RefundStatus
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.orders import OrderRef
from django_wxpay.protocol.refunds import RefundRef, RefundTerms
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.times import parse_t14
from django_wxpay.protocol.v2.fields import check_refund
from django_wxpay.protocol.v2.requests import PER_CALL, signed
from django_wxpay.protocol.v2.trades import (
    fee_type_of,
    optional_amount,
    read_amount,
    read_number,
)

# S(64): longer than the other numbers (protocol-v2 section 6.4).
LONGEST_REFUND_NUMBER: Final = 64
PAGE: Final = 10

STATUSES: Final = {
    "SUCCESS": RefundStatus.SUCCESS,
    "CHANGE": RefundStatus.ABNORMAL,
    "REFUNDCLOSE": RefundStatus.CLOSED,
    "PROCESSING": RefundStatus.PROCESSING,
}


def check_refund_terms(terms: RefundTerms, *, mode: Mode) -> None:
    """Raise ``InvalidRefund``, naming the field, unless ``terms`` keep every rule."""
    check_refund(_wire(terms), mode=mode, leaving_out=PER_CALL)


def refund(terms: RefundTerms, *, sign_type: SignType, key: Secret, nonce: str) -> dict[str, str]:
    """Return the signed fields of refund (protocol-v2 section 6.4)."""
    return signed(_wire(terms), sign_type=sign_type, key=key, nonce=nonce)


def refundquery(ref: RefundRef, *, sign_type: SignType, key: Secret, nonce: str) -> dict[str, str]:
    """Return the signed fields of refundquery for one refund (protocol-v2 section 6.5)."""
    fields = _identity(ref.order) | {"out_refund_no": ref.out_refund_no}
    return signed(fields, sign_type=sign_type, key=key, nonce=nonce)


def refundquery_of_order(
    ref: OrderRef, *, offset: int, sign_type: SignType, key: Secret, nonce: str
) -> dict[str, str]:
    """Return the signed fields of refundquery for the refunds of an order from ``offset`` on."""
    fields = _identity(ref) | _number(ref) | {"offset": str(offset)}
    return signed(fields, sign_type=sign_type, key=key, nonce=nonce)


def read_refund(fields: Mapping[str, str], terms: RefundTerms) -> RefundFact:
    """Return the fact in ``fields`` of a verified refund answer: it is accepted.

    Raises ``BadSignature`` if they are about another refund, ``BadAnswer`` for a value that
    cannot be read.
    """
    try:
        fact = _fact(fields, "", source="v2.refund", status=RefundStatus.PROCESSING)
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error
    return _about(fact, terms.order, terms.out_refund_no)


def read_refundquery(fields: Mapping[str, str], ref: RefundRef) -> RefundFact:
    """Return the fact about ``ref`` in ``fields`` of a verified refundquery answer.

    Raises ``BadSignature`` if it is not among them, ``BadAnswer`` for an unknown status or a
    value that cannot be read.
    """
    facts = read_refunds_of_order(fields, ref.order)
    found = next((fact for fact in facts if fact.out_refund_no == ref.out_refund_no), None)
    if found is None:
        raise BadSignature("the answer is about another refund")
    return found


def read_refunds_of_order(fields: Mapping[str, str], ref: OrderRef) -> tuple[RefundFact, ...]:
    """Return the facts on one page of a verified refundquery answer about the order ``ref``."""
    try:
        facts = tuple(_queried(fields, index) for index in range(_count(fields)))
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error
    return tuple(_about(fact, ref, fact.out_refund_no) for fact in facts)


def total_refund_count(fields: Mapping[str, str]) -> int | None:
    """Return how many refunds the order has on all pages, None where the answer does not say."""
    return optional_amount(fields, "total_refund_count")


def read_moment(fields: Mapping[str, str], name: str) -> datetime | None:
    """Return ``yyyy-MM-dd HH:mm:ss`` of Beijing, or 14 digits as older samples have it."""
    try:
        return parse_t14(re.sub("[-: ]", "", fields.get(name, "")))
    except ValueError:
        return None


def _count(fields: Mapping[str, str]) -> int:
    count = read_amount(fields, "refund_count") or 0
    if count > PAGE:
        raise MalformedMessage(f"refund_count is more than {PAGE}")
    return count


def _queried(fields: Mapping[str, str], index: int) -> RefundFact:
    status = STATUSES.get(fields.get(f"refund_status_{index}", ""))
    if status is None:
        raise MalformedMessage("there is no refund_status that we know")
    return _fact(fields, f"_{index}", source="v2.refundquery", status=status)


def _fact(
    fields: Mapping[str, str], suffix: str, *, source: str, status: RefundStatus
) -> RefundFact:
    refund_fee = read_amount(fields, f"refund_fee{suffix}")
    if not refund_fee:
        raise MalformedMessage("a refund without refund_fee")
    fact = RefundFact(
        source=source,
        mch_id=fields.get("mch_id", ""),
        sub_mch_id=fields.get("sub_mch_id", ""),
        out_trade_no=read_number(fields, "out_trade_no"),
        transaction_id=read_number(fields, "transaction_id"),
        out_refund_no=read_number(fields, f"out_refund_no{suffix}", longest=LONGEST_REFUND_NUMBER),
        refund_id=read_number(fields, f"refund_id{suffix}"),
        refund_status=status,
        refund_fee=refund_fee,
        total_fee=read_amount(fields, "total_fee") or None,
        fee_type=fee_type_of(fields),
        success_time=read_moment(fields, f"refund_success_time{suffix}"),
        # Spelled like this on the wire (protocol-v2 section 6.5).
        user_received_account=fields.get(f"refund_recv_accout{suffix}", ""),
        payout=_payout(fields, suffix),
    )
    if not fact.out_refund_no or not fact.refund_id:
        raise MalformedMessage("a refund without its numbers")
    return fact


def _payout(fields: Mapping[str, str], suffix: str) -> RefundPayout:
    return RefundPayout(
        channel=fields.get(f"refund_channel{suffix}", ""),
        funds_account=fields.get(f"refund_account{suffix}", ""),
        settlement_refund_fee=optional_amount(fields, f"settlement_refund_fee{suffix}"),
        payer_refund=optional_amount(fields, f"cash_refund_fee{suffix}"),
        payer_currency=fields.get("cash_fee_type", ""),
        coupon_refund_fee=optional_amount(fields, f"coupon_refund_fee{suffix}"),
        coupons=_coupons(fields, suffix),
    )


def _coupons(fields: Mapping[str, str], suffix: str) -> tuple[CouponRefund, ...]:
    # Whole names: coupon_refund_fee_0 is all of refund 0, coupon_refund_fee_0_0 one of its
    # coupons (protocol-v2 section 6.5).
    name = re.compile(rf"coupon_(refund_id|type|refund_fee){suffix}_(0|[1-9][0-9]?)")
    matches = (name.fullmatch(each) for each, value in fields.items() if value)
    return tuple(
        CouponRefund(
            coupon_refund_id=fields.get(f"coupon_refund_id{suffix}_{index}", ""),
            coupon_type=fields.get(f"coupon_type{suffix}_{index}", ""),
            coupon_refund_fee=optional_amount(fields, f"coupon_refund_fee{suffix}_{index}"),
        )
        for index in sorted({int(match[2]) for match in matches if match})
    )


def _about(fact: RefundFact, order: OrderRef, out_refund_no: str) -> RefundFact:
    if fact.out_refund_no != out_refund_no:
        raise BadSignature("the answer is about another refund")
    if (fact.out_trade_no or order.out_trade_no) != order.out_trade_no:
        raise BadSignature("the answer is about another order")
    return replace(fact, out_trade_no=order.out_trade_no)


def _wire(terms: RefundTerms) -> dict[str, str]:
    fields = {
        **_identity(terms.order),
        **_number(terms.order),
        "out_refund_no": terms.out_refund_no,
        "total_fee": str(terms.total_fee),
        "refund_fee": str(terms.refund_fee),
        "refund_fee_type": terms.fee_type,
        "refund_desc": terms.refund_desc,
        "notify_url": terms.notify_url,
    }
    return {name: value for name, value in fields.items() if value}


def _identity(order: OrderRef) -> dict[str, str]:
    names = ("appid", "mch_id", "sub_appid", "sub_mch_id")
    return {name: getattr(order, name) for name in names if getattr(order, name)}


def _number(order: OrderRef) -> dict[str, str]:
    # One of both, and the surer one (protocol-v2 section 6.4).
    if order.transaction_id:
        return {"transaction_id": order.transaction_id}
    return {"out_trade_no": order.out_trade_no}
