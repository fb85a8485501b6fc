"""Verification of the v3 gateway's answers, before anything looks at what they say.

Read from the top (protocol-v3 sections 2.3 and 7.1)::

    4xx with a code, and every 429     a refusal; it is not signed, so it is never a fact
    4xx without one; no JSON object    a proxy's, or cut short: for the next host
    2xx not signed, stale, by a key
    we lack, over other bytes          forged: no other host is asked
    2xx with a probe for a signature   the same call again; WeChat Pay tests that we verify
    202, signed                        accepted, not done: as unknown as no answer at all
    2xx, signed                        trusted

5xx and redirects mean the same in every protocol: see ``gateway.failover``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NoReturn, Protocol

from django_wxpay.gateway.http.failures import Probed
from django_wxpay.gateway.http.messages import HttpResponse
from django_wxpay.protocol.errors import BadSignature, MalformedMessage, OutcomeUnknown
from django_wxpay.protocol.v3.documents import read_with_marks
from django_wxpay.protocol.v3.errors import read_error
from django_wxpay.protocol.v3.keys import PublicKey
from django_wxpay.protocol.v3.signing import (
    SignatureFault,
    read_signature_headers,
    signature_fault,
)

_ACCEPTED: Final = 202
_MAY_BE_EMPTY: Final = frozenset({_ACCEPTED, 204})
_TOO_MANY_REQUESTS: Final = 429
_SHOWN_SERIAL: Final = 64


class Check(Protocol):
    """What an answer is held against before it is read."""

    def __call__(
        self, answer: HttpResponse, *, now: datetime, key_of: Callable[[str], PublicKey | None]
    ) -> None: ...


def check_answer(
    answer: HttpResponse,
    *,
    now: datetime,
    key_of: Callable[[str], PublicKey | None],
) -> None:
    """Raise unless ``answer`` is a 2xx that WeChat Pay has signed, within five minutes of ``now``.

    ``key_of`` returns the key that a serial names, or None. Raises ``Refused`` for a refusal,
    ``MalformedMessage`` for what is not WeChat Pay's at all, ``Probed`` for a probe,
    ``BadSignature`` for a 2xx not to be trusted and ``OutcomeUnknown`` for a 202.
    """
    if answer.status >= 400:
        refuse(answer)
    if answer.body or answer.status not in _MAY_BE_EMPTY:
        read_with_marks(answer.body)
    check_signature(answer.headers, answer.body, now=now, key_of=key_of)
    if answer.status == _ACCEPTED:
        raise OutcomeUnknown("WeChat Pay has taken the request and not decided it yet; query it")


def check_any_answer(
    answer: HttpResponse,
    *,
    now: datetime,
    key_of: Callable[[str], PublicKey | None],
) -> None:
    """Raise unless ``answer`` is a 2xx that WeChat Pay has signed, a document or not.

    Differs from ``check_answer`` in two ways: what is signed need be no document, and a 202 is
    undecided only where it has a code, for other products accept requests with it.
    """
    if answer.status >= 400:
        refuse(answer)
    document: dict[str, Any] = {}
    try:
        document = read_with_marks(answer.body or b"{}")
    except MalformedMessage:
        # Unsigned, it is what a proxy says in the place of WeChat Pay.
        if read_signature_headers(answer.headers) is None:
            raise
    check_signature(answer.headers, answer.body, now=now, key_of=key_of)
    if answer.status == _ACCEPTED and "code" in document:
        raise OutcomeUnknown("WeChat Pay has taken the request and not decided it yet; query it")


def check_signature(
    headers: Mapping[str, str],
    message: bytes,
    *,
    now: datetime,
    key_of: Callable[[str], PublicKey | None],
) -> None:
    """Raise unless the signature in ``headers`` is WeChat Pay's over ``message``.

    That is the body of every answer but a statement's. Raises ``Probed`` and ``BadSignature``.
    """
    fault = signature_fault(
        headers,
        message,
        now=int(now.timestamp()),
        key_of=lambda serial: _known(key_of, serial),
    )
    if fault is SignatureFault.PROBE:
        raise Probed(f"the answer {fault}")
    if fault is not None:
        raise BadSignature(f"the answer {fault}")


def _known(key_of: Callable[[str], PublicKey | None], serial: str) -> PublicKey:
    key = key_of(serial)
    if key is None:
        # Named, so that a person can find it in the merchant platform; the host is WeChat Pay's.
        raise BadSignature(f"the answer {SignatureFault.UNKNOWN_KEY}: {serial[:_SHOWN_SERIAL]}")
    return key


def refuse(answer: HttpResponse) -> NoReturn:
    """Raise the refusal of a 4xx, or ``MalformedMessage`` for one that is not WeChat Pay's."""
    error = read_error(answer.status, answer.body)
    if not error.code and answer.status != _TOO_MANY_REQUESTS:
        raise MalformedMessage("an error without a code is not WeChat Pay's")
    raise error.refusal()
