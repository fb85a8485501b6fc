"""Calls over APIv3: signed, verified, and asked for again after a probe of WeChat Pay's.

An answer that is a probe is asked for again, once and signed anew; all other repeating is decided
in ``gateway.failover``. The platform certificates, which answers are verified with, are fetched
here too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from django_wxpay.gateway.failover import send_with_failover
from django_wxpay.gateway.http.failures import SAFE_AGAIN, Probed
from django_wxpay.gateway.http.messages import BodyTaker, HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Attempt, CallRecord, call_record
from django_wxpay.gateway.v3.platform_keys import PlatformKeys
from django_wxpay.gateway.v3.verification import Check, check_answer
from django_wxpay.protocol.errors import (
    BadSignature,
    ConfigurationError,
)
from django_wxpay.protocol.facts import (
    ReplySummary,
)
from django_wxpay.protocol.failures import Failure
from django_wxpay.protocol.merchants import Merchant, Region
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v3.authorization import build_authorization
from django_wxpay.protocol.v3.certificates import PlatformCertificate, read_certificate_list
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.keys import PublicKey
from django_wxpay.protocol.v3.replies import (
    summarise,
)
from django_wxpay.protocol.v3.requests import (
    V3Request,
    certificates_request,
    interface_url,
)

logger = logging.getLogger("django_wxpay.gateway")

T = TypeVar("T")

# Returns the key that an answer's signature names; a list of certificates may hold its own,
# so the body is given too.
KeyOf = Callable[[str, bytes], PublicKey | None]

_LONGEST_REQUEST_ID: Final = 64
_LANGUAGES: Final = {Region.GLOBAL: "en", Region.MAINLAND: "zh-CN"}


class SignedCalls:
    """The calls of one merchant, each signed under its key. ``keys`` are WeChat Pay's own."""

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
        self,
        request: V3Request,
        *,
        about: OrderTerms | OrderRef | None,
        read: Callable[[bytes], T],
        is_repeatable: bool = True,
        check: Check = check_answer,
        advice: str = SAFE_AGAIN,
    ) -> T:
        def key_of(serial: str, _body: bytes) -> PublicKey | None:
            return self._keys.find(serial, self.certificates, is_our_call=True)

        self._keys.refresh_if_due(self.certificates)
        return self._ask(
            request,
            about=about,
            key_of=key_of,
            read=read,
            is_repeatable=is_repeatable,
            check=check,
            advice=advice,
        )

    def _ask(
        self,
        request: V3Request,
        *,
        about: OrderTerms | OrderRef | None,
        key_of: KeyOf,
        read: Callable[[bytes], T],
        is_repeatable: bool = True,
        check: Check = check_answer,
        advice: str = SAFE_AGAIN,
    ) -> T:
        def verify_and_read(response: HttpResponse) -> T:
            check(
                response,
                now=self._now(),
                key_of=lambda serial: key_of(serial, response.body),
            )
            return read(response.body)

        if not is_repeatable:
            once = partial(_unprobed_once, verify_and_read)
            return self._send(request, about, once, is_once=True, advice=advice)
        with suppress(Probed):
            return self._send(request, about, verify_and_read)
        # A repetition is not probed (protocol-v3 section 2.3, rule 7): a second probe is forged.
        return self._send(request, about, partial(unprobed, verify_and_read))

    def _send(
        self,
        request: V3Request,
        about: OrderTerms | OrderRef | None,
        read: Callable[[HttpResponse], T],
        *,
        is_once: bool = False,
        advice: str = SAFE_AGAIN,
        hosts: tuple[str, ...] = (),
        take_body: BodyTaker | None = None,
        timeout: tuple[float, float] | None = None,
    ) -> T:
        def note(attempt: Attempt[T]) -> None:
            self._record(self._record_of(attempt, about, request.interface))

        return send_with_failover(
            # Signed anew for each call of this: the signature holds the time (protocol-v3
            # section 7.2).
            lambda: HttpRequest(
                host="",
                method=request.method,
                path=request.target,
                body=request.body,
                headers=self._headers(request),
                take_body=take_body,
            ),
            hosts=hosts or self._merchant.hosts,
            transport=self._transport,
            read=read,
            note=note,
            now=self._now,
            is_repeatable=not is_once,
            advice=advice,
            timeout=timeout,
        )

    def _record_of(
        self, attempt: Attempt[T], about: OrderTerms | OrderRef | None, interface: str
    ) -> CallRecord:
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
            interface_url=interface_url(
                replace(attempt.request, path=interface or attempt.request.path).url
            ),
            request_id=_request_id(response) if response else "",
        )

    def _headers(self, request: V3Request) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Language": _LANGUAGES[self._merchant.region],
            "Authorization": self._authorization(request),
        }
        if request.body:
            headers["Content-Type"] = request.content_type
        # This names the key that signs the answer, in public-key mode and during a migration
        # (protocol-v3 section 2.5).
        if serial := request.serial or self._merchant.wechatpay_public_key_id:
            headers["Wechatpay-Serial"] = serial
        return headers

    def _authorization(self, request: V3Request) -> str:
        try:
            return build_authorization(
                method=request.method,
                url_path=request.target,
                body=request.body if request.signed is None else request.signed,
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


def unprobed(read: Callable[[HttpResponse], T], response: HttpResponse) -> T:
    """Read the answer to a repeated call, which WeChat Pay does not probe."""
    try:
        return read(response)
    except Probed:
        raise BadSignature("the answer's signature is a probe, and so was the one before") from None


def _unprobed_once(read: Callable[[HttpResponse], T], response: HttpResponse) -> T:
    try:
        return read(response)
    except Probed:
        # What was asked for may have been done, and is not asked for again to find out.
        raise BadSignature("the answer's signature is a probe") from None
