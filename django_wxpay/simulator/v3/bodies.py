"""Which members a request may have, by region, mode and trade type, as the gateway checks them.

The tables are those of protocol-v3 sections 3.1, 3.2, 4.1 and 4.2, and wider than what our
own client sends: where the sources disagree, either reading is let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.rules import IpAddress, OneOf, Text
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
from django_wxpay.simulator.v3.schema import (
    RFC3339,
    BoolNode,
    ListNode,
    Node,
    ObjectNode,
    TextNode,
    V3Problem,
    WholeNode,
)

__all__ = [
    "V3Problem",
    "problems_of_close_body",
    "problems_of_create_body",
    "problems_of_query",
]

Rows = dict[str, Node]


def problems_of_create_body(
    body: Mapping[str, Any], *, region: Region, mode: Mode, trade_type: str
) -> V3Problem | None:
    """Return the first thing wrong with the parsed body of an order, None if nothing is.

    ``trade_type`` is the one the endpoint is for. What is only known to the gateway (whether
    the appid is bound, whether the number was used) is not looked at.
    """
    problem = _create_schema(region, mode, TradeType(trade_type)).problem(dict(body), "")
    if problem is None and "sub_openid" in body.get("payer", {}) and "sub_appid" not in body:
        return V3Problem(field="/sub_appid", issue="missing: sub_openid belongs to it")
    return problem


def problems_of_close_body(body: Mapping[str, Any], *, mode: Mode) -> V3Problem | None:
    """Return the first thing wrong with the parsed body of a close, None if nothing is."""
    return ObjectNode(_MERCHANT[mode]).problem(dict(body), "")


def problems_of_query(parameters: Mapping[str, str], *, mode: Mode) -> V3Problem | None:
    """Return the first thing wrong with the query parameters of a query, None if nothing is."""
    problem = ObjectNode(_MERCHANT[mode]).problem(dict(parameters), "")
    if problem is None:
        return None
    name = problem.field.removeprefix("/") or next(iter(_MERCHANT[mode]))
    return V3Problem(field=name, issue=problem.issue, value=problem.value, location="query")


@cache
def _create_schema(region: Region, mode: Mode, trade_type: TradeType) -> ObjectNode:
    overseas = region is Region.GLOBAL
    required = {**_IDENTITY[mode], **_shared(region)}
    optional = {**_SUB_IDENTITY[mode], **_extras(region)}
    if overseas:
        required |= {
            "trade_type": _word(trade_type),
            "merchant_category_code": TextNode(MERCHANT_CATEGORY_CODE),
        }
    if trade_type is TradeType.JSAPI:
        required["payer"] = _PAYER[mode]
    scene = _overseas_scene(trade_type) if overseas else _mainland_scene(trade_type)
    (required if trade_type is TradeType.MWEB else optional)["scene_info"] = scene
    return ObjectNode(required, optional)


def _shared(region: Region) -> Rows:
    currency = TextNode(CURRENCY[region])
    return {
        "description": TextNode(DESCRIPTION),
        "out_trade_no": TextNode(NUMBER[region]),
        "notify_url": TextNode(NOTIFY_URL[region]),
        "amount": ObjectNode({"total": WholeNode(1)}, {"currency": currency}),
    }


def _extras(region: Region) -> Rows:
    rows: Rows = {
        "attach": TextNode(ATTACH[region]),
        "goods_tag": _SHORT,
        "time_expire": TextNode(RFC3339),
        "detail": ObjectNode({}, _DETAIL[region]),
    }
    if region is Region.GLOBAL:
        return rows | {"limit_pay": _word("no_credit"), "time_start": TextNode(RFC3339)}
    return rows | {
        "limit_pay": ListNode(_word("no_balance", "no_credit", "no_debit", "balance_only")),
        "support_fapiao": BoolNode(),
        "settle_info": ObjectNode({}, {"profit_sharing": BoolNode()}),
    }


def _overseas_scene(trade_type: TradeType) -> ObjectNode:
    address: Rows = {"payer_client_ip": TextNode(IpAddress())}
    rest: Rows = {
        "device_id": _SHORT,
        "device_ip": TextNode(IpAddress()),
        "operator_id": _SHORT,
        "store_info": ObjectNode({}, {"id": _SHORT, "name": _short(256), "address": _short(512)}),
    }
    if trade_type is TradeType.MWEB:
        return ObjectNode(address, rest)
    return ObjectNode({}, address | rest)


def _mainland_scene(trade_type: TradeType) -> ObjectNode:
    required: Rows = {"payer_client_ip": TextNode(IpAddress())}
    if trade_type is TradeType.MWEB:
        required["h5_info"] = _H5_INFO
    return ObjectNode(required, {"device_id": _SHORT, "store_info": _MAINLAND_STORE})


def _short(longest: int) -> TextNode:
    return TextNode(Text(max=longest, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED))


def _word(*words: str) -> TextNode:
    return TextNode(OneOf(frozenset(words)))


_SHORT: Final = TextNode(SHORT)
_ID: Final = TextNode(ID)
_OPENID: Final = TextNode(OPENID)

_MERCHANT: Final[dict[Mode, Rows]] = {
    Mode.COMMON: {"mchid": _ID},
    Mode.INSTITUTIONAL: {"sp_mchid": _ID, "sub_mchid": _ID},
}
_IDENTITY: Final[dict[Mode, Rows]] = {
    Mode.COMMON: {"appid": _ID, **_MERCHANT[Mode.COMMON]},
    Mode.INSTITUTIONAL: {"sp_appid": _ID, **_MERCHANT[Mode.INSTITUTIONAL]},
}
_SUB_IDENTITY: Final[dict[Mode, Rows]] = {
    Mode.COMMON: {},
    Mode.INSTITUTIONAL: {"sub_appid": _ID},
}
_PAYER: Final[dict[Mode, Node]] = {
    Mode.COMMON: ObjectNode({"openid": _OPENID}),
    Mode.INSTITUTIONAL: ObjectNode(
        {}, {"sp_openid": _OPENID, "sub_openid": _OPENID}, one_of=("sp_openid", "sub_openid")
    ),
}
_MAINLAND_LINE: Final = ObjectNode(
    {"merchant_goods_id": _ID, "quantity": WholeNode(1), "unit_price": WholeNode()},
    {"wechatpay_goods_id": _SHORT, "goods_name": _short(256)},
)
_OVERSEAS_LINE: Final = ObjectNode(
    {"goods_id": _ID, "quantity": WholeNode(1), "price": WholeNode()},
    {"wxpay_goods_id": _SHORT, "goods_name": _short(256)},
)
_DETAIL: Final[dict[Region, Rows]] = {
    Region.MAINLAND: {
        "cost_price": WholeNode(),
        "invoice_id": _SHORT,
        "goods_detail": ListNode(_MAINLAND_LINE),
    },
    Region.GLOBAL: {
        "cost_price": WholeNode(),
        "receipt_id": _SHORT,
        "goods_detail": ListNode(_OVERSEAS_LINE),
    },
}
_MAINLAND_STORE: Final = ObjectNode(
    {"id": _SHORT}, {"name": _short(256), "area_code": _short(32), "address": _short(512)}
)
_H5_INFO: Final = ObjectNode(
    {"type": _word("iOS", "Android", "Wap")},
    {
        "app_name": _short(64),
        "app_url": _short(128),
        "bundle_id": _short(128),
        "package_name": _short(128),
    },
)
