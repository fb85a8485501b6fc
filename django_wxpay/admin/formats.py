"""How an amount that WeChat Pay may not have told stands on a page."""

from __future__ import annotations

from django_wxpay.protocol.money import format_amount


def shown(amount: int | None, currency: str) -> str:
    """Return minor units of ``currency`` in major units; a dash for what was not told."""
    return "-" if amount is None else format_amount(amount, currency)
