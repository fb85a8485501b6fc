"""The road to WeChat Pay: hosts, retries, trust and measurement. No Django here.

What a client of either protocol can do is ``PaymentGateway``; what uses one need not know
which it has.
"""

from __future__ import annotations

from typing import Protocol

from django_wxpay.gateway.http.messages import Answer, Exchange, NoAnswer
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import CallRecord, Failure, Placed
from django_wxpay.gateway.v2 import V2Gateway
from django_wxpay.gateway.v3.client import V3Gateway
from django_wxpay.gateway.v3.platform_keys import KeyVault, PlatformKeys
from django_wxpay.protocol.facts import PrepayGrant, TradeFact
from django_wxpay.protocol.orders import OrderRef, OrderTerms

__all__ = [
    "Answer",
    "CallRecord",
    "Exchange",
    "Failure",
    "KeyVault",
    "NoAnswer",
    "PaymentGateway",
    "Placed",
    "PlatformKeys",
    "Transport",
    "V2Gateway",
    "V3Gateway",
]


class PaymentGateway(Protocol):
    """What an order needs of a gateway, whichever protocol carries it."""

    def check(self, terms: OrderTerms) -> None: ...

    def place(self, terms: OrderTerms) -> Placed: ...

    def query(self, ref: OrderRef) -> TradeFact: ...

    def close(self, ref: OrderRef) -> None: ...

    def parameters(
        self, terms: OrderTerms, grant: PrepayGrant, *, sign_type: str
    ) -> dict[str, str]: ...
