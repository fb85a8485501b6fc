"""The road to WeChat Pay: hosts, retries, trust and measurement. No Django here.

``open_gateway`` returns whichever client speaks the merchant's protocol; what it can do is
``PaymentGateway``, and nothing above this room knows which one it has.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from django_wxpay.gateway.exchanges import Answer, Exchange, NoAnswer
from django_wxpay.gateway.records import CallRecord, Failure
from django_wxpay.gateway.transport import Transport
from django_wxpay.gateway.v2 import Placed, V2Gateway
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.facts import PrepayGrant, TradeFact
from django_wxpay.protocol.merchants import Api, Merchant, SignType
from django_wxpay.protocol.references import OrderRef
from django_wxpay.protocol.terms import OrderTerms

__all__ = [
    "Answer",
    "CallRecord",
    "Exchange",
    "Failure",
    "NoAnswer",
    "PaymentGateway",
    "Placed",
    "Transport",
    "V2Gateway",
    "open_gateway",
]


class PaymentGateway(Protocol):
    """What an order needs of a gateway, whichever protocol carries it."""

    def place(self, terms: OrderTerms, sign_type: SignType | None = None) -> Placed: ...

    def query(self, ref: OrderRef) -> TradeFact: ...

    def close(self, ref: OrderRef) -> None: ...

    def parameters(
        self, terms: OrderTerms, grant: PrepayGrant, *, sign_type: str
    ) -> dict[str, str]: ...


def open_gateway(
    merchant: Merchant,
    *,
    transport: Transport,
    now: Callable[[], datetime],
    nonce: Callable[[], str],
    record: Callable[[CallRecord], None],
) -> PaymentGateway:
    """Return the client for ``merchant``'s protocol; one not spoken is a ``ConfigurationError``.

    It holds no connection of its own and costs nothing to make. ``record`` must never raise.
    """
    if merchant.api is not Api.V2:
        raise ConfigurationError(f'merchant "{merchant.alias}": API "{merchant.api}" is not spoken')
    return V2Gateway(merchant, transport=transport, now=now, nonce=nonce, record=record)
