"""The gateway of APIv3: an order's calls and the download of platform certificates.

An answer that is a probe of WeChat Pay's is asked for again, once and signed anew; all other
repeating is decided in ``gateway.failover``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from django_wxpay.gateway.failover import send_with_failover
from django_wxpay.gateway.http.failures import Failure, Probed
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Attempt, CallRecord, call_record
from django_wxpay.gateway.v3.platform_keys import PlatformKeys
from django_wxpay.gateway.v3.verification import check_answer
from django_wxpay.protocol.errors import BadSignature, ConfigurationError, OrderClosed
from django_wxpay.protocol.facts import PrepayGrant, ReplySummary, TradeFact, TradeState
from django_wxpay.protocol.merchants import Merchant, Region
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v3.authorization import build_authorization
from django_wxpay.protocol.v3.certificates import PlatformCertificate, read_certificate_list
from django_wxpay.protocol.v3.client_parameters import client_parameters
from django_wxpay.protocol.v3.fields import check_terms_v3
from django_wxpay.protocol.v3.keys import PublicKey
from django_wxpay.protocol.v3.replies import read_grant, read_query, summarise
from django_wxpay.protocol.v3.requests import (
    V3Request,
    certificates_request,
    close_request,
    interface_url,
    place_request,
    query_request,
)
from django_wxpay.protocol.v3.signing import key_name

logger = logging.getLogger("django_wxpay.gateway")

T = TypeVar("T")

# Returns the key that an answer's signature names; a list of certificates may hold its own,
# so the body is given too.
KeyOf = Callable[[str, bytes], PublicKey | None]

_LONGEST_REQUEST_ID: Final = 64
_LANGUAGES: Final = {Region.GLOBAL: "en", Region.MAINLAND: "zh-CN"}


class V3Gateway:
    """One merchant's calls over APIv3, mainland or global, direct or institutional.

    Takes what ``V2Gateway`` takes, and ``keys``: WeChat Pay's own. Its methods do and raise
    what those of ``V2Gateway`` do and raise.
    """

    def __init__(
        self,
        merchant: Merchant,
        *,
        transport: Transport,
        now: Callable[[], datetime],
        nonce: Callable[[], str],
        record: Callable[[CallRecord], None],
        keys: PlatformKeys,
    ) -> None:
        self._merchant = merchant
        self._transport = transport
        self._now = now
        self._nonce = nonce
        self._record = record
        self._keys = keys

    def check(self, terms: OrderTerms) -> None:
        """Raise ``InvalidOrder`` for what breaks a rule of protocol-v3 sections 3.2 or 4.2."""
        check_terms_v3(
            terms,
            mode=self._merchant.mode,
            region=self._merchant.region,
            merchant_category_code=self._merchant.merchant_category_code,
            now=self._now(),
        )

    def place(self, terms: OrderTerms) -> PrepayGrant:
        """Place an order (protocol-v3 sections 3.2 and 4.2) and return the grant."""
        request = place_request(terms, merchant=self._merchant)
        return self._call(request, about=terms, read=lambda body: read_grant(body, terms))

    def query(self, ref: OrderRef) -> TradeFact:
        """Query the state of an order (protocol-v3 sections 3.3 and 4.3)."""
        merchant = self._merchant
        return self._call(
            query_request(ref, merchant=merchant),
            about=ref,
            read=lambda body: read_query(body, ref, merchant=merchant),
        )

    def close(self, ref: OrderRef) -> None:
        """Close an unpaid order (protocol-v3 sections 3.4 and 4.1), or find that it is closed."""
        request = close_request(ref, merchant=self._merchant)
        try:
            self._call(request, about=ref, read=lambda _body: None)
        except OrderClosed:
            # A refusal is not signed, so it alone closes no order; a query's answer is.
            if not self._is_closed(ref):
                raise

    def parameters(self, terms: OrderTerms, grant: PrepayGrant) -> dict[str, str]:
        """Return what the paying client needs (protocol-v3 section 5), signed now; no call."""
        return client_parameters(
            terms,
            grant,
            private_key=self._merchant.private_key,
            timestamp=int(self._now().timestamp()),
            nonce=self._nonce(),
        )

    def certificates(self) -> tuple[PlatformCertificate, ...]:
        """Fetch the platform certificates (protocol-v3 section 2.6).

        API_V3_KEY must open the list, whose signature must then hold under the key it names: one
        that is known, or one in the list itself, as the first list cannot be signed otherwise.
        """
        return self._ask(
            certificates_request(self._merchant),
            about=None,
            key_of=self._key_in_list,
            read=partial(self._read_list, on_unreadable=self._warn_unreadable),
        )

    def _is_closed(self, ref: OrderRef) -> bool:
        return self.query(ref).trade_state is TradeState.CLOSED

    def _read_list(
        self, body: bytes, on_unreadable: Callable[[str, str], None] = lambda *_: None
    ) -> tuple[PlatformCertificate, ...]:
        return read_certificate_list(body, self._merchant.api_v3_key, on_unreadable=on_unreadable)

    def _warn_unreadable(self, serial_no: str, problem: str) -> None:
        logger.warning(
            "%s: certificate %s of WeChat Pay's list is left out: %s",
            self._merchant.alias,
            serial_no,
            problem,
        )

    def _key_in_list(self, serial: str, body: bytes) -> PublicKey | None:
        known = self._keys.known(serial)
        if known is not None:
            return known
        listed = {one.serial_no: one.public_key for one in self._read_list(body)}
        return listed.get(key_name(serial))

    def _call(
        self, request: V3Request, *, about: OrderTerms | OrderRef, read: Callable[[bytes], T]
    ) -> T:
        def key_of(serial: str, _body: bytes) -> PublicKey | None:
            return self._keys.find(serial, self.certificates, is_our_call=True)

        self._keys.refresh_if_due(self.certificates)
        return self._ask(request, about=about, key_of=key_of, read=read)

    def _ask(
        self,
        request: V3Request,
        *,
        about: OrderTerms | OrderRef | None,
        key_of: KeyOf,
        read: Callable[[bytes], T],
    ) -> T:
        def verify_and_read(response: HttpResponse) -> T:
            check_answer(
                response,
                now=self._now(),
                key_of=lambda serial: key_of(serial, response.body),
            )
            return read(response.body)

        with suppress(Probed):
            return self._send(request, about, verify_and_read)
        # A repetition is not probed (protocol-v3 section 2.3, rule 7): a second probe is forged.
        return self._send(request, about, partial(_unprobed, verify_and_read))

    def _send(
        self,
        request: V3Request,
        about: OrderTerms | OrderRef | None,
        read: Callable[[HttpResponse], T],
    ) -> T:
        def note(attempt: Attempt[T]) -> None:
            self._record(self._record_of(attempt, about))

        return send_with_failover(
            # Signed anew for each call of this: the signature holds the time (protocol-v3
            # section 7.2).
            lambda: HttpRequest(
                host="",
                method=request.method,
                path=request.target,
                body=request.body,
                headers=self._headers(request),
            ),
            hosts=self._merchant.hosts,
            transport=self._transport,
            read=read,
            note=note,
            now=self._now,
        )

    def _record_of(self, attempt: Attempt[T], about: OrderTerms | OrderRef | None) -> CallRecord:
        response, summary = attempt.response, ReplySummary()
        # A body that is no document claims nothing, whatever its status.
        if response is not None and attempt.failure is not Failure.UNREADABLE:
            summary = summarise(response.status, response.body)
        return call_record(
            attempt,
            api="v3",
            merchant=self._merchant,
            about=about,
            summary=summary,
            interface_url=interface_url(attempt.request.url),
            request_id=_request_id(response) if response else "",
        )

    def _headers(self, request: V3Request) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Language": _LANGUAGES[self._merchant.region],
            "Authorization": self._authorization(request),
        }
        if request.body:
            headers["Content-Type"] = "application/json"
        # This names the key that signs the answer, in public-key mode and during a migration
        # (protocol-v3 section 2.5).
        if self._merchant.wechatpay_public_key_id:
            headers["Wechatpay-Serial"] = self._merchant.wechatpay_public_key_id
        return headers

    def _authorization(self, request: V3Request) -> str:
        try:
            return build_authorization(
                method=request.method,
                url_path=request.target,
                body=request.body,
                mchid=self._merchant.mch_id,
                serial_no=key_name(self._merchant.cert_serial_no),
                private_key=self._merchant.private_key,
                timestamp=int(self._now().timestamp()),
                nonce=self._nonce(),
            )
        except ValueError as problem:
            raise ConfigurationError(
                f'merchant "{self._merchant.alias}" cannot sign: {problem}'
            ) from None


def _request_id(response: HttpResponse) -> str:
    # What WeChat Pay's support asks for (protocol-v3 section 1.3).
    headers = {name.lower(): value for name, value in response.headers.items()}
    request_id = headers.get("request-id", "")
    return request_id[:_LONGEST_REQUEST_ID] if request_id.isprintable() else ""


def _unprobed(read: Callable[[HttpResponse], T], response: HttpResponse) -> T:
    try:
        return read(response)
    except Probed:
        raise BadSignature("the answer's signature is a probe, and so was the one before") from None
