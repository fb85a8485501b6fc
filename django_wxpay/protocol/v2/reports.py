"""What payitil/report is told of one call, and what its answer means (protocol-v2 section 8).

Whatever a call left behind becomes a report that the sheet allows: what was not said is
FAIL, what is too long is cut to the sheet's width, counted in bytes of UTF-8 and never
through a character, and what XML cannot hold is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Final

from django_wxpay.protocol.fields import WRITABLE
from django_wxpay.protocol.merchants import Merchant, Mode, SignType
from django_wxpay.protocol.times import to_t14
from django_wxpay.protocol.v2.replies import read_envelope
from django_wxpay.protocol.v2.signing import sign
from django_wxpay.protocol.v2.xml import decode_xml

REPORT_PATH: Final = "/payitil/report"

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
class MeasuredCall:
    """One call that is over, as it was written down; ``failure`` is our word for its trouble."""

    appid: str
    mch_id: str
    interface_url: str
    execute_time_ms: int
    sub_appid: str = ""
    sub_mch_id: str = ""
    device_info: str = ""
    out_trade_no: str = ""
    return_code: str = ""
    return_msg: str = ""
    result_code: str = ""
    err_code: str = ""
    err_code_des: str = ""
    failure: str = ""
    user_ip: str = ""


def report_fields(
    call: MeasuredCall,
    *,
    mode: Mode,
    sign_type: SignType,
    key: str,
    nonce: str,
    now: datetime,
) -> dict[str, str]:
    """Return the signed fields of a report on ``call``, sent at ``now`` (section 8.1).

    ``execute_time_`` is in milliseconds and never negative. ``sign_type`` is named only
    where it is not MD5, as the sheet has it.
    """
    told = _identity(call, mode) | _codes(call) | _texts(call)
    told |= {
        "nonce_str": nonce,
        "execute_time_": str(max(0, call.execute_time_ms)),
        "user_ip": report_ip(call.user_ip),
        "time": to_t14(now),
        "sign_type": "" if sign_type is SignType.MD5 else sign_type.value,
    }
    fields = {name: text for name, text in told.items() if text}
    return fields | {"sign": sign(fields, key, sign_type)}


def report_ip(address: str) -> str:
    """Return ``address`` as ``user_ip`` takes it: IPv4, for the field has 16 characters.

    An IPv4 address in IPv6 clothes (``::ffff:192.0.2.1``) is undressed; any other IPv6
    address, and none at all, is told as 0.0.0.0.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return NO_ADDRESS
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or NO_ADDRESS)
    return str(found)


def read_report_answer(body: bytes, merchant: Merchant) -> None:
    """Return if the report was taken down; no answer of this interface is signed (section 8.3).

    Raises ``MalformedMessage`` for what is no document, ``Refused`` for a no, ``BadAnswer``
    for a document that says neither.
    """
    decode_xml(body)
    read_envelope(
        body,
        merchant=merchant,
        sign_type=merchant.sign_type,
        appid=merchant.appid,
        signed=False,
    )


def _identity(call: MeasuredCall, mode: Mode) -> dict[str, str]:
    own = {"appid": call.appid, "mch_id": call.mch_id}
    if mode is Mode.COMMON:
        return own
    return own | {"sub_appid": call.sub_appid, "sub_mch_id": call.sub_mch_id}


def _codes(call: MeasuredCall) -> dict[str, str]:
    came_back = call.return_code == "SUCCESS"
    went_well = came_back and call.result_code == "SUCCESS"
    return {
        "return_code": "SUCCESS" if came_back else "FAIL",
        "result_code": "SUCCESS" if went_well else "FAIL",
    }


def _texts(call: MeasuredCall) -> dict[str, str]:
    said = {name: getattr(call, name) for name in _WIDTHS}
    said["return_msg"] = call.return_msg or call.failure
    return {name: _cut(said[name], width) for name, width in _WIDTHS.items()}


def _cut(text: str, width: int) -> str:
    return _UNWRITABLE.sub("", text).encode()[:width].decode(errors="ignore")
