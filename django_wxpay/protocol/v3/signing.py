"""The signature of APIv3, and the headers that carry WeChat Pay's (protocol-v3 section 2).

It is WECHATPAY2-SHA256-RSA2048: RSASSA-PKCS1-v1_5 over SHA-256, in base64 on one line. Answers
and callbacks are signed over the time, the nonce and the body as received (protocol-v3 section
2.3). The key is the one that ``Wechatpay-Serial`` names, never found by trying all.
"""

from __future__ import annotations

import base64
import re
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.v3.keys import PrivateKey, PublicKey, load_private_key, load_public_key

# A message this old, or this far ahead, is refused (protocol-v3 section 2.3, rule 3).
WINDOW_S: Final = 300

SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"

PROBE: Final = "WECHATPAY/SIGNTEST/"

# As WeChat Pay writes their names, with what the absence of each means.
_HEADERS: Final = {
    "Wechatpay-Timestamp": "",
    "Wechatpay-Nonce": "",
    "Wechatpay-Serial": "",
    "Wechatpay-Signature": "",
    "Wechatpay-Signature-Type": SCHEME,
}
# Four values on lines of their own: none of them can hold what separates them.
_VALUES: Final = re.compile("[!-~]{1,1024}(?:\n[!-~]{1,1024}){3}")
_SECONDS: Final = re.compile("[0-9]{1,12}")


def sign(message: str | bytes, private_key: PrivateKey) -> str:
    """Return the base64 signature of ``message`` under ``private_key``, a PEM or a key.

    Text is signed as UTF-8. Raises ``ConfigurationError`` for what is no RSA private key.
    """
    private_key = load_private_key(private_key)
    signature = private_key.sign(_octets(message), PKCS1v15(), SHA256())
    return base64.b64encode(signature).decode()


def verify(message: str | bytes, signature: str | bytes, public_key: PublicKey) -> bool:
    """Return whether ``signature`` is that of ``message`` under the key ``public_key`` belongs to.

    ``public_key`` is a key, its PEM, or the PEM of a certificate. Never raises: what is no
    base64, a probe (``WECHATPAY/SIGNTEST/``) and an unreadable key are all False (protocol-v3
    section 2.3).
    """
    try:
        raw = a2b_base64(signature, strict_mode=True)
        load_public_key(public_key).verify(raw, _octets(message), PKCS1v15(), SHA256())
    except (InvalidSignature, ConfigurationError, ValueError, TypeError, AttributeError):
        return False
    return True


def lines(*parts: str | bytes) -> bytes:
    """Return ``parts`` as what is signed: one line each, the last ended by a line feed too."""
    return b"".join([_octets(part) + b"\n" for part in parts])


def _octets(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureHeaders:
    """The four headers of a signature. ``serial`` names the key: see ``key_name``."""

    timestamp: str
    nonce: str
    serial: str
    signature: str

    @property
    def is_probe(self) -> bool:
        """Whether WeChat Pay is testing that we do verify; the genuine message follows."""
        return self.signature.startswith(PROBE)


def read_signature_headers(headers: Mapping[str, str]) -> SignatureHeaders | None:
    """Return the ``Wechatpay-*`` headers of a signature, whatever the case of their names.

    None for a message that carries no signature we could check: a header is missing or no
    plain text, or the algorithm is not ours (SM2). No ``Wechatpay-Signature-Type`` means RSA.
    """
    try:
        # In Django's mapping and in requests' the case of a name makes no difference.
        values = [headers[name] for name in _HEADERS]
    except KeyError:
        known = {name.lower(): value for name, value in headers.items()}
        values = [known.get(name.lower(), absent) for name, absent in _HEADERS.items()]
    timestamp, nonce, serial, signature, algorithm = values
    if algorithm != SCHEME:
        return None
    if not _VALUES.fullmatch(f"{timestamp}\n{nonce}\n{serial}\n{signature}"):
        return None
    return SignatureHeaders(timestamp=timestamp, nonce=nonce, serial=serial, signature=signature)


def verify_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """Return what an answer or a callback signs; ``body`` as received, empty for a 204."""
    return b"%b\n%b\n%b\n" % (timestamp.encode(), nonce.encode(), body)


def is_signed_by(headers: SignatureHeaders, body: bytes, *, public_key: PublicKey) -> bool:
    """Return whether the signature in ``headers`` is that of ``body`` under ``public_key``.

    Never raises. Freshness is another question: ``is_fresh``.
    """
    message = verify_message(headers.timestamp, headers.nonce, body)
    return verify(message, headers.signature, public_key)


def is_fresh(timestamp: str, now: int) -> bool:
    """Return whether ``timestamp`` lies less than 300 s from ``now``, in seconds since 1970."""
    return bool(_SECONDS.fullmatch(timestamp)) and abs(now - int(timestamp)) < WINDOW_S


class SignatureFault(StrEnum):
    """A reason not to trust an answer or a notification; its text follows "the answer"."""

    UNSIGNED = "is not signed"
    STALE = "was not signed within five minutes of our clock"
    PROBE = "is signed with a probe"
    UNKNOWN_KEY = "is signed with a key we do not have"
    WRONG = "has a wrong signature"


def signature_fault(
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: int | None,
    key_of: Callable[[str], PublicKey | None],
) -> SignatureFault | None:
    """Return what is wrong with the signature of ``body``; None if WeChat Pay signed it.

    ``now`` is in seconds since 1970, None for a stored message of any age. ``key_of`` returns
    the key that a serial names, or None. Source: protocol-v3 section 2.3.
    """
    signature = read_signature_headers(headers)
    if signature is None:
        return SignatureFault.UNSIGNED
    if now is not None and not is_fresh(signature.timestamp, now):
        return SignatureFault.STALE
    # Before the key is looked for: a probe may name a key that nobody has, and a download for it
    # would be in vain.
    if signature.is_probe:
        return SignatureFault.PROBE
    key = key_of(signature.serial)
    if key is None:
        return SignatureFault.UNKNOWN_KEY
    return None if is_signed_by(signature, body, public_key=key) else SignatureFault.WRONG


def signed_headers(
    body: bytes, *, serial: str, private_key: PrivateKey, timestamp: int | str, nonce: str
) -> dict[str, str]:
    """Return the five headers with which WeChat Pay's side signs ``body``."""
    private_key = load_private_key(private_key)
    return {
        "Wechatpay-Timestamp": str(timestamp),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": sign(verify_message(str(timestamp), nonce, body), private_key),
        "Wechatpay-Signature-Type": SCHEME,
    }
