"""Encryption of ``req_info``, the content of a refund notice (protocol-v2 section 7.4).

AES-256 in ECB mode without a MAC is the protocol's choice. It proves nothing: whoever has seen
one notice can reorder its blocks, so what is read here has to be confirmed by a query.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

_ROOT = "root"


def encrypt_req_info(fields: Mapping[str, str | int | None], key: str | Secret) -> str:
    """Return ``fields`` as the base64 text of a refund notice's ``req_info``."""
    key = Secret.of(key)
    return seal(encode_xml(fields, root=_ROOT), key)


def decrypt_req_info(req_info: str, key: str | Secret) -> dict[str, str]:
    """Return the fields inside ``req_info``; ``MalformedMessage`` if ``key`` does not open it."""
    key = Secret.of(key)
    return decode_xml(unseal(req_info, key), root=_ROOT)


def seal(document: bytes, key: str | Secret) -> str:
    """Return ``document`` encrypted under the merchant's API key, as base64 text."""
    key = Secret.of(key)
    padder = PKCS7(algorithms.AES.block_size).padder()
    encryptor = _cipher(key).encryptor()
    padded = padder.update(document) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def unseal(text: str, key: str | Secret) -> bytes:
    """Return the document inside base64 ``text``; ``MalformedMessage`` if there is none."""
    key = Secret.of(key)
    unpadder = PKCS7(algorithms.AES.block_size).unpadder()
    decryptor = _cipher(key).decryptor()
    try:
        sealed = base64.b64decode("".join(text.split()), validate=True)
        padded = decryptor.update(sealed) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        # One sentence for every way to fail: the failed step would be a padding oracle.
        raise MalformedMessage("req_info does not open with this merchant's API key") from error


def _cipher(key: Secret) -> Cipher[modes.ECB]:
    # The AES key is the 32 lower-case hexadecimal characters themselves, not the 16 bytes.
    return Cipher(
        algorithms.AES(
            hashlib.md5(key.octets(), usedforsecurity=False).hexdigest().encode(),
        ),
        modes.ECB(),  # noqa: S305 - the protocol's own mode
    )
