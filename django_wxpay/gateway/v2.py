"""The three v2 calls an order needs, each signed once and believed only when verified.

And the one that no order needs: the report of how long the others took, or a terminal's sales.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from django_wxpay.gateway.failover import Attempt, call
from django_wxpay.gateway.http.messages import Answer, Exchange
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import CallRecord, Placed
from django_wxpay.gateway.reporting import send_report
from django_wxpay.protocol.errors import Refused
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

    ``now`` returns an aware time, ``nonce`` 1 to 32 letters and digits. ``record`` is told
    of every attempt, in the calling thread, and must never raise: it guards itself.

    Every method raises ``Refused`` where WeChat Pay says no, ``BadSignature`` and
    ``BadAnswer`` where an answer cannot be believed, ``OutcomeUnknown`` where none came.
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

    def place(self, terms: OrderTerms, sign_type: SignType | None = None) -> Placed:
        """Place an order (unifiedorder, protocol-v2 section 3) and return what was granted."""
        chosen = sign_type or self._merchant.sign_type
        fields = unifiedorder(
            terms, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce()
        )
        grant = self._call(
            "/pay/unifiedorder",
            fields,
            about=terms,
            sign_type=chosen,
            read=lambda answered: read_unifiedorder(answered, terms),
        )
        return Placed(grant=grant, sign_type=chosen.value)

    def query(self, ref: OrderRef) -> TradeFact:
        """Ask what became of an order (orderquery, protocol-v2 section 5)."""
        chosen = self._merchant.sign_type
        fields = orderquery(ref, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce())
        return self._call(
            "/pay/orderquery",
            fields,
            about=ref,
            sign_type=chosen,
            read=lambda answered: read_orderquery(answered, ref),
        )

    def close(self, ref: OrderRef) -> None:
        """Close an unpaid order (closeorder, protocol-v2 section 6.1).

        An order that is closed already is a success, as the sheet has it.
        """
        chosen = self._merchant.sign_type
        fields = closeorder(ref, sign_type=chosen, key=self._merchant.api_key, nonce=self._nonce())
        try:
            self._call("/pay/closeorder", fields, about=ref, sign_type=chosen, read=dict)
        except Refused as refusal:
            if refusal.err_code != "ORDERCLOSED":
                raise

    def parameters(
        self, terms: OrderTerms, grant: PrepayGrant, *, sign_type: str
    ) -> dict[str, str]:
        """Return what the paying client needs (protocol-v2 section 4), signed now; no call."""
        return client_parameters(
            terms,
            grant,
            mode=self._merchant.mode,
            sign_type=SignType(sign_type),
            key=self._merchant.api_key,
            timestamp=int(self._now().timestamp()),
            nonce=self._nonce(),
        )

    def report(self, call: MeasuredCall) -> None:
        """Tell WeChat Pay how long ``call`` took (payitil/report, protocol-v2 section 8).

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
        """Tell WeChat Pay of one batch of a terminal's sales (protocol-v2 section 8.5).

        As patient as ``report``, and as little recorded.
        """
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
            Exchange(host="", path=REPORT_PATH, body=encode_xml(fields), headers=_HEADERS),
            hosts=merchant.hosts,
            transport=self._transport,
            read=lambda answer: read_report_answer(answer.body, merchant),
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
        def believe(answer: Answer) -> T:
            # What is no XML is told apart first: it is for the next host, a bad envelope is not.
            decode_xml(answer.body)
            return read(
                read_envelope(
                    answer.body,
                    merchant=self._merchant,
                    sign_type=sign_type,
                    appid=about.appid,
                    sub_mch_id=about.sub_mch_id,
                )
            )

        def note(attempt: Attempt[T]) -> None:
            self._record(_record(attempt, about, fields.get("device_info", "")))

        return call(
            Exchange(host="", path=path, body=encode_xml(fields), headers=_HEADERS),
            hosts=self._merchant.hosts,
            transport=self._transport,
            read=believe,
            note=note,
            now=self._now,
        )


def _record(attempt: Attempt[T], about: OrderTerms | OrderRef, device_info: str) -> CallRecord:
    answer, exchange = attempt.answer, attempt.exchange
    said = summarise(answer.body if answer else b"")
    return CallRecord(
        api="v2",
        method=exchange.method,
        interface_url=exchange.url,
        host=exchange.host_name,
        is_standby=attempt.is_standby,
        out_trade_no=about.out_trade_no,
        mch_id=about.mch_id,
        appid=about.appid,
        sub_mch_id=about.sub_mch_id,
        device_info=device_info,
        started_at=attempt.started_at,
        execute_time_ms=attempt.execute_time_ms,
        http_status=attempt.http_status,
        failure=attempt.failure,
        return_code=said.return_code,
        return_msg=said.return_msg,
        result_code=said.result_code,
        err_code=said.err_code,
        err_code_des=said.err_code_des,
        user_ip=answer.user_ip if answer else "",
        sub_appid=about.sub_appid,
    )
