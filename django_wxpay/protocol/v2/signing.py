"""Signatures of v2 and their verification (protocol-v2 section 2).

A signature covers every field received, known to us or not, except ``sign`` and the empty
ones. So messages are verified as they came, and only then mapped to types.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v2.xml import plain_text

_HMAC_LENGTH = 64
_KEY_FIELD = b"&key="
_SHA256 = SHA256()
_MD5 = SignType.MD5
_HMAC_SHA256 = SignType.HMAC_SHA256
_SIGN_TYPES = (_MD5, _HMAC_SHA256)


def sign(
    params: Mapping[str, str | int | None], key: str | Secret, sign_type: str = SignType.MD5
) -> str:
    """Return the upper-case hexadecimal signature of ``params`` under the merchant's API key.

    ``sign`` itself and empty values are left out, 0 is signed (protocol-v2 section 2.1).
    Raises ``TypeError`` for values that are neither text nor whole numbers, ``ValueError``
    for an unknown ``sign_type`` or an empty key.
    """
    key = Secret.of(key)
    # To make a member of it would take as long as the digest does.
    if sign_type not in _SIGN_TYPES:
        raise ValueError(f"{sign_type!r} is no algorithm of a signature")
    if not key.octets():
        raise ValueError("the API key is empty")
    # The key is in the text that is signed, so that only arguments of C ever hold that text: the
    # standard library's hmac is written in Python.
    fields = _joined(params).encode()
    if sign_type == _HMAC_SHA256:
        mac = HMAC(key.octets(), _SHA256)
        mac.update(_KEY_FIELD.join((fields, key.octets())))
        return mac.finalize().hex().upper()
    # MD5 is the protocol's own choice, and the appended key is what it rests on.
    return (
        hashlib.md5(_KEY_FIELD.join((fields, key.octets())), usedforsecurity=False)
        .hexdigest()
        .upper()
    )


def verify(
    params: Mapping[str, str | int | None], key: str | Secret, sign_type: str | None = None
) -> bool:
    """Return whether ``params`` carry the signature that ``key`` gives them, in constant time.

    Without ``sign_type`` the message's own counts, and where it has none, the length of its
    ``sign`` (64 is HMAC-SHA256). Whatever is odd about the input is False, never an
    exception.
    """
    key = Secret.of(key)
    given = params.get("sign")
    if not isinstance(given, str) or not given.isascii():
        return False
    try:
        expected = sign(params, key, sign_type or _own_sign_type(params, given))
    except (TypeError, ValueError):
        return False
    return hmac.compare_digest(expected, given)


def _joined(params: Mapping[str, str | int | None]) -> str:
    pieces = []
    for name in sorted(params):
        if name == "sign":
            continue
        value = params[name]
        # All of a document's and nearly all of a request's are plain text already.
        text = value if type(value) is str else plain_text(value)
        if text:
            pieces.append(f"{name}={text}")
    return "&".join(pieces)


def _own_sign_type(params: Mapping[str, str | int | None], given: str) -> str:
    own = params.get("sign_type")
    if own:
        return str(own)
    return _HMAC_SHA256 if len(given) == _HMAC_LENGTH else _MD5
