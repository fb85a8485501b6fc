"""The two encryptions of APIv3: AES-256-GCM for resources, RSAES-OAEP for personal data.

Callbacks and certificates are sealed under the APIv3 key (protocol-v3 sections 2.6 and 6.1). A
person's data inside a body is sealed for its reader (protocol-v3 section 9): what we send with
the key named in ``Wechatpay-Serial``, what comes back with our own certificate's.
"""

from __future__ import annotations

import base64
from binascii import a2b_base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1

from django_wxpay.protocol.errors import ConfigurationError, MalformedMessage, NotAuthentic
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.keys import PrivateKey, PublicKey, load_private_key, load_public_key

ALGORITHM: Final = "AEAD_AES_256_GCM"

_KEY_LENGTH: Final = 32
_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16
# As many as of the keys of merchants (v3.keys), each of which has one.
_KEPT: Final = 8192


class TagMismatch(NotAuthentic):
    """A seal that our APIv3 key does not open.

    In a message whose signature is good it means that the key is wrong, or has just been
    changed: our own fault, to be answered 5xx so that it is sent again (protocol-v3
    section 6.1).
    """


def decrypt_resource(
    resource: Mapping[str, Any], api_v3_key: str | bytes | Secret
) -> dict[str, Any]:
    """Return the JSON object sealed in a callback's ``resource``.

    Raises ``MalformedMessage`` for what is no such seal, another algorithm among them, or
    holds no JSON object; ``TagMismatch``, a ``NotAuthentic``, if the key does not open it;
    ``ConfigurationError`` for a key that is not 32 bytes.
    """
    api_v3_key = Secret.of(api_v3_key)
    if not isinstance(resource, Mapping):
        raise MalformedMessage("the resource is not an object")
    return read_object(unseal(resource, api_v3_key))


def unseal(resource: Mapping[str, Any], api_v3_key: str | bytes | Secret) -> bytes:
    """Return the octets sealed in the object ``resource``; raises what ``decrypt_resource`` does.

    It asks nothing of what is in them.
    """
    api_v3_key = Secret.of(api_v3_key)
    cipher = _cipher(api_v3_key)
    if resource.get("algorithm") != ALGORITHM:
        raise MalformedMessage(f"the resource's algorithm is not {ALGORITHM}")
    nonce = _octets(resource, "nonce")
    if len(nonce) != _NONCE_LENGTH:
        raise MalformedMessage(f"the resource's nonce is not {_NONCE_LENGTH} bytes long")
    try:
        return cipher.decrypt(nonce, _ciphertext(resource), _octets(resource, "associated_data"))
    except InvalidTag:
        raise TagMismatch("the APIv3 key does not open the resource") from None


def encrypt_resource(
    plaintext: bytes,
    *,
    api_v3_key: str | bytes | Secret,
    nonce: str,
    associated_data: str,
    original_type: str,
) -> dict[str, str]:
    """Return the ``resource`` in which WeChat Pay's side seals ``plaintext``.

    ``nonce`` is 12 characters of ASCII, never used before under this key. Raises
    ``ValueError`` for another, ``ConfigurationError`` for a key that is not 32 bytes.
    """
    api_v3_key = Secret.of(api_v3_key)
    if len(nonce.encode()) != _NONCE_LENGTH:
        raise ValueError(f"a nonce is {_NONCE_LENGTH} bytes long")
    sealed = _cipher(api_v3_key).encrypt(nonce.encode(), plaintext, associated_data.encode())
    return {
        "original_type": original_type,
        "algorithm": ALGORITHM,
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": associated_data,
        "nonce": nonce,
    }


@lru_cache(maxsize=_KEPT)
def _cipher(api_v3_key: Secret) -> AESGCM:
    if len(api_v3_key.octets()) != _KEY_LENGTH:
        raise ConfigurationError(f"API_V3_KEY is not {_KEY_LENGTH} bytes long")
    return AESGCM(api_v3_key.octets())


def _octets(resource: Mapping[str, Any], name: str) -> bytes:
    value = resource.get(name)
    if value is None:
        return b""
    try:
        return str.encode(value)
    except (TypeError, ValueError):
        raise MalformedMessage(f"the resource's {name} is not text") from None


def _ciphertext(resource: Mapping[str, Any]) -> bytes:
    try:
        sealed = a2b_base64(_octets(resource, "ciphertext"), strict_mode=True)
    except ValueError:
        raise MalformedMessage("the resource's ciphertext is not base64") from None
    # The tag stands at its end, and covers associated_data too (protocol-v3 section 6.1).
    if len(sealed) < _TAG_LENGTH:
        raise MalformedMessage("the resource's ciphertext is too short")
    return sealed


class SealedText(str):  # noqa: SLOT000 - a str cannot have slots that hold anything
    """A text sealed for WeChat Pay, in base64; ``serial`` names the key that opens it.

    The request that carries it has to name the same key, whatever has become the newest since.
    """

    serial: str

    def __new__(cls, sealed: str, serial: str = "") -> Self:
        text = super().__new__(cls, sealed)
        text.serial = serial
        return text


# SHA-1 is the protocol's choice; as OAEP's mask and label its collisions do no harm.
_PADDING: Final = OAEP(mgf=MGF1(algorithm=SHA1()), algorithm=SHA1(), label=None)  # noqa: S303


def encrypt_field(text: str | Secret, *, public_key: PublicKey) -> str:
    """Return ``text`` sealed for the owner of ``public_key``, in base64; never alike twice.

    Raises ``ValueError`` for a text of more than 214 bytes under a key of 2048 bits.
    """
    text = Secret.of(text)
    key = load_public_key(public_key)
    return base64.b64encode(key.encrypt(text.octets(), _PADDING)).decode()


def decrypt_field(sealed: str, *, private_key: PrivateKey) -> str:
    """Return the text in ``sealed``; ``MalformedMessage`` if ``private_key`` does not open it."""
    private_key = load_private_key(private_key)
    try:
        return private_key.decrypt(base64.b64decode(sealed, validate=True), _PADDING).decode()
    except ValueError:
        raise MalformedMessage("a sealed text that this key does not open") from None
