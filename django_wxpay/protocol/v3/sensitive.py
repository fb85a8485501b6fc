"""How a person's data is sealed inside a body: RSAES-OAEP with SHA-1 (protocol-v3 section 9).

SHA-1 is the protocol's choice, as OAEP's mask and label, where its collisions do no harm.
What we send is sealed with the key named in ``Wechatpay-Serial``; what comes back is sealed
with our own certificate's.
"""

from __future__ import annotations

import base64
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.v3.keys import PrivateKey, PublicKey, load_private_key, load_public_key

_PADDING: Final = OAEP(mgf=MGF1(algorithm=SHA1()), algorithm=SHA1(), label=None)  # noqa: S303


def encrypt_field(text: str, *, public_key: PublicKey) -> str:
    """Return ``text`` sealed for the owner of ``public_key``, in base64; never alike twice.

    Raises ``ValueError`` for a text of more than 214 bytes under a key of 2048 bits.
    """
    return base64.b64encode(load_public_key(public_key).encrypt(text.encode(), _PADDING)).decode()


def decrypt_field(sealed: str, *, private_key: PrivateKey) -> str:
    """Return the text in ``sealed``; ``MalformedMessage`` if ``private_key`` does not open it."""
    key = load_private_key(private_key)
    try:
        return key.decrypt(base64.b64decode(sealed, validate=True), _PADDING).decode()
    except ValueError:
        raise MalformedMessage("a sealed text that this key does not open") from None
