"""The gateway of the v2 protocol: an order's calls, its refunds, and the reports about calls."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from django_wxpay.gateway.failover import send_report
from django_wxpay.gateway.http.messages import HttpRequest
from django_wxpay.gateway.v2.bills import BillCalls
from django_wxpay.gateway.v2.calls import HEADERS
from django_wxpay.protocol.errors import OrderClosed
from django_wxpay.protocol.facts import PrepayGrant, RefundFact, TradeFact
from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.refunds import MOST_REFUNDS, RefundRef, RefundTerms
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v2.batch_reports import TerminalSale, batch_report_fields
from django_wxpay.protocol.v2.client_parameters import client_parameters
from django_wxpay.protocol.v2.refunds import (
    PAGE,
    check_refund_terms,
    read_refund,
    read_refundquery,
    read_refunds_of_order,
    refund,
    refundquery,
    refundquery_of_order,
    total_refund_count,
)
from django_wxpay.protocol.v2.replies import (
    read_micropay,
    read_orderquery,
    read_reverse,
    read_unifiedorder,
)
from django_wxpay.protocol.v2.reports import (
    REPORT_PATH,
    MeasuredCall,
    Reporter,
    read_report_answer,
    report_fields,
)
from django_wxpay.protocol.v2.requests import (
    check_code_terms,
    check_terms,
    closeorder,
    micropay,
    orderquery,
    reverse,
    unifiedorder,
)
from django_wxpay.protocol.v2.xml import encode_xml


class V2Gateway(BillCalls):
    """One merchant's calls over the v2 protocol.

    Every method raises ``Refused`` where WeChat Pay says no, ``BadSignature`` and
    ``BadAnswer`` where an answer cannot be trusted, ``OutcomeUnknown`` where none came or
    WeChat Pay is busy.
    """

    def check(self, terms: OrderTerms) -> None:
        """Raise ``InvalidOrder`` for what breaks a rule of protocol-v2 section 3; no call."""
        check_terms(terms, mode=self._merchant.mode, now=self._now())

    def place(self, terms: OrderTerms, sign_type: SignType | None = None) -> PrepayGrant:
        """Place an order (unifiedorder, protocol-v2 section 3) and return the grant."""
        chosen = sign_type or self._merchant.sign_type
        fields = unifiedorder(
            terms, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce()
        )
        grant = self._call(
            "/pay/unifiedorder",
            fields,
            about=terms,
            sign_type=chosen,
            read=lambda answer: read_unifiedorder(answer, terms),
        )
        return replace(grant, sign_type=chosen.value)

    def check_code(self, terms: OrderTerms, auth_code: Secret) -> None:
        """Raise ``InvalidOrder`` for what breaks a rule of protocol-v2 section 6.2; no call.

        Without a client certificate a sale could not be undone: ``ConfigurationError``.
        """
        check_code_terms(terms, auth_code, mode=self._merchant.mode, now=self._now())
        self._client()

    def charge(self, terms: OrderTerms, auth_code: Secret) -> TradeFact:
        """Charge a payment code (micropay, protocol-v2 section 6.2) and return the payment.

        Sent once: to another host only where nothing can have been sent.
        """
        chosen = self._merchant.sign_type
        return self._call(
            "/pay/micropay",
            micropay(
                terms,
                auth_code,
                sign_type=chosen,
                key=self._merchant.api_key,
                nonce=self._nonce(),
            ),
            about=terms,
            sign_type=chosen,
            read=lambda answer: read_micropay(answer, terms),
            is_repeatable=False,
        )

    def reverse(self, ref: OrderRef) -> bool:
        """Reverse a payment by code (protocol-v2 section 6.3); return whether to call again."""
        chosen = self._merchant.sign_type
        fields = reverse(ref, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce())
        return self._call(
            "/secapi/pay/reverse",
            fields,
            about=ref,
            sign_type=chosen,
            read=read_reverse,
            client=self._client(),
        )

    def query(self, ref: OrderRef) -> TradeFact:
        """Query the state of an order (orderquery, protocol-v2 section 5)."""
        chosen = self._merchant.sign_type
        fields = orderquery(ref, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce())
        return self._call(
            "/pay/orderquery",
            fields,
            about=ref,
            sign_type=chosen,
            read=lambda answer: read_orderquery(answer, ref),
        )

    def close(self, ref: OrderRef) -> None:
        """Close an unpaid order (closeorder, protocol-v2 section 6.1)."""
        chosen = self._merchant.sign_type
        fields = closeorder(ref, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce())
        # ORDERCLOSED is a success of closeorder (protocol-v2 section 6.1).
        with suppress(OrderClosed):
            self._call("/pay/closeorder", fields, about=ref, sign_type=chosen, read=dict)

    def check_refund(self, terms: RefundTerms) -> None:
        """Raise ``InvalidRefund`` for what breaks a rule of protocol-v2 section 6.4; no call.

        Raises ``ConfigurationError`` for a merchant without a client certificate.
        """
        check_refund_terms(terms, mode=self._merchant.mode)
        self._client()

    def refund(self, terms: RefundTerms) -> RefundFact:
        """Ask for a refund (protocol-v2 section 6.4) and return that it is accepted.

        May be repeated: WeChat Pay makes one refund of one out_refund_no.
        """
        chosen = self._merchant.sign_type
        fields = refund(terms, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce())
        return self._call(
            "/secapi/pay/refund",
            fields,
            about=terms.order,
            sign_type=chosen,
            read=lambda answer: read_refund(answer, terms),
            client=self._client(),
        )

    def query_refund(self, ref: RefundRef) -> RefundFact:
        """Query one refund (refundquery, protocol-v2 section 6.5)."""
        chosen = self._merchant.sign_type
        fields = refundquery(ref, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce())
        return self._call(
            "/pay/refundquery",
            fields,
            about=ref.order,
            sign_type=chosen,
            read=lambda answer: read_refundquery(answer, ref),
        )

    def query_refunds(self, ref: OrderRef) -> tuple[RefundFact, ...]:
        """Query every refund of an order, page by page (protocol-v2 section 6.5)."""
        facts: list[RefundFact] = []
        total = MOST_REFUNDS
        while len(facts) < total:
            page, total = self._refunds_from(ref, len(facts))
            facts += page
        return tuple(facts)

    def _refunds_from(self, ref: OrderRef, offset: int) -> tuple[tuple[RefundFact, ...], int]:
        chosen = self._merchant.sign_type
        fields = refundquery_of_order(
            ref,
            offset=offset,
            sign_type=chosen,
            key=self._merchant.api_key,
            nonce=self._nonce(),
        )
        return self._call(
            "/pay/refundquery",
            fields,
            about=ref,
            sign_type=chosen,
            read=lambda answer: _page(answer, ref, offset),
        )

    def parameters(self, terms: OrderTerms, grant: PrepayGrant) -> dict[str, str]:
        """Return what the paying client needs (protocol-v2 section 4), signed now; no call."""
        return client_parameters(
            terms,
            grant,
            mode=self._merchant.mode,
            sign_type=SignType(grant.sign_type),
            key=self._merchant.api_key,
            timestamp=int(self._now().timestamp()),
            nonce=self._nonce(),
        )

    def report(self, call: MeasuredCall) -> None:
        """Report how long ``call`` took (payitil/report, protocol-v2 section 8).

        It waits a second for a connection and one for an answer, whatever ``TIMEOUT`` says,
        tries twice at most, and is not recorded. Safe to use from many threads at once.
        """
        self._send_report(
            report_fields(
                call,
                mode=self._merchant.mode,
                sign_type=self._merchant.sign_type,
                key=self._merchant.api_key,
                nonce=self._nonce(),
                now=self._now(),
            )
        )

    def report_sales(self, sales: Sequence[TerminalSale], reporter: Reporter) -> None:
        """Report one batch of a terminal's sales (protocol-v2 section 8.5), as ``report`` does."""
        self._send_report(
            batch_report_fields(
                sales,
                reporter=reporter,
                mode=self._merchant.mode,
                sign_type=self._merchant.sign_type,
                key=self._merchant.api_key,
                nonce=self._nonce(),
            )
        )

    def _send_report(self, fields: dict[str, str]) -> None:
        merchant = self._merchant
        send_report(
            HttpRequest(host="", path=REPORT_PATH, body=encode_xml(fields), headers=HEADERS),
            hosts=merchant.hosts,
            transport=self._transport,
            read=lambda response: read_report_answer(response.body, merchant),
        )


def _page(answer: dict[str, str], ref: OrderRef, offset: int) -> tuple[tuple[RefundFact, ...], int]:
    """Return the refunds on a page, and how many there are on all of them."""
    page = read_refunds_of_order(answer, ref)
    # A page that is not full is the last, whatever the total says.
    if len(page) < PAGE:
        return page, offset + len(page)
    return page, min(total_refund_count(answer) or MOST_REFUNDS, MOST_REFUNDS)
