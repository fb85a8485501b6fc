"""Fees for a person's eyes: exact, also where they are finer than the minor unit."""

from __future__ import annotations

from decimal import Decimal

from django_wxpay.models import Fee, Order, Refund
from django_wxpay.protocol.money import decimals


def exact(amount: Decimal, currency: str) -> str:
    """Return minor units, which may be fractions, in major units: ``"0.0725 CNY"``."""
    places = decimals(currency)
    whole, _point, part = f"{amount.scaleb(-places):,f}".partition(".")
    part = part.rstrip("0").ljust(places, "0")
    return f"{whole}.{part} {currency}" if part else f"{whole} {currency}"


def fee_of(row: Order | Refund) -> str:
    """Return the fee of ``row`` with its rate, or "" where no bill has it yet. One query."""
    fee: Fee | None = getattr(row, "billed_fee", None)
    if fee is None:
        return ""
    return " · ".join(filter(None, (exact(fee.fee, fee.currency), fee.rate)))
