"""Where the time and the randomness of this package come from; below here both are passed in."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.utils import timezone

from django_wxpay.protocol.orders import new_nonce, new_out_trade_no


def now() -> datetime:
    """Return the present moment, aware."""
    return timezone.now()


def nonce() -> str:
    """Return a fresh nonce_str."""
    return new_nonce(secrets.token_bytes(24))


def out_trade_no() -> str:
    """Return an order number that nobody has had: Beijing's time and 16 random bytes."""
    return new_out_trade_no(now(), secrets.token_bytes(16))
