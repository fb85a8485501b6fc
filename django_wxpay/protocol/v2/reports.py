"""Latency reports to payitil/report, and their answers (protocol-v2 section 8).

Every measured call becomes a report that the interface takes: a missing code is FAIL, text is
cut to its width in bytes of UTF-8, and what XML cannot hold is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Final

from django_wxpay.protocol.merchants import Merchant, Mode, SignType
from django_wxpay.protocol.rules import WRITABLE
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.times import to_t14
from django_wxpay.protocol.v2.replies import read_envelope
from django_wxpay.protocol.v2.signing import sign
from django_wxpay.protocol.v2.xml import decode_xml

REPORT_PATH: Final = "/payitil/report"

# Not a call: the interface under which a whole Quick Pay sale is reported
# (protocol-v2 section 8.4).
WHOLE_SALE_PATH: Final = "/pay/micropay/total"

# Where our own address is not known, or is one that String(16) has no room for.
NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - written into a report, never listened on

# The widths of the sheet's free texts; the other fields have their form already.
_WIDTHS: Final = {
    "device_info": 32,
    "interface_url": 128,
    "return_msg": 128,
    "err_code": 32,
    "err_code_des": 128,
    "out_trade_no": 32,
}
_UNWRITABLE: Final = re.compile(f"[^{WRITABLE[1:-1]}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """The fields that every form of report has: the merchant, the interface and our address."""

    appid: str
    mch_id: str
    interface_url: str
    sub_appid: str = ""
    sub_mch_id: str = ""
    device_info: str = ""
    user_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCall(Reporter):
    """One call that is over, as it was recorded; ``failure`` is our word for what went wrong."""

    execute_time_ms: int
    out_trade_no: str = ""
    return_code: str = ""
    return_msg: str = ""
    result_code: str = ""
    err_code: str = ""
    err_code_des: str = ""
    failure: str = ""


def report_fields(
    call: MeasuredCall,
    *,
    mode: Mode,
    sign_type: SignType,
    key: Secret,
    nonce: str,
    now: datetime,
) -> dict[str, str]:
    """Return the signed fields of a report on ``call``, sent at ``now`` (protocol-v2 section 8.1).

    ``execute_time_`` is in milliseconds and never negative. ``sign_type`` is named only
    where it is not MD5, as the sheet has it.
    """
    fields = identity(call, mode) | _codes(call) | _texts(call)
    fields |= {
        "execute_time_": str(max(0, call.execute_time_ms)),
        "user_ip": report_ip(call.user_ip),
        "time": to_t14(now),
    }
    return signed(fields, sign_type=sign_type, key=key, nonce=nonce)


def identity(reporter: Reporter, mode: Mode) -> dict[str, str]:
    """Return the identity of the reporter; only an institution names its sub-merchant."""
    own = {"appid": reporter.appid, "mch_id": reporter.mch_id}
    if mode is Mode.COMMON:
        return own
    return own | {"sub_appid": reporter.sub_appid, "sub_mch_id": reporter.sub_mch_id}


def signed(
    report: Mapping[str, str], *, sign_type: SignType, key: Secret, nonce: str
) -> dict[str, str]:
    """Return the fields of ``report`` as they are sent, without the empty ones."""
    whole = {
        **report,
        "nonce_str": nonce,
        "sign_type": "" if sign_type is SignType.MD5 else sign_type.value,
    }
    fields = {name: text for name, text in whole.items() if text}
    return fields | {"sign": sign(fields, key, sign_type)}


def cut(text: str, width: int) -> str:
    """Return as much of ``text`` as XML can hold and ``width`` bytes of UTF-8 have room for."""
    return writable(text).encode()[:width].decode(errors="ignore")


def writable(text: str) -> str:
    """Return ``text`` without what XML cannot hold."""
    return _UNWRITABLE.sub("", text)


def report_ip(address: str) -> str:
    """Return ``address`` as ``user_ip`` takes it: IPv4, for the field has 16 characters.

    An IPv4 address mapped to IPv6 (``::ffff:192.0.2.1``) is mapped back; any other IPv6
    address, and none at all, is 0.0.0.0.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return NO_ADDRESS
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or NO_ADDRESS)
    return str(found)


def read_report_answer(body: bytes, merchant: Merchant) -> None:
    """Return if the report was taken; its answer is not signed (protocol-v2 section 8.3).

    Raises ``MalformedMessage`` for what is no document, ``Refused`` for a no, ``BadAnswer``
    for a document that says neither.
    """
    read_envelope(
        decode_xml(body),
        merchant=merchant,
        sign_type=merchant.sign_type,
        appid=merchant.appid,
        signed=False,
    )


def _codes(call: MeasuredCall) -> dict[str, str]:
    came_back = call.return_code == "SUCCESS"
    went_well = came_back and call.result_code == "SUCCESS"
    return {
        "return_code": "SUCCESS" if came_back else "FAIL",
        "result_code": "SUCCESS" if went_well else "FAIL",
    }


def _texts(call: MeasuredCall) -> dict[str, str]:
    texts = {name: getattr(call, name) for name in _WIDTHS}
    texts["return_msg"] = call.return_msg or call.failure
    return {name: cut(texts[name], width) for name, width in _WIDTHS.items()}
