"""The one signature of APIv3, WECHATPAY2-SHA256-RSA2048 (protocol-v3 section 2).

RSASSA-PKCS1-v1_5 over SHA-256, in base64 on one line. The same text signs alike every time.
"""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.v3.keys import PrivateKey, PublicKey, load_private_key, load_public_key


def sign(message: str | bytes, private_key: PrivateKey) -> str:
    """Return the base64 signature of ``message`` under ``private_key``, a PEM or a key.

    Text is signed as UTF-8. Raises ``ConfigurationError`` for what is no RSA private key.
    """
    signature = load_private_key(private_key).sign(_octets(message), PKCS1v15(), SHA256())
    return base64.b64encode(signature).decode()


def verify(message: str | bytes, signature: str | bytes, public_key: PublicKey) -> bool:
    """Say whether ``signature`` is that of ``message`` under the key ``public_key`` belongs to.

    ``public_key`` is a key, its PEM, or the PEM of a certificate. Never raises: what is no
    base64, a probe (``WECHATPAY/SIGNTEST/``) and an unreadable key are all False (section 2.3).
    """
    try:
        raw = base64.b64decode(signature, validate=True)
        load_public_key(public_key).verify(raw, _octets(message), PKCS1v15(), SHA256())
    except (InvalidSignature, ConfigurationError, ValueError, TypeError):
        return False
    return True


def lines(*parts: str | bytes) -> bytes:
    """Return ``parts`` as what is signed: one line each, the last ended by a line feed too."""
    return b"".join(_octets(part) + b"\n" for part in parts)


def _octets(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
