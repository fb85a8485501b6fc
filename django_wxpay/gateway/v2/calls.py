"""Calls over v2: signed once, and read only when the signature of the answer has been verified."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from django_wxpay.gateway.failover import send_with_failover
from django_wxpay.gateway.http.messages import ClientCertificate, HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Attempt, CallRecord, call_record
from django_wxpay.protocol.errors import ConfigurationError, MalformedMessage
from django_wxpay.protocol.facts import ReplySummary
from django_wxpay.protocol.merchants import Merchant, SignType
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v2.replies import (
    read_envelope,
    summarise,
)
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

T = TypeVar("T")

HEADERS: Final = {"Content-Type": "text/xml"}  # protocol-v2 section 1.5


class SignedCalls:
    """The calls of one merchant over the v2 protocol.

    ``now`` returns an aware time, ``nonce`` 1 to 32 letters and digits. ``record`` is given
    every attempt, in the calling thread, and must never raise.
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

    def _call(
        self,
        path: str,
        fields: dict[str, str],
        *,
        about: OrderTerms | OrderRef,
        sign_type: SignType,
        read: Callable[[dict[str, str]], T],
        is_repeatable: bool = True,
        client: ClientCertificate | None = None,
    ) -> T:
        # An answer is read, and then recorded.
        decode = lru_cache(maxsize=1)(decode_xml)

        def verify_and_read(response: HttpResponse) -> T:
            return read(
                read_envelope(
                    # What is no XML is a case for the next host; a bad envelope is not.
                    decode(response.body),
                    merchant=self._merchant,
                    sign_type=sign_type,
                    appid=about.appid,
                    sub_mch_id=about.sub_mch_id,
                )
            )

        def claims(body: bytes) -> ReplySummary:
            try:
                return summarise(decode(body))
            except MalformedMessage:
                return ReplySummary()

        def note(attempt: Attempt[T]) -> None:
            self._record(
                call_record(
                    attempt,
                    api="v2",
                    merchant=self._merchant,
                    about=about,
                    summary=claims(attempt.response.body if attempt.response else b""),
                    interface_url=attempt.request.url,
                )
            )

        # v2 signs no time, so a repeated call is the same bytes.
        request = HttpRequest(
            host="",
            path=path,
            body=encode_xml(fields),
            headers=HEADERS,
            client_certificate=client,
        )
        return send_with_failover(
            lambda: request,
            hosts=self._merchant.hosts,
            transport=self._transport,
            read=verify_and_read,
            note=note,
            now=self._now,
            is_repeatable=is_repeatable,
        )

    def _client(self) -> ClientCertificate | None:
        merchant = self._merchant
        # The merchant platform gives out one key for both protocols.
        key = merchant.client_key or merchant.private_key
        if not merchant.client_cert or not key:
            # Nothing is shown without TLS, so a simulator on this machine needs none.
            if all(host.lower().startswith("http://") for host in merchant.hosts):
                return None
            raise ConfigurationError(
                f'merchant "{merchant.alias}" needs CLIENT_CERT and CLIENT_KEY for v2 refunds '
                "and reversals"
            )
        return ClientCertificate(merchant.client_cert, key)
