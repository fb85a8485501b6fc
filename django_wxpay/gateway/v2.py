"""The gateway of the v2 protocol: an order's calls and the reports about calls.

Each request is signed once, and an answer is read only when its signature has been verified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from django_wxpay.gateway.failover import send_report, send_with_failover
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Attempt, CallRecord, call_record
from django_wxpay.protocol.errors import OrderClosed
from django_wxpay.protocol.facts import PrepayGrant, TradeFact
from django_wxpay.protocol.merchants import Merchant, SignType
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v2.batch_reports import TerminalSale, batch_report_fields
from django_wxpay.protocol.v2.client_parameters import client_parameters
from django_wxpay.protocol.v2.replies import (
    read_envelope,
    read_orderquery,
    read_unifiedorder,
    summarise,
)
from django_wxpay.protocol.v2.reports import (
    REPORT_PATH,
    MeasuredCall,
    Reporter,
    read_report_answer,
    report_fields,
)
from django_wxpay.protocol.v2.requests import check_terms, closeorder, orderquery, unifiedorder
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

T = TypeVar("T")

_HEADERS: Final = {"Content-Type": "text/xml"}  # protocol-v2 section 1.5


class V2Gateway:
    """One merchant's calls over the v2 protocol.

    ``now`` returns an aware time, ``nonce`` 1 to 32 letters and digits. ``record`` is given
    every attempt, in the calling thread, and must never raise.

    Every method raises ``Refused`` where WeChat Pay says no, ``BadSignature`` and
    ``BadAnswer`` where an answer cannot be trusted, ``OutcomeUnknown`` where none came or
    WeChat Pay is busy.
    """

    def __init__(
        self,
        merchant: Merchant,
        *,
        transport: Transport,
        now: Callable[[], datetime],
        nonce: Callable[[], str],
        record: Callable[[CallRecord], None],
    ) -> None:
        self._merchant = merchant
        self._transport = transport
        self._now = now
        self._nonce = nonce
        self._record = record

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
            HttpRequest(host="", path=REPORT_PATH, body=encode_xml(fields), headers=_HEADERS),
            hosts=merchant.hosts,
            transport=self._transport,
            read=lambda response: read_report_answer(response.body, merchant),
        )

    def _call(
        self,
        path: str,
        fields: dict[str, str],
        *,
        about: OrderTerms | OrderRef,
        sign_type: SignType,
        read: Callable[[dict[str, str]], T],
    ) -> T:
        def verify_and_read(response: HttpResponse) -> T:
            # What is no XML is a case for the next host; a bad envelope is not.
            decode_xml(response.body)
            return read(
                read_envelope(
                    response.body,
                    merchant=self._merchant,
                    sign_type=sign_type,
                    appid=about.appid,
                    sub_mch_id=about.sub_mch_id,
                )
            )

        def note(attempt: Attempt[T]) -> None:
            self._record(
                call_record(
                    attempt,
                    api="v2",
                    merchant=self._merchant,
                    about=about,
                    summary=summarise(attempt.response.body if attempt.response else b""),
                    interface_url=attempt.request.url,
                )
            )

        # v2 signs no time, so a repeated call is the same bytes.
        request = HttpRequest(host="", path=path, body=encode_xml(fields), headers=_HEADERS)
        return send_with_failover(
            lambda: request,
            hosts=self._merchant.hosts,
            transport=self._transport,
            read=verify_and_read,
            note=note,
            now=self._now,
        )
