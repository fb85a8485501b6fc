"""The source of the time and of randomness; everything below takes both as arguments."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.utils import timezone

from django_wxpay.protocol.orders import new_nonce, new_out_trade_no


def now() -> datetime:
    return timezone.now()


def nonce() -> str:
    return new_nonce(secrets.token_bytes(24))


def out_trade_no() -> str:
    """Return a new order number: Beijing's time and 16 random bytes."""
    return new_out_trade_no(now(), secrets.token_bytes(16))
