"""The client of WeChat Pay: hosts, failover, verification and measurement. No Django here.

``PaymentGateway`` is what both protocols offer; what uses one need not know which it has.
"""

from __future__ import annotations

from typing import Protocol

from django_wxpay.gateway.http.failures import Busy, Failure, NoResponse
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import CallRecord
from django_wxpay.gateway.v2 import V2Gateway
from django_wxpay.gateway.v3.client import V3Gateway
from django_wxpay.gateway.v3.platform_keys import CertificateStore, PlatformKeys
from django_wxpay.protocol.facts import PrepayGrant, TradeFact
from django_wxpay.protocol.orders import OrderRef, OrderTerms

__all__ = [
    "Busy",
    "CallRecord",
    "CertificateStore",
    "Failure",
    "HttpRequest",
    "HttpResponse",
    "NoResponse",
    "PaymentGateway",
    "PlatformKeys",
    "Transport",
    "V2Gateway",
    "V3Gateway",
]


class PaymentGateway(Protocol):
    """What an order needs of a gateway, whichever protocol carries it."""

    def check(self, terms: OrderTerms) -> None: ...

    def place(self, terms: OrderTerms) -> PrepayGrant: ...

    def query(self, ref: OrderRef) -> TradeFact: ...

    def close(self, ref: OrderRef) -> None: ...

    def parameters(self, terms: OrderTerms, grant: PrepayGrant) -> dict[str, str]: ...
