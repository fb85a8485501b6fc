"""The client of WeChat Pay: hosts, failover, verification and measurement. No Django here.

``PaymentGateway`` is what both protocols offer; what uses one need not know which it has.
"""

from __future__ import annotations

from typing import Protocol

from django_wxpay.gateway.bills import FetchedBill, Sink
from django_wxpay.gateway.http.failures import Busy, NoResponse
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import CallRecord
from django_wxpay.gateway.v2.client import V2Gateway
from django_wxpay.gateway.v3.client import V3Gateway
from django_wxpay.gateway.v3.platform_keys import CertificateStore, PlatformKeys
from django_wxpay.protocol.bills.rows import BillRequest
from django_wxpay.protocol.facts import PrepayGrant, RefundFact, TradeFact
from django_wxpay.protocol.failures import Failure
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.refunds import RefundRef, RefundTerms
from django_wxpay.protocol.secrets import Secret

__all__ = [
    "Busy",
    "CallRecord",
    "CertificateStore",
    "Failure",
    "FetchedBill",
    "HttpRequest",
    "HttpResponse",
    "NoResponse",
    "PaymentGateway",
    "PlatformKeys",
    "Sink",
    "Transport",
    "V2Gateway",
    "V3Gateway",
]


class PaymentGateway(Protocol):
    """What an order needs of a gateway, whichever protocol carries it."""

    def check(self, terms: OrderTerms) -> None: ...

    def place(self, terms: OrderTerms) -> PrepayGrant: ...

    def check_code(self, terms: OrderTerms, auth_code: Secret) -> None: ...

    def charge(self, terms: OrderTerms, auth_code: Secret) -> TradeFact: ...

    def reverse(self, ref: OrderRef) -> bool: ...

    def query(self, ref: OrderRef) -> TradeFact: ...

    def close(self, ref: OrderRef) -> None: ...

    def check_refund(self, terms: RefundTerms) -> None: ...

    def refund(self, terms: RefundTerms) -> RefundFact: ...

    def query_refund(self, ref: RefundRef) -> RefundFact: ...

    def query_refunds(self, ref: OrderRef) -> tuple[RefundFact, ...] | None: ...

    def fetch_bill(self, request: BillRequest, sink: Sink) -> FetchedBill: ...

    def parameters(self, terms: OrderTerms, grant: PrepayGrant) -> dict[str, str]: ...
