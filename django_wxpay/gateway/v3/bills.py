"""Bills over APIv3: in mainland a signed answer that names the file, then the unsigned file.

The global API sends the file at once, and signs its digest.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn

from django_wxpay.gateway.bills import (
    DOWNLOAD_TIMEOUT,
    Download,
    FetchedBill,
    Sink,
    check_sha1,
    reader_of,
    without_bill,
)
from django_wxpay.gateway.http.failures import Probed
from django_wxpay.gateway.http.messages import HttpResponse
from django_wxpay.gateway.v3.calls import SignedCalls, unprobed
from django_wxpay.gateway.v3.verification import check_signature, refuse
from django_wxpay.protocol.bills.requests import check_bill
from django_wxpay.protocol.bills.rows import BillRequest
from django_wxpay.protocol.errors import MalformedMessage, Refused
from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.protocol.v3.bills import (
    STATEMENT_SHA1,
    BillFile,
    bill_request,
    read_bill_file,
    statement_message,
    statement_request,
)
from django_wxpay.protocol.v3.requests import V3Request


class BillCalls(SignedCalls):
    """The bills of one merchant."""

    def fetch_bill(self, request: BillRequest, sink: Sink) -> FetchedBill:
        """Fetch a bill into ``sink`` (protocol-v3 sections 3.7 and 4.5).

        Raises what ``V2Gateway.fetch_bill`` raises.
        """
        check_bill(request, now=self._now(), region=self._merchant.region, api=Api.V3)
        fetch = self._statement if self._merchant.region is Region.GLOBAL else self._in_two_steps
        try:
            return fetch(request, sink)
        except Refused as refusal:
            return without_bill(refusal, request, self._now())

    def _in_two_steps(self, request: BillRequest, sink: Sink) -> FetchedBill:
        merchant = self._merchant
        file: BillFile = self._call(
            bill_request(request, merchant=merchant),
            about=None,
            read=partial(read_bill_file, hosts=merchant.hosts),
        )
        download = Download(sink)
        fetched = self._download(
            V3Request("GET", file.target),
            download,
            read=reader_of(download, _refuse),
            # The file is where the signed answer says.
            hosts=(file.host,),
        )
        return check_sha1(fetched, file.sha1)

    def _statement(self, request: BillRequest, sink: Sink) -> FetchedBill:
        self._keys.refresh_if_due(self.certificates)
        download = Download(sink)
        read = reader_of(download, _refuse)

        def verified(response: HttpResponse) -> FetchedBill:
            fetched = read(response)
            headers = {name.lower(): value for name, value in response.headers.items()}
            sha1 = headers.get(STATEMENT_SHA1, "")
            check_signature(
                response.headers,
                statement_message(sha1),
                now=self._now(),
                key_of=lambda serial: self._keys.find(serial, self.certificates, is_our_call=True),
            )
            return check_sha1(fetched, sha1)

        ask = partial(
            self._download, statement_request(request), download, hosts=self._merchant.hosts
        )
        with suppress(Probed):
            return ask(read=verified)
        return ask(read=partial(unprobed, verified))

    def _download(
        self,
        request: V3Request,
        download: Download,
        *,
        read: Callable[[HttpResponse], FetchedBill],
        hosts: tuple[str, ...],
    ) -> FetchedBill:
        return self._send(
            request,
            None,
            read,
            hosts=hosts,
            take_body=download.take,
            timeout=DOWNLOAD_TIMEOUT,
        )


def _refuse(response: HttpResponse) -> NoReturn:
    if response.status >= 400:
        refuse(response)
    raise MalformedMessage("a document came where a bill was asked for")
