"""Facts about trades and refunds, in one shape for both protocols and all sources.

A v2 notice, a v3 notice, a query's answer and a row of a bill all become a ``TradeFact``;
nothing above this file knows which it was. Amounts are minor units, times are aware.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from django_wxpay.protocol.rules import Text

# Documented with 64 characters (protocol-v2 section 3.6), and none of them is stated.
_PREPAY_ID: Final = Text(max=128)


class TradeType(StrEnum):
    """The way to pay. ``MICROPAY`` stands in facts alone: unifiedorder does not take it."""

    JSAPI = "JSAPI"
    NATIVE = "NATIVE"
    APP = "APP"
    MWEB = "MWEB"
    MICROPAY = "MICROPAY"


class TradeState(StrEnum):
    """The gateway's words (protocol-v2 section 5.3); ``CREATED`` before it has the order."""

    CREATED = "CREATED"
    NOTPAY = "NOTPAY"
    USERPAYING = "USERPAYING"
    SUCCESS = "SUCCESS"
    REFUND = "REFUND"
    CLOSED = "CLOSED"
    REVOKED = "REVOKED"
    PAYERROR = "PAYERROR"


class RefundStatus(StrEnum):
    """The status of a refund. CLOSE and REFUNDCLOSE on the wire are ``CLOSED`` here."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"
    ABNORMAL = "ABNORMAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """One voucher used in a payment (v2 ``coupon_*_$n``). ``coupon_type``: CASH, NO_CASH or ""."""

    coupon_id: str = ""
    coupon_type: str = ""
    coupon_fee: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodsLine:
    """One goods line of a promotion; ``price`` is a unit price."""

    goods_id: str
    goods_remark: str = ""
    quantity: int | None = None
    price: int | None = None
    discount_amount: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionFact:
    """One discount that took part in a payment (``promotion_detail``, protocol-v2 section 5.2)."""

    promotion_id: str
    name: str = ""
    scope: str = ""
    type: str = ""
    amount: int | None = None
    currency: str = ""
    activity_id: str = ""
    wxpay_contribute_amount: int | None = None
    merchant_contribute_amount: int | None = None
    other_contribute_amount: int | None = None
    goods_detail: tuple[GoodsLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """The payer, and how much of the payment was money. Absent is "" or None, never a guess."""

    openid: str = ""
    sp_openid: str = ""
    sub_openid: str = ""
    payer_total: int | None = None
    payer_currency: str = ""
    cash_fee: int | None = None
    cash_fee_type: str = ""
    settlement_total_fee: int | None = None
    coupon_fee: int | None = None
    coupons: tuple[Coupon, ...] = ()
    exchange_rate_type: str = ""
    exchange_rate: Decimal | None = None
    promotions: tuple[PromotionFact, ...] = ()


# What a document states that says nothing of a payer and of money.
NO_PAYMENT: Final = Payment()


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFact:
    """One statement of WeChat Pay's about one order.

    ``source`` names the document it was read from (``v2.notice``, ``v2.orderquery`` ...).
    ``total_fee`` is None and ``fee_type`` "" where the document does not speak of money;
    a document that names an amount and no currency means CNY, which stands here.
    """

    source: str
    mch_id: str
    appid: str
    out_trade_no: str
    trade_state: TradeState
    sub_mch_id: str = ""
    sub_appid: str = ""
    trade_state_desc: str = ""
    trade_type: str = ""
    transaction_id: str = ""
    total_fee: int | None = None
    fee_type: str = ""
    success_time: datetime | None = None
    bank_type: str = ""
    attach: str = ""
    payment: Payment | None = field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponRefund:
    """One voucher that a refund gave back (v2 ``coupon_*_$n_$m``)."""

    coupon_refund_id: str = ""
    coupon_type: str = ""
    coupon_refund_fee: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayout:
    """How a refund is paid out: ways and amounts that only describe it. Absent is "" or None.

    ``settlement_refund_fee`` and ``coupon_refund_fee`` are minor units of the order's currency,
    ``payer_refund`` of ``payer_currency``.
    """

    channel: str = ""
    funds_account: str = ""
    settlement_refund_fee: int | None = None
    payer_refund: int | None = None
    payer_currency: str = ""
    coupon_refund_fee: int | None = None
    coupons: tuple[CouponRefund, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFact:
    """One statement of WeChat Pay's about one refund (protocol-v3 sections 3.6, 4.4, 6.3).

    ``refund_fee`` and ``total_fee`` are minor units of ``fee_type``; ``total_fee`` is None
    and ``fee_type`` "" where the document does not name them.
    """

    source: str
    mch_id: str
    out_refund_no: str
    refund_id: str
    refund_status: RefundStatus
    refund_fee: int
    sub_mch_id: str = ""
    out_trade_no: str = ""
    transaction_id: str = ""
    total_fee: int | None = None
    fee_type: str = ""
    success_time: datetime | None = None
    user_received_account: str = ""
    payout: RefundPayout = RefundPayout()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepayGrant:
    """An accepted order: what the paying client is given to pay with.

    ``sign_type`` is the algorithm that the client's parameters must be signed with.
    """

    prepay_id: str
    trade_type: str
    code_url: str = ""
    mweb_url: str = ""
    sign_type: str = ""

    def fault(self) -> str:
        """Say what cannot be handed on to the client as it is, or ""."""
        # The client signs and sends the prepay_id, so it is kept whole or not at all.
        problem = _PREPAY_ID.problem(self.prepay_id) if self.prepay_id else ""
        return f"prepay_id: {problem}" if problem else ""


@dataclass(frozen=True, slots=True)
class ReplySummary:
    """An answer's claims, cut to the widths of payitil/report; for records, never for decisions."""

    return_code: str = ""
    return_msg: str = ""
    result_code: str = ""
    err_code: str = ""
    err_code_des: str = ""
