"""What a v3 order says in v2's words, and what makes it the same order again.

The gateway keeps one ledger for both protocols, in the vocabulary of v2 (protocol-v3
sections 3.2 and 4.2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django_wxpay.protocol.times import parse_rfc3339, to_t14

# v3's name -> v2's, for what is text on both sides.
_TEXTS: Final = {
    "appid": "appid",
    "sp_appid": "appid",
    "mchid": "mch_id",
    "sp_mchid": "mch_id",
    "sub_appid": "sub_appid",
    "sub_mchid": "sub_mch_id",
    "description": "body",
    "out_trade_no": "out_trade_no",
    "attach": "attach",
    "notify_url": "notify_url",
    "goods_tag": "goods_tag",
}
_PAYER: Final = {"openid": "openid", "sp_openid": "openid", "sub_openid": "sub_openid"}
_SCENE: Final = {"device_id": "device_info", "payer_client_ip": "spbill_create_ip"}
_TIMES: Final = ("time_start", "time_expire")
_JSON: Final = ("detail", "scene_info")

# Not part of "the same parameters": where and when the customer stands (protocol-v3 section 7.3).
_CIRCUMSTANCES: Final = frozenset({"payer_client_ip", "device_id", "device_ip", "operator_id"})


def terms_of(body: Mapping[str, Any], *, trade_type: str) -> dict[str, str]:
    """Return the order in a checked ``body`` as the wire fields of a v2 unifiedorder."""
    limit_pay = body.get("limit_pay", "")
    amount = body["amount"]
    terms = {
        **{name: body[said] for said, name in _TEXTS.items() if said in body},
        **_renamed(body.get("payer", {}), _PAYER),
        **_renamed(body.get("scene_info", {}), _SCENE),
        **{name: _t14(body[name]) for name in _TIMES if name in body},
        **{name: _compact(body[name]) for name in _JSON if name in body},
        "limit_pay": limit_pay if isinstance(limit_pay, str) else ",".join(limit_pay),
        "total_fee": str(amount["total"]),
        "fee_type": amount.get("currency", "CNY"),
        "trade_type": trade_type,
    }
    return {name: text for name, text in terms.items() if text}


def differences(first: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    """Return the members in which ``again`` is not the same order as ``first``."""
    one, other = _compared(first), _compared(again)
    return [name for name in one | other if one.get(name) != other.get(name)]


def _compared(body: Mapping[str, Any]) -> dict[str, Any]:
    scene = body.get("scene_info", {})
    kept = {name: value for name, value in body.items() if name != "time_start"}
    return kept | {
        "amount": {"currency": "CNY", **body["amount"]},
        "scene_info": {name: scene[name] for name in scene if name not in _CIRCUMSTANCES},
    }


def _renamed(holder: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: holder[said] for said, name in names.items() if said in holder}


def _t14(text: str) -> str:
    return to_t14(parse_rfc3339(text))


def _compact(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
