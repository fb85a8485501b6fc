"""Redaction of stored messages: the fields on this list are shown, all others masked.

The list is of what is safe, not of what is secret, so that a field that WeChat Pay adds is
masked until it has been judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.json_bounds import has_too_many_values
from django_wxpay.protocol.secrets import MASK
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

_SHOWN: Final = frozenset(
    # v2: codes, states, numbers and money
    "return_code return_msg result_code err_code err_code_des error_code result_msg "
    "appid sub_appid mch_id sub_mch_id sign_type version device_info out_trade_no transaction_id "
    "out_refund_no refund_id trade_type trade_state trade_state_desc fee_type total_fee "
    "settlement_total_fee cash_fee cash_fee_type coupon_fee coupon_count refund_fee "
    "refund_fee_type settlement_refund_fee cash_refund_fee refund_status refund_count "
    "total_refund_count success_time time_start time_expire time_end rate rate_value notify_url "
    "is_subscribe sub_is_subscribe limit_pay receipt profit_sharing interface_url execute_time_ "
    "time recall bill_date bill_type tar_type "
    # v3: the same things under their names there
    "id event_type resource_type create_time summary algorithm original_type code message mchid "
    "sp_appid sp_mchid sub_mchid amount total currency payer_total payer_currency".split()
)
# Enough to recognise, too little to use.
_HINTED: Final = frozenset("openid sub_openid sp_openid prepay_id".split())
_SHOWN_NUMBERED: Final = re.compile("(coupon_fee|coupon_type|refund_fee|refund_status)_[0-9]+")
_HINT_LENGTH: Final = 4


def redact(fields: Mapping[str, str]) -> dict[str, str]:
    """Return ``fields`` with everything masked that is not known to be safe."""
    return {name: _shown(name, value) for name, value in fields.items()}


def redact_text(body: bytes | str) -> str:
    """Return a stored body for a person's eyes, masked; never raises.

    XML stays XML and JSON stays JSON; of anything else, and of JSON that no reader of ours takes,
    only the size is shown.
    """
    raw = body.encode(errors="replace") if isinstance(body, str) else body
    for root in ("xml", "root"):
        try:
            return encode_xml(redact(decode_xml(raw, root=root)), root=root).decode()
        except MalformedMessage:
            continue
    size = f"({len(raw)} bytes, neither XML nor JSON)"
    if has_too_many_values(raw):
        return size
    try:
        content = json.loads(raw)
        shown = json.dumps(_redacted("", content), ensure_ascii=False, indent=1)
        # An escaped half of a surrogate pair is JSON, but nothing that can be written out.
        return shown.encode(errors="replace").decode()
    except (ValueError, RecursionError):
        return size


def _shown(name: str, value: str) -> str:
    if not value or name in _SHOWN or _SHOWN_NUMBERED.fullmatch(name):
        return value
    if name in _HINTED and len(value) > 2 * _HINT_LENGTH:
        return value[:_HINT_LENGTH] + MASK
    return MASK


def _redacted(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redacted(key, held) for key, held in value.items()}
    if isinstance(value, list):
        return [_redacted(name, held) for held in value]
    if isinstance(value, str):
        return _shown(name, value)
    return value if value is None or name in _SHOWN else MASK
