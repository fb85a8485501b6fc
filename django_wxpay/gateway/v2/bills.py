"""Bills over v2: one call each, whose answer is the file or a refusal in XML."""

from __future__ import annotations

from typing import NoReturn

from django_wxpay.gateway.bills import (
    DOWNLOAD_TIMEOUT,
    Download,
    FetchedBill,
    Sink,
    reader_of,
    without_bill,
)
from django_wxpay.gateway.failover import send_with_failover
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.records import Attempt, call_record
from django_wxpay.gateway.v2.calls import HEADERS, SignedCalls
from django_wxpay.protocol.bills.requests import check_bill
from django_wxpay.protocol.bills.rows import BillKind, BillRequest
from django_wxpay.protocol.errors import MalformedMessage, Refused
from django_wxpay.protocol.facts import ReplySummary
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v2.bills import (
    BILL_PATH,
    FUND_FLOW_PATH,
    bill_refusal,
    downloadbill,
    downloadfundflow,
)
from django_wxpay.protocol.v2.replies import summarise
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

_TAKEN: ReplySummary = ReplySummary(return_code="SUCCESS", result_code="SUCCESS")


class BillCalls(SignedCalls):
    """The bills of one merchant."""

    def fetch_bill(self, request: BillRequest, sink: Sink) -> FetchedBill:
        """Fetch a bill into ``sink`` (downloadbill, downloadfundflow: protocol-v2 section 6.6).

        Raises ``InvalidParameter`` for a day that has none, ``BillNotReady``, ``BadAnswer`` for a
        file that did not arrive whole, and what the other calls raise.
        """
        merchant = self._merchant
        check_bill(request, now=self._now(), region=merchant.region, api=Api.V2)
        download = Download(sink)
        message = self._message(request, download)

        def note(attempt: Attempt[FetchedBill]) -> None:
            self._record(
                call_record(
                    attempt,
                    api="v2",
                    merchant=merchant,
                    about=None,
                    summary=_summary(attempt),
                    interface_url=attempt.request.url,
                )
            )

        try:
            return send_with_failover(
                lambda: message,
                hosts=merchant.hosts,
                transport=self._transport,
                read=reader_of(download, _refuse),
                note=note,
                now=self._now,
                timeout=DOWNLOAD_TIMEOUT,
            )
        except Refused as refusal:
            return without_bill(refusal, request, self._now())

    def _message(self, request: BillRequest, download: Download) -> HttpRequest:
        merchant, nonce = self._merchant, self._nonce()
        if request.kind is BillKind.TRADE:
            path, client = BILL_PATH, None
            sign_type = merchant.sign_type
            fields = downloadbill(request, merchant=merchant, sign_type=sign_type, nonce=nonce)
        else:
            path, client = FUND_FLOW_PATH, self._client()
            fields = downloadfundflow(request, merchant=merchant, nonce=nonce)
        return HttpRequest(
            host="",
            path=path,
            body=encode_xml(fields),
            headers=HEADERS,
            client_certificate=client,
            take_body=download.take,
        )


def _refuse(response: HttpResponse) -> NoReturn:
    # What is no XML is a case for the next host.
    raise bill_refusal(decode_xml(response.body))


def _summary(attempt: Attempt[FetchedBill]) -> ReplySummary:
    if attempt.value is not None:
        return _TAKEN
    try:
        fields = decode_xml(attempt.response.body if attempt.response else b"")
    except MalformedMessage:
        return ReplySummary()
    return summarise(fields)
