"""The errors a user of this package meets; the tree is drawn in ``protocol.errors``."""

from __future__ import annotations

from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    ConfigurationError,
    InsideTransaction,
    InvalidOrder,
    MalformedMessage,
    MessageTooLarge,
    NotAuthentic,
    OrderConflict,
    OutcomeUnknown,
    Refused,
    UnknownMerchant,
    WXPayError,
)

__all__ = [
    "BadAnswer",
    "BadSignature",
    "ConfigurationError",
    "InsideTransaction",
    "InvalidOrder",
    "MalformedMessage",
    "MessageTooLarge",
    "NotAuthentic",
    "OrderConflict",
    "OutcomeUnknown",
    "Refused",
    "UnknownMerchant",
    "WXPayError",
]
