"""Calls over v2: signed once, and read only when the signature of the answer has been verified."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from django_wxpay.gateway.failover import send_with_failover
from django_wxpay.gateway.http.failures import MAYBE_DONE, SAFE_AGAIN
from django_wxpay.gateway.http.messages import ClientCertificate, HttpRequest
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Attempt, CallRecord, call_record
from django_wxpay.protocol.endpoints.bodies import v2_fields
from django_wxpay.protocol.endpoints.paths import v2_path
from django_wxpay.protocol.errors import ConfigurationError, InvalidParameter, MalformedMessage
from django_wxpay.protocol.facts import ReplySummary
from django_wxpay.protocol.merchants import Merchant, SignType
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v2.replies import (
    read_any,
    read_envelope,
    summarise,
)
from django_wxpay.protocol.v2.requests import signed
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
        def verify_and_read(answer: dict[str, str]) -> T:
            return read(
                read_envelope(
                    answer,
                    merchant=self._merchant,
                    sign_type=sign_type,
                    appid=about.appid,
                    sub_mch_id=about.sub_mch_id,
                )
            )

        return self._exchange(
            path,
            fields,
            about=about,
            read=verify_and_read,
            is_repeatable=is_repeatable,
            client=client,
        )

    def call(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        client_cert: bool = False,
        is_repeatable: bool = False,
        sign_type: str | None = None,
        is_signed: bool = True,
    ) -> dict[str, str]:
        """Call an interface that this package does not know, and return the answer's fields.

        ``sign_type`` is in the place of the merchant's where the interface takes one only, and
        ``is_signed`` is False where its answers carry no signature: they are then only as
        trustworthy as the connection. Raises ``InvalidParameter`` before anything is sent, and
        what the other calls raise.
        """
        merchant = self._merchant
        address, named = v2_path(path), v2_fields(fields, merchant)
        if sign_type is not None and sign_type not in set(SignType):
            raise InvalidParameter("sign_type", "is not known", ", ".join(SignType))
        chosen = SignType(sign_type or merchant.sign_type)
        about = OrderRef(
            appid=named.get("appid", ""),
            mch_id=merchant.mch_id,
            out_trade_no=named.get("out_trade_no", ""),
            sub_appid=named.get("sub_appid", ""),
            sub_mch_id=named.get("sub_mch_id", ""),
        )
        return self._exchange(
            address,
            signed(named, sign_type=chosen, key=merchant.api_key, nonce=self._nonce()),
            about=about,
            read=lambda answer: read_any(
                answer, merchant=merchant, sign_type=chosen, about=about, is_signed=is_signed
            ),
            is_repeatable=is_repeatable,
            client=self._client() if client_cert else None,
            advice=SAFE_AGAIN if is_repeatable else MAYBE_DONE,
        )

    def _exchange(
        self,
        path: str,
        fields: dict[str, str],
        *,
        about: OrderTerms | OrderRef,
        read: Callable[[dict[str, str]], T],
        is_repeatable: bool,
        client: ClientCertificate | None,
        advice: str = SAFE_AGAIN,
    ) -> T:
        # An answer is read, and then recorded.
        decode = lru_cache(maxsize=1)(decode_xml)

        def note(attempt: Attempt[T]) -> None:
            self._record(self._record_of(attempt, about, decode))

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
            # What is no XML is a case for the next host; a bad envelope is not.
            read=lambda response: read(decode(response.body)),
            note=note,
            now=self._now,
            is_repeatable=is_repeatable,
            advice=advice,
        )

    def _record_of(
        self,
        attempt: Attempt[T],
        about: OrderTerms | OrderRef,
        decode: Callable[[bytes], dict[str, str]],
    ) -> CallRecord:
        try:
            summary = summarise(decode(attempt.response.body if attempt.response else b""))
        except MalformedMessage:
            summary = ReplySummary()
        return call_record(
            attempt,
            api="v2",
            merchant=self._merchant,
            about=about,
            summary=summary,
            interface_url=attempt.request.url,
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
                f'merchant "{merchant.alias}" needs CLIENT_CERT and CLIENT_KEY for v2 refunds, '
                "reversals and other calls with a client certificate"
            )
        return ClientCertificate(merchant.client_cert, key)
