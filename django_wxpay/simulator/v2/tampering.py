"""Faults in one v2 message: in its fields, in its signature, in its bytes."""

from __future__ import annotations

import codecs
from typing import Final

from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v2 import encode_xml, sign

ANOTHER_KEY: Final = Secret("ANOTHER-KEYS-SIGNATURE-0000000000")
_DOCTYPE: Final = b'<!DOCTYPE xml [<!ENTITY who "attacker">]>'

_CHANGES: Final[dict[str, tuple[str, str]]] = {
    "wrong_mch_id": ("mch_id", "1900009999"),
    "wrong_appid": ("appid", "wx9999999999999999"),
    "extra_field": ("new_field_from_wechat", "x"),
}


def write(fields: dict[str, str], *, key: Secret, sign_type: SignType, fault: str = "") -> bytes:
    """Return ``fields`` as a signed document, spoiled in the way ``fault`` names."""
    changed = _changed(fields, fault)
    if fault != "unsigned":
        changed["sign"] = _sign(changed, key, sign_type, fault)
    return spoil(encode_xml(changed), fault)


def enclose(fields: dict[str, str], fault: str) -> bytes:
    """Return ``fields`` as an unsigned document, spoiled in the way ``fault`` names."""
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
    changed = dict(fields)
    if fault in _CHANGES:
        name, value = _CHANGES[fault]
        changed[name] = value
    elif fault == "wrong_amount" and "total_fee" in changed:
        changed["total_fee"] = str(int(changed["total_fee"]) + 1)
    elif fault == "wrong_currency" and "total_fee" in changed:
        changed["fee_type"] = "USD" if changed.get("fee_type") != "USD" else "EUR"
    return changed


def _sign(changed: dict[str, str], key: Secret, sign_type: SignType, fault: str) -> str:
    if fault == "bad_signature":
        return sign(changed, ANOTHER_KEY, sign_type)
    if fault == "hmac_answer":
        return sign(changed, key, _other(sign_type))
    return sign(changed, key, sign_type)


def _other(sign_type: SignType) -> SignType:
    return SignType.MD5 if sign_type is SignType.HMAC_SHA256 else SignType.HMAC_SHA256
