"""A refund's parameters and references, in v2's names for both protocols.

The order is named by the number that is surest: the transaction_id once it is known. Every call
about a refund is built from its ``RefundTerms``, which never change: a repeated request has to be
the same to the letter (protocol-v3 section 7.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from django_wxpay.protocol.errors import InvalidRefund
from django_wxpay.protocol.money import minor_units
from django_wxpay.protocol.orders import OrderRef
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _

# An order can have no more (protocol-v2 section 6.4).
MOST_REFUNDS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundTerms:
    """Every parameter of a refund that we send; "" means absent.

    ``refund_fee`` and ``total_fee`` are minor units of ``fee_type``, the order's currency;
    ``total_fee`` is the whole amount of the order.
    """

    order: OrderRef
    out_refund_no: str
    refund_fee: int
    total_fee: int
    fee_type: str
    refund_desc: str = ""
    notify_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRef:
    """The number of one refund, and the order that it belongs to."""

    order: OrderRef
    out_refund_no: str


class PayeeAccount(StrEnum):
    """Where the money of a stuck refund goes instead (protocol-v3 section 4.4)."""

    USER_BANK_CARD = "USER_BANK_CARD"
    MERCHANT_BANK_CARD = "MERCHANT_BANK_CARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class AbnormalRefundTerms:
    """How a stuck refund is to be paid out; the last three are for the payer's card alone."""

    refund: RefundRef
    refund_id: str
    type: PayeeAccount
    bank_type: str = ""
    bank_account: Secret = field(default=Secret(""), repr=False)
    real_name: Secret = field(default=Secret(""), repr=False)


def check_amount(refund_fee: object) -> int:
    """Return ``refund_fee`` if it is a positive whole number of minor units.

    Raises ``InvalidRefund``; ``bool``, ``float`` and text are refused.
    """
    try:
        return minor_units(refund_fee)
    except ValueError as error:
        raise InvalidRefund(
            "refund_fee", str(error), _("a positive int in the minor unit")
        ) from None
