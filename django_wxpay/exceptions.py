"""The errors of the public interface; the tree is drawn in ``protocol.errors``."""

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
    OrderClosed,
    OrderConflict,
    OrderPaid,
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
    "OrderClosed",
    "OrderConflict",
    "OrderPaid",
    "OutcomeUnknown",
    "Refused",
    "UnknownMerchant",
    "WXPayError",
]
