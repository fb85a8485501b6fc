"""JSON Schema documents of the bodies and queries that APIv3 accepts.

The documents are those of protocol-v3 sections 3.1, 3.2, 4.1 and 4.2, and wider than what the
package's own client sends: where the sources disagree, either reading is accepted. They are
closed; ``DOCUMENTED_UP_TO`` is the date of the newest source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jsonschema.protocols import Validator

from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.rules import IpAddress, Rule, Text
from django_wxpay.protocol.times import parse_rfc3339
from django_wxpay.protocol.v3.fields import (
    ATTACH,
    CURRENCY,
    DESCRIPTION,
    ID,
    MERCHANT_CATEGORY_CODE,
    NOTIFY_URL,
    NUMBER,
    OPENID,
    SHORT,
)
from django_wxpay.protocol.v3.json_fields import BASIC_DESCRIBED, BASIC_PLANE
from django_wxpay.simulator.v3.validation import BodyValidator, V3Problem, first_problem

Schema = dict[str, Any]
Members = dict[str, Schema]


@dataclass(frozen=True, slots=True)
class _Rfc3339:
    text: str = "a time of RFC 3339"

    def problem(self, value: str) -> str:
        try:
            parse_rfc3339(value)
        except ValueError:
            return "not a time of that form"
        return ""


def problems_of_create_body(
    body: Mapping[str, Any], *, region: Region, mode: Mode, trade_type: str
) -> V3Problem | None:
    """Return the first problem of the parsed body of an order, None if there is none.

    ``trade_type`` is the one of the endpoint. What only the gateway knows (whether the appid
    is bound, whether the number was used) is not checked.
    """
    problem = first_problem(_create_validator(region, mode, TradeType(trade_type)), body)
    if problem is None and "sub_openid" in body.get("payer", {}) and "sub_appid" not in body:
        return V3Problem(field="/sub_appid", issue="missing: sub_openid belongs to it")
    return problem


def problems_of_close_body(body: Mapping[str, Any], *, mode: Mode) -> V3Problem | None:
    """Return the first problem of the parsed body of a close, None if there is none."""
    return first_problem(_CLOSE[mode], body)


def problems_of_query(parameters: Mapping[str, str], *, mode: Mode) -> V3Problem | None:
    """Return the first problem of the parameters of a query, None if there is none."""
    problem = first_problem(_CLOSE[mode], parameters)
    if problem is None:
        return None
    name = problem.field.removeprefix("/") or next(iter(_MERCHANT[mode]))
    return V3Problem(field=name, issue=problem.issue, value=problem.value, location="query")


def _text(rule: Rule) -> Schema:
    return {"type": "string", "rule": rule}


def _short(longest: int) -> Schema:
    return _text(Text(max=longest, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED))


def _word(*words: str) -> Schema:
    return {"type": "string", "enum": words}


def _whole(least: int = 0) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": LARGEST}


def _list(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _object(required: Members, optional: Members | None = None, **more: Any) -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "required": list(required),
        **more,
        # The gateway refuses a member that it does not know (protocol-v3 section 1.4).
        "additionalProperties": False,
        "properties": required | (optional or {}),
    }


_BOOLEAN: Final = {"type": "boolean"}
_ADDRESS: Final = _text(IpAddress())
_TIME: Final = _text(_Rfc3339())
_SHORT: Final = _text(SHORT)
_ID: Final = _text(ID)
_OPENID: Final = _text(OPENID)

_MERCHANT: Final[dict[Mode, Members]] = {
    Mode.COMMON: {"mchid": _ID},
    Mode.INSTITUTIONAL: {"sp_mchid": _ID, "sub_mchid": _ID},
}
_CLOSE: Final = {mode: BodyValidator(_object(members)) for mode, members in _MERCHANT.items()}
_APPID: Final = {Mode.COMMON: {"appid": _ID}, Mode.INSTITUTIONAL: {"sp_appid": _ID}}
_SUB_APPID: Final[dict[Mode, Members]] = {
    Mode.COMMON: {},
    Mode.INSTITUTIONAL: {"sub_appid": _ID},
}
# Real-name payment: two texts, each encrypted for WeChat Pay (protocol-v3 section 9).
_SEALED: Final = _text(Text(max=1024, alphabet="[0-9A-Za-z+/=]", described="base64"))
_IDENTITY: Final[dict[Region, Members]] = {
    Region.MAINLAND: {
        "identity": _object(
            {
                "type": _word(
                    *("IDCARD", "HONGKONG_MACAO", "HONGKONG_MACAO_RESIDENT"),
                    *("TAIWAN_RESIDENT", "FOREIGN_RESIDENT", "OVERSEA_PASSPORT"),
                ),
                "number": _SEALED,
                "name": _SEALED,
            }
        )
    },
    Region.GLOBAL: {},
}
_PAYER: Final = {
    (region, mode): _object({"openid": _OPENID}, identity)
    if mode is Mode.COMMON
    else _object(
        {},
        {"sp_openid": _OPENID, "sub_openid": _OPENID, **identity},
        anyOf=[{"required": ["sp_openid"]}, {"required": ["sub_openid"]}],
    )
    for region, identity in _IDENTITY.items()
    for mode in Mode
}
_MAINLAND_LINE: Final = _object(
    {"merchant_goods_id": _ID, "quantity": _whole(1), "unit_price": _whole()},
    {"wechatpay_goods_id": _SHORT, "goods_name": _short(256)},
)
_GLOBAL_LINE: Final = _object(
    {"goods_id": _ID, "quantity": _whole(1), "price": _whole()},
    {"wxpay_goods_id": _SHORT, "goods_name": _short(256)},
)
_SUBSIDY_PLAN: Final = _object(
    {}, {"subsidy_installment_num": _whole(), "subsidy_percent": _whole()}
)
_SUBSIDY: Final = _object(
    {}, {"subsidy_period_type": _short(64), "subsidy_plan": _list(_SUBSIDY_PLAN)}
)
_STORE: Final = {"name": _short(256), "address": _short(512)}
_H5_INFO: Final = _object(
    {"type": _word("iOS", "Android", "Wap")},
    {
        "app_name": _short(64),
        "app_url": _short(128),
        "bundle_id": _short(128),
        "package_name": _short(128),
    },
)
_EXTRAS: Final[dict[Region, Members]] = {
    Region.MAINLAND: {
        "detail": _object(
            {},
            {
                "cost_price": _whole(),
                "invoice_id": _SHORT,
                "goods_detail": _list(_MAINLAND_LINE),
            },
        ),
        "limit_pay": _list(_word("no_balance", "no_credit", "no_debit", "balance_only")),
        "support_fapiao": _BOOLEAN,
        "settle_info": _object({}, {"profit_sharing": _BOOLEAN, "subsidy_amount": _whole()}),
        "subsidy_info": _object({}, {"subsidy_detail": _list(_SUBSIDY)}),
    },
    Region.GLOBAL: {
        "detail": _object(
            {},
            {"cost_price": _whole(), "receipt_id": _SHORT, "goods_detail": _list(_GLOBAL_LINE)},
        ),
        "limit_pay": _word("no_credit"),
        "time_start": _TIME,
    },
}


@cache
def _create_validator(region: Region, mode: Mode, trade_type: TradeType) -> Validator:
    required: Members = {
        **_APPID[mode],
        **_MERCHANT[mode],
        "description": _text(DESCRIPTION),
        "out_trade_no": _text(NUMBER[region]),
        "notify_url": _text(NOTIFY_URL[region]),
        "amount": _object({"total": _whole(1)}, {"currency": _text(CURRENCY[region])}),
    }
    optional: Members = {
        **_SUB_APPID[mode],
        "attach": _text(ATTACH[region]),
        "goods_tag": _SHORT,
        "time_expire": _TIME,
        **_EXTRAS[region],
    }
    if region is Region.GLOBAL:
        required["trade_type"] = _word(trade_type)
        required["merchant_category_code"] = _text(MERCHANT_CATEGORY_CODE)
    if trade_type is TradeType.JSAPI:
        required["payer"] = _PAYER[region, mode]
    elif region is Region.MAINLAND:
        optional["payer"] = _object({}, _IDENTITY[region])
    is_h5 = trade_type is TradeType.MWEB
    scene = _global_scene(is_h5=is_h5) if region is Region.GLOBAL else _mainland_scene(is_h5=is_h5)
    (required if is_h5 else optional)["scene_info"] = scene
    return BodyValidator(_object(required, optional))


def _global_scene(*, is_h5: bool) -> Schema:
    rest: Members = {
        "device_id": _SHORT,
        "device_ip": _ADDRESS,
        "operator_id": _SHORT,
        "store_info": _object({}, {"id": _SHORT, **_STORE}),
    }
    if is_h5:
        return _object({"payer_client_ip": _ADDRESS}, rest)
    return _object({}, {"payer_client_ip": _ADDRESS, **rest})


def _mainland_scene(*, is_h5: bool) -> Schema:
    h5: Members = {"h5_info": _H5_INFO} if is_h5 else {}
    store = _object({"id": _SHORT}, {"area_code": _short(32), **_STORE})
    return _object({"payer_client_ip": _ADDRESS, **h5}, {"device_id": _SHORT, "store_info": store})
