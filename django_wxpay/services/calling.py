"""Calls to any endpoint of WeChat Pay: products that this package does not know, of v2 and v3.

There is no such door in the REST API or the admin: whoever may call anything may move money.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.encryption import SealedText
from django_wxpay.services import gateways
from django_wxpay.services.transactions import require_no_transaction


def call(
    merchant: str,
    method: str,
    path: str,
    *,
    params: Mapping[str, str | int | None] | None = None,
    json: Mapping[str, Any] | None = None,
    idempotent: bool | None = None,
    serial: str = "",
) -> dict[str, Any] | bytes:
    """Call an endpoint of APIv3 and return the object of its verified answer. Network.

    ``path`` is a template: ``{name}`` is filled from ``params``, the others of which are the
    query, and calls are counted by the template. ``json`` is the body. An empty answer is {};
    octets are returned where what WeChat Pay signed is no JSON that every parser reads alike. Sent
    once unless ``idempotent``, which None says of a GET alone: then again, to the next host or
    one that is busy. Texts of ``encrypt_sensitive`` name their key; ``serial`` names it for
    others. Raises ``InvalidParameter`` naming the argument, ``UnknownMerchant``, ``Refused``,
    ``OutcomeUnknown``, ``BadSignature`` and ``InsideTransaction``. Source: protocol-v3 section 2.
    """
    require_no_transaction("call")
    return gateways.v3_gateway(merchant).call(
        method,
        path,
        params=params,
        json=json,
        is_repeatable=_flag("idempotent", idempotent),
        serial=serial,
    )


def call_v2(
    merchant: str,
    path: str,
    fields: Mapping[str, str],
    *,
    client_cert: bool = False,
    idempotent: bool = False,
    sign_type: str | None = None,
    signed_answer: bool = True,
) -> dict[str, str]:
    """Call an interface of v2 and return the fields of its verified answer. Network.

    ``fields`` are texts, without ``sign``, ``sign_type`` and ``nonce_str``; the merchant's
    ``mch_id`` and ``appid`` are added unless they name their own, as ``mchid`` and ``mch_appid``
    do. ``sign_type`` is for interfaces that take one only, and ``signed_answer=False`` for those
    whose answers carry no signature. Raises what ``call`` raises; a ``result_code`` of FAIL is
    ``Refused``. Source: protocol-v2 section 2.
    """
    require_no_transaction("call_v2")
    return gateways.v2_gateway(merchant).call(
        path,
        fields,
        client_cert=bool(_flag("client_cert", client_cert)),
        is_repeatable=bool(_flag("idempotent", idempotent)),
        sign_type=sign_type,
        is_signed=_flag("signed_answer", signed_answer) is not False,
    )


def upload(merchant: str, path: str, *, filename: str, content: bytes) -> dict[str, Any] | bytes:
    """Upload a file over APIv3, for instance to ``/v3/merchant/media/upload``. Network.

    ``filename`` ends as its kind (.png); what is signed is that name and the SHA-256. Returns
    the answer, such as {"media_id": ...}. Raises what ``call`` raises. Source: protocol-v3
    section 13.1.
    """
    require_no_transaction("upload")
    return gateways.v3_gateway(merchant).upload(path, filename=filename, content=content)


def download(merchant: str, url: str, *, hash_type: str | None, hash_value: str | None) -> bytes:
    """Fetch a file of up to 64 MiB that a signed answer named, and check its digest. Network.

    ``url`` is on one of the merchant's HOSTS. ``hash_type`` (SHA1 or SHA256) and ``hash_value``
    are those of that answer: of the file, or of what is in a gzip file. None for both is for
    files without one, such as the pictures of a complaint, which nobody signs. Raises
    ``BadAnswer`` for another file, and what ``call`` raises. Source: protocol-v3 section 2.4.
    """
    require_no_transaction("download")
    return gateways.v3_gateway(merchant).download(url, hash_type=hash_type, hash_value=hash_value)


def encrypt_sensitive(merchant: str, text: str | Secret) -> SealedText:
    """Return a person's data encrypted for WeChat Pay, for ``call``; never alike twice.

    The text that is returned carries the name of its key in ``serial``, and ``call`` names that
    key in the request, so a key that is replaced in between does no harm. Keep ``serial`` beside
    a text that goes through a queue. Downloads a certificate where none is known yet. Raises
    ``InvalidParameter`` for more than the key can hold, and ``OutcomeUnknown`` without a key.
    Source: protocol-v3 section 9.
    """
    require_no_transaction("encrypt_sensitive")
    return gateways.v3_gateway(merchant).seal(text)


def decrypt_sensitive(merchant: str, text: str) -> str:
    """Return a person's data that WeChat Pay encrypted for this merchant; no network.

    Raises ``MalformedMessage`` for what the merchant's key does not open. Source: protocol-v3
    section 9.
    """
    return gateways.v3_gateway(merchant).unseal(text)


def _flag(name: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise InvalidParameter(name, "is neither True nor False")
