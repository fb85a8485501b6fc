"""The v3 calls an order needs, each signed with our key and believed only under WeChat Pay's.

A probe of WeChat Pay's is asked again, once and signed anew; everything else about trying
again is decided in ``attempts``, and what is believed in ``v3_answers``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from django_wxpay.gateway.failover import Attempt, call
from django_wxpay.gateway.http.messages import Answer, Exchange, Probed
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import CallRecord, Placed
from django_wxpay.gateway.v3.platform_keys import PlatformKeys
from django_wxpay.gateway.v3.records import v3_record
from django_wxpay.gateway.v3.verification import check_answer
from django_wxpay.protocol.errors import BadSignature, ConfigurationError, Refused
from django_wxpay.protocol.facts import PrepayGrant, TradeFact, TradeState
from django_wxpay.protocol.merchants import Merchant, Region
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v3.authorization import build_authorization
from django_wxpay.protocol.v3.certificates import PlatformCertificate, read_certificate_list
from django_wxpay.protocol.v3.client_parameters import SIGN_TYPE, client_parameters
from django_wxpay.protocol.v3.keys import PublicKey
from django_wxpay.protocol.v3.replies import read_grant, read_query
from django_wxpay.protocol.v3.requests import (
    V3Request,
    certificates_request,
    check_terms_v3,
    close_request,
    place_request,
    query_request,
)
from django_wxpay.protocol.v3.signing import key_name

T = TypeVar("T")

# Returns the key that an answer's signature names; the body is for the list that holds its own.
KeyOf = Callable[[str, bytes], PublicKey | None]

_LANGUAGES: Final = {Region.GLOBAL: "en", Region.MAINLAND: "zh-CN"}


class V3Gateway:
    """One merchant's calls over APIv3, mainland or global, direct or institutional.

    Takes what ``V2Gateway`` takes, and ``keys``: WeChat Pay's, as far as they are known.
    Its methods do and raise what those of ``V2Gateway`` do and raise.
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
        """Raise ``InvalidOrder`` for what breaks a rule; no call.

        Source: protocol-v3 sections 3.2 and 4.2.
        """
        check_terms_v3(
            terms,
            mode=self._merchant.mode,
            region=self._merchant.region,
            merchant_category_code=self._merchant.merchant_category_code,
            now=self._now(),
        )

    def place(self, terms: OrderTerms) -> Placed:
        """Place an order (protocol-v3 sections 3.2 and 4.2) and return what was granted."""
        request = place_request(terms, merchant=self._merchant)
        grant = self._call(request, about=terms, read=lambda body: read_grant(body, terms))
        return Placed(grant=grant, sign_type=SIGN_TYPE)

    def query(self, ref: OrderRef) -> TradeFact:
        """Ask what became of an order (protocol-v3 sections 3.3 and 4.3)."""
        merchant = self._merchant
        return self._call(
            query_request(ref, merchant=merchant),
            about=ref,
            read=lambda body: read_query(body, ref, merchant=merchant),
        )

    def close(self, ref: OrderRef) -> None:
        """Close an unpaid order; one that is closed is a success.

        Source: protocol-v3 sections 3.4 and 4.1.
        """
        request = close_request(ref, merchant=self._merchant)
        try:
            self._call(request, about=ref, read=lambda _body: None)
        except Refused as refusal:
            # A refusal is not signed, so it alone closes no order; a query's answer is.
            if refusal.err_code != "ORDERCLOSED" or not self._is_closed(ref):
                raise

    def parameters(
        self, terms: OrderTerms, grant: PrepayGrant, *, sign_type: str
    ) -> dict[str, str]:
        """Return what the paying client needs (protocol-v3 section 5), signed now; no call."""
        del sign_type  # a prepay of v3 knows one only
        return client_parameters(
            terms,
            grant,
            private_key=self._merchant.private_key,
            timestamp=int(self._now().timestamp()),
            nonce=self._nonce(),
        )

    def certificates(self) -> tuple[PlatformCertificate, ...]:
        """Fetch the platform certificates; the list vouches for itself at first.

        API_V3_KEY must open it, and its own signature must then hold under the key it names.
        Source: protocol-v3 section 2.6.
        """
        return self._ask(
            certificates_request(self._merchant),
            about=None,
            key_of=self._key_in_list,
            read=self._read_list,
        )

    def _is_closed(self, ref: OrderRef) -> bool:
        return self.query(ref).trade_state is TradeState.CLOSED

    def _read_list(self, body: bytes) -> tuple[PlatformCertificate, ...]:
        return read_certificate_list(body, self._merchant.api_v3_key)

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
            return self._keys.find(serial, self.certificates)

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
        def believe(answer: Answer) -> T:
            check_answer(
                answer,
                now=self._now(),
                key_of=lambda serial: key_of(serial, answer.body),
            )
            return read(answer.body)

        with suppress(Probed):
            return self._exchange(request, about, believe)
        # A repetition is not probed (protocol-v3 section 2.3, rule 7), so a second probe is a
        # forgery.
        return self._exchange(request, about, partial(_unprobed, believe))

    def _exchange(
        self,
        request: V3Request,
        about: OrderTerms | OrderRef | None,
        believe: Callable[[Answer], T],
    ) -> T:
        def note(attempt: Attempt[T]) -> None:
            self._record(v3_record(attempt, merchant=self._merchant, about=about))

        return call(
            Exchange(
                host="",
                method=request.method,
                path=request.target,
                body=request.body,
                headers=self._headers(request),
            ),
            hosts=self._merchant.hosts,
            transport=self._transport,
            read=believe,
            note=note,
            now=self._now,
        )

    def _headers(self, request: V3Request) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Language": _LANGUAGES[self._merchant.region],
            "Authorization": self._authorization(request),
        }
        if request.body:
            headers["Content-Type"] = "application/json"
        # Which key signs the answer, in public-key mode and during a migration (protocol-v3 section
        # 2.5).
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
                serial_no=self._merchant.cert_serial_no.upper(),
                private_key=self._merchant.private_key,
                timestamp=int(self._now().timestamp()),
                nonce=self._nonce(),
            )
        except ValueError as problem:
            raise ConfigurationError(
                f'merchant "{self._merchant.alias}" cannot sign: {problem}'
            ) from None


def _unprobed(believe: Callable[[Answer], T], answer: Answer) -> T:
    try:
        return believe(answer)
    except Probed:
        raise BadSignature("the answer's signature is a probe, and so was the one before") from None
