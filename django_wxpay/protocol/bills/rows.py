"""Rows of a bill, and what is asked for to get one.

A bill prints major units with decimals. Here an amount is an integer in the minor unit, as it is
everywhere; a fee may be finer than that, so it is a ``Decimal`` of minor units, exactly as printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class BillKind(StrEnum):
    TRADE = "trade"
    FUND_FLOW = "fundflow"


class AccountType(StrEnum):
    """The account of a fund flow bill (protocol-v2 section 6.7, protocol-v3 section 4.5)."""

    BASIC = "BASIC"
    OPERATION = "OPERATION"
    FEES = "FEES"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRequest:
    """One bill of one Beijing day. ``account_type`` and ``sub_mch_id`` are a fund flow's.

    A trade bill without ``sub_mch_id`` holds every sub-merchant's rows.
    """

    bill_date: date
    kind: BillKind = BillKind.TRADE
    account_type: AccountType = AccountType.BASIC
    sub_mch_id: str = ""


class BillEntry(NamedTuple):
    """What is compared of one row of a trade bill: a payment, or a refund if it has its number.

    ``amount`` is the order's amount, or the refund's, in minor units of ``currency``. ``fee_e5``
    is the fee in hundred-thousandths of the minor unit of ``fee_currency``, which is the one that
    is paid out; below zero where WeChat Pay gives it back.
    ``trade_state`` is SUCCESS, REFUND or REVOKED, as printed.
    """

    line: int
    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    refund_id: str
    sub_mch_id: str
    trade_state: str
    refund_status: str
    currency: str
    amount: int
    fee_e5: int
    rate: str
    fee_currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRow:
    """One row of a trade bill, whole. ``line`` counts from 1, the header's.

    Amounts are minor units of the currency that follows their name; None where the file has no
    such column or nothing in it. ``others`` holds the columns that have no name here, as printed.
    """

    line: int
    trade_time: datetime
    appid: str = ""
    mch_id: str = ""
    sub_mch_id: str = ""
    device_info: str = ""
    transaction_id: str = ""
    out_trade_no: str = ""
    openid: str = ""
    trade_type: str = ""
    trade_state: str = ""
    bank_type: str = ""
    fee_type: str = ""
    total_fee: int | None = None
    settlement_total_fee: int | None = None
    settlement_fee_type: str = ""
    coupon_fee: int | None = None
    coupon_fee_type: str = ""
    payer_total: int | None = None
    payer_currency: str = ""
    refund_id: str = ""
    out_refund_no: str = ""
    refund_fee: int | None = None
    settlement_refund_fee: int | None = None
    coupon_refund_fee: int | None = None
    refund_type: str = ""
    refund_status: str = ""
    refund_applied_at: datetime | None = None
    refund_success_time: datetime | None = None
    body: str = ""
    attach: str = ""
    fee: Decimal = Decimal(0)
    fee_currency: str = ""
    rate: str = ""
    rate_note: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FundFlowRow:
    """One row of a fund flow bill. ``amount`` is minor units, below zero for an expense."""

    line: int
    booked_at: datetime
    transaction_id: str = ""
    flow_id: str = ""
    business_name: str = ""
    business_type: str = ""
    is_income: bool
    amount: int
    balance: int | None = None
    submitted_by: str = ""
    note: str = ""
    voucher_no: str = ""
    currency: str = "CNY"
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class CurrencyTotals:
    """Sums of one currency of a bill, in minor units; ``fees_e5`` in 1/100,000 of them."""

    payments: int = 0
    paid: int = 0
    refunds: int = 0
    refunded: int = 0
    fees_e5: int = 0
