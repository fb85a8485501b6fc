"""Which answers of the v3 gateway are believed, before anything looks at what they say.

Read from the top (protocol-v3 sections 2.3 and 7.1)::

    4xx with a code, and every 429     a refusal; it is not signed, so it is never a fact
    4xx without one; no JSON object    a proxy's, or cut short: for the next host
    2xx not signed, not of this time,
    by a key we lack, over other bytes forged: nobody else is asked
    2xx with a probe for a signature   the same call again; WeChat Pay tests that we verify
    202, signed                        taken, not done: as unknown as no answer at all
    2xx, signed                        believed

What 5xx and redirects mean is the same in every protocol: see ``gateway.failover``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django_wxpay.gateway.http.failures import Probed
from django_wxpay.gateway.http.messages import HttpResponse
from django_wxpay.protocol.errors import BadSignature, MalformedMessage, OutcomeUnknown
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.errors import read_error
from django_wxpay.protocol.v3.keys import PublicKey
from django_wxpay.protocol.v3.signing import (
    SignatureHeaders,
    is_fresh,
    is_signed_by,
    read_signature_headers,
)

_ACCEPTED: Final = 202
_MAY_BE_EMPTY: Final = frozenset({_ACCEPTED, 204})
_TOO_MANY_REQUESTS: Final = 429
_SHOWN_SERIAL: Final = 64


def read_signature(answer: HttpResponse, *, now: datetime) -> SignatureHeaders:
    """Return who says to have signed a 2xx; whether it is true is for ``check_signed``.

    Raises ``Refused`` for a no, ``MalformedMessage`` for what is not WeChat Pay's at all,
    ``Probed`` for a probe and ``BadSignature`` for a 2xx that is not signed or not of ``now``.
    """
    if answer.status >= 400:
        _refuse(answer)
    if answer.body or answer.status not in _MAY_BE_EMPTY:
        read_object(answer.body)
    signature = read_signature_headers(answer.headers)
    if signature is None:
        raise BadSignature("the answer is not signed")
    if not is_fresh(signature.timestamp, int(now.timestamp())):
        raise BadSignature("the answer was not signed within five minutes of our clock")
    if signature.is_probe:
        raise Probed("the answer's signature is a probe")
    return signature


def check_signed(answer: HttpResponse, signature: SignatureHeaders, key: PublicKey | None) -> None:
    """Raise ``BadSignature`` unless ``key`` signed ``answer``, ``OutcomeUnknown`` for a 202.

    ``key`` is the one that the signature names, None if we have no such key.
    """
    if key is None:
        serial = signature.serial[:_SHOWN_SERIAL]
        raise BadSignature(f"the answer is signed with a key we do not have: {serial}")
    if not is_signed_by(signature, answer.body, public_key=key):
        raise BadSignature("the answer's signature is wrong")
    if answer.status == _ACCEPTED:
        raise OutcomeUnknown("WeChat Pay has taken the request and not decided it yet; query it")


def _refuse(answer: HttpResponse) -> None:
    error = read_error(answer.status, answer.body)
    if not error.code and answer.status != _TOO_MANY_REQUESTS:
        raise MalformedMessage("an error without a code is not WeChat Pay's")
    raise error.refusal()
