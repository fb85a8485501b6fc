"""What the faults of one message do to it: before it is signed, while it is, and to its bytes."""

from __future__ import annotations

import codecs
from typing import Final

from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.v2 import encode_xml, sign

ANOTHER_KEY: Final = "ANOTHER-KEYS-SIGNATURE-0000000000"
_DOCTYPE: Final = b'<!DOCTYPE xml [<!ENTITY who "nobody">]>'

_CHANGES: Final[dict[str, tuple[str, str]]] = {
    "wrong_mch_id": ("mch_id", "1900009999"),
    "wrong_appid": ("appid", "wx9999999999999999"),
    "extra_field": ("new_field_from_wechat", "x"),
}


def write(fields: dict[str, str], *, key: str, sign_type: SignType, fault: str = "") -> bytes:
    """Return ``fields`` as a signed document, spoiled in the way ``fault`` names."""
    told = _changed(fields, fault)
    if fault != "unsigned":
        told["sign"] = _sign(told, key, sign_type, fault)
    return spoil(encode_xml(told), fault)


def enclose(fields: dict[str, str], fault: str) -> bytes:
    """Return ``fields`` as a document that nobody signs, spoiled in the way ``fault`` names."""
    return spoil(encode_xml(_changed(fields, fault)), fault)


def spoil(body: bytes, fault: str) -> bytes:
    """Return the bytes of a document after a fault that concerns them alone."""
    match fault:
        case "bom":
            return codecs.BOM_UTF8 + body
        case "doctype":
            return _DOCTYPE + body
        case "half_xml":
            return body[: len(body) // 2]
        case _:
            return body


def _changed(fields: dict[str, str], fault: str) -> dict[str, str]:
    told = dict(fields)
    if fault in _CHANGES:
        name, value = _CHANGES[fault]
        told[name] = value
    elif fault == "wrong_amount" and "total_fee" in told:
        told["total_fee"] = str(int(told["total_fee"]) + 1)
    elif fault == "wrong_currency" and "total_fee" in told:
        told["fee_type"] = "USD" if told.get("fee_type") != "USD" else "EUR"
    return told


def _sign(told: dict[str, str], key: str, sign_type: SignType, fault: str) -> str:
    if fault == "bad_signature":
        return sign(told, ANOTHER_KEY, sign_type)
    if fault == "hmac_answer":
        return sign(told, key, _other(sign_type))
    return sign(told, key, sign_type)


def _other(sign_type: SignType) -> SignType:
    return SignType.MD5 if sign_type is SignType.HMAC_SHA256 else SignType.HMAC_SHA256
