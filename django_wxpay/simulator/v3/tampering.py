"""Faults in one v3 message: in its members, in its octets, in its signature."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.documents import write_object
from django_wxpay.protocol.v3.signing import PROBE as PROBE_TEXT
from django_wxpay.protocol.v3.signing import signed_headers
from django_wxpay.simulator.faults.script import PROBE
from django_wxpay.simulator.state.identifiers import Identifiers
from django_wxpay.simulator.v3.demo_keys import TEST_MERCHANT_PRIVATE_KEY
from django_wxpay.simulator.v3.keychain import Signer

Content = dict[str, Any]

# The minutes by which a signature's time is off, in seconds: twice the window.
_SHIFTS: Final = {"stale_timestamp": -600, "future_timestamp": 600}
# The form of a serial that no certificate has.
_UNKNOWN_SERIAL: Final = "7F" * 20
_ANOTHER_KEY: Final = Secret(TEST_MERCHANT_PRIVATE_KEY)


def changed(content: Mapping[str, Any], fault: str) -> Content:
    """Return the content of an answer or resource after a fault that changes its members."""
    members = dict(content)
    change = _CHANGES.get(fault)
    if change is not None:
        change(members)
    return dict(reversed(members.items())) if fault == "shuffled_members" else members


def written(content: Content | None, fault: str) -> bytes:
    """Return the octets that are signed: ``content`` as JSON, or nothing where there is none."""
    body = b"" if content is None else write_object(content)
    return codecs.BOM_UTF8 + body if fault == "bom" else body


def signature_headers(
    body: bytes, *, signer: Signer, now: datetime, identifiers: Identifiers, fault: str
) -> dict[str, str]:
    """Return the ``Wechatpay-*`` headers of ``body``, spoiled in the way ``fault`` names."""
    if fault == "unsigned":
        return {}
    headers = signed_headers(
        body + b" " if fault == "other_body" else body,
        serial=_UNKNOWN_SERIAL if fault == "wrong_serial" else signer.serial,
        private_key=_ANOTHER_KEY if fault == "bad_signature" else signer.private_key,
        timestamp=int(now.timestamp()) + _SHIFTS.get(fault, 0),
        nonce=identifiers.nonce(),
    )
    if fault == PROBE:
        headers["Wechatpay-Signature"] = _probe(headers["Wechatpay-Signature"], identifiers)
    if fault == "no_signature_type":
        del headers["Wechatpay-Signature-Type"]
    return headers


def _probe(signature: str, identifiers: Identifiers) -> str:
    """Return the signature of a probe; every second one is not base64 (protocol-v3 section 2.3)."""
    probe = PROBE_TEXT + signature[len(PROBE_TEXT) :]
    return probe[: len(probe) - identifiers.bytes(1)[0] % 2]


def _replace(names: tuple[str, ...], value: str) -> Callable[[Content], None]:
    def change(members: Content) -> None:
        members.update({name: value for name in names if name in members})

    return change


def _grow(members: Content) -> None:
    members["new_member_from_wechat"] = {"x": 1}


def _raise_amount(members: Content) -> None:
    members["amount"] = members["amount"] | {"total": members["amount"]["total"] + 1}


def _change_currency(members: Content) -> None:
    other = "EUR" if members["amount"].get("currency") == "USD" else "USD"
    members["amount"] = members["amount"] | {"currency": other}


_CHANGES: Final[dict[str, Callable[[Content], None]]] = {
    "wrong_mch_id": _replace(("mchid", "sp_mchid"), "1900009999"),
    "wrong_appid": _replace(("appid", "sp_appid"), "wx9999999999999999"),
    "unknown_trade_state": _replace(("trade_state", "status"), "SOMETHING_NEW"),
    "extra_field": _grow,
    "extra_member": _grow,
    "wrong_amount": _raise_amount,
    "wrong_currency": _change_currency,
}
