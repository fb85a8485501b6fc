"""JSON Schema documents of the bodies and queries that APIv3 accepts.

The documents are those of protocol-v3 sections 3.1, 3.2, 4.1 and 4.2, and wider than what the
package's own client sends: where the sources disagree, either reading is accepted. They are
closed; ``DOCUMENTED_UP_TO`` is the date of the newest source.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jsonschema.protocols import Validator

from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.rules import IpAddress
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
from django_wxpay.simulator.v3.schemas import (
    APPID,
    IDENTITY,
    MERCHANT,
    ONE_VALUE,
    SUB_APPID,
    TIME,
    Members,
    Schema,
    items,
    record,
    short,
    text,
    whole,
    word,
)
from django_wxpay.simulator.v3.validation import BodyValidator, V3Problem, first_problem


def problems_of_create_body(
    body: Mapping[str, Any],
    *,
    region: Region,
    mode: Mode,
    trade_type: str,
    goods_members: frozenset[str] = frozenset(),
) -> V3Problem | None:
    """Return the first problem of the parsed body of an order, None if there is none.

    ``trade_type`` is the one of the endpoint, ``goods_members`` what a line of goods may have
    beside what is documented. What only the gateway knows (whether the appid
    is bound, whether the number was used) is not checked.
    """
    validator = _create_validator(region, mode, TradeType(trade_type), goods_members)
    problem = first_problem(validator, body)
    if problem is None and "sub_openid" in body.get("payer", {}) and "sub_appid" not in body:
        return V3Problem(field="/sub_appid", issue="missing: sub_openid belongs to it")
    return problem


def problems_of_close_body(body: Mapping[str, Any], *, mode: Mode) -> V3Problem | None:
    """Return the first problem of the parsed body of a close, None if there is none."""
    return first_problem(_CLOSE[mode], body)


def problems_of_reverse_body(
    body: Mapping[str, Any], *, region: Region, mode: Mode
) -> V3Problem | None:
    """Return the first problem of the parsed body of a reversal, None if there is none."""
    is_global = region is Region.GLOBAL
    return first_problem(_CLOSE[mode] if is_global else _MAINLAND_REVERSE[mode], body)


def problems_of_query(parameters: Mapping[str, str], *, mode: Mode) -> V3Problem | None:
    """Return the first problem of the parameters of a query, None if there is none."""
    problem = first_problem(_CLOSE[mode], parameters)
    if problem is None:
        return None
    name = problem.field.removeprefix("/") or next(iter(MERCHANT[mode]))
    return V3Problem(field=name, issue=problem.issue, value=problem.value, location="query")


_BOOLEAN: Final = {"type": "boolean"}
_ADDRESS: Final = text(IpAddress())
_SHORT: Final = text(SHORT)
_ID: Final = text(ID)
_OPENID: Final = text(OPENID)

_CLOSE: Final = {mode: BodyValidator(record(members)) for mode, members in MERCHANT.items()}
# A partner's own appid is documented as optional (protocol-v3 section 4.1).
_MAINLAND_REVERSE: Final = {
    Mode.COMMON: BodyValidator(record(APPID[Mode.COMMON] | MERCHANT[Mode.COMMON])),
    Mode.INSTITUTIONAL: BodyValidator(
        record(
            MERCHANT[Mode.INSTITUTIONAL],
            APPID[Mode.INSTITUTIONAL] | SUB_APPID[Mode.INSTITUTIONAL],
        )
    ),
}
_IDENTITY: Final[dict[Region, Members]] = {
    Region.MAINLAND: {"identity": IDENTITY},
    Region.GLOBAL: {},
}
_PAYER: Final = {
    (region, mode): record({"openid": _OPENID}, identity)
    if mode is Mode.COMMON
    else record(
        {},
        {"sp_openid": _OPENID, "sub_openid": _OPENID, **identity},
        anyOf=[{"required": ["sp_openid"]}, {"required": ["sub_openid"]}],
    )
    for region, identity in _IDENTITY.items()
    for mode in Mode
}
_MAINLAND_LINE: Final[Members] = {
    "merchant_goods_id": _ID,
    "quantity": whole(1),
    "unit_price": whole(),
}
_GLOBAL_LINE: Final[Members] = {"goods_id": _ID, "quantity": whole(1), "price": whole()}


def _mainland_detail(**more: Schema) -> Schema:
    line = record(_MAINLAND_LINE, {"wechatpay_goods_id": _SHORT, "goods_name": short(256), **more})
    texts = {"cost_price": whole(), "invoice_id": _SHORT}
    return record({}, {**texts, "goods_detail": items(line)})


def _global_detail(**more: Schema) -> Schema:
    line = record(_GLOBAL_LINE, {"wxpay_goods_id": _SHORT, "goods_name": short(256), **more})
    texts = {"cost_price": whole(), "receipt_id": _SHORT}
    return record({}, {**texts, "goods_detail": items(line)})


_DETAIL: Final = {Region.MAINLAND: _mainland_detail, Region.GLOBAL: _global_detail}
_SUBSIDY_PLAN: Final = record({}, {"subsidy_installment_num": whole(), "subsidy_percent": whole()})
_SUBSIDY: Final = record(
    {}, {"subsidy_period_type": short(64), "subsidy_plan": items(_SUBSIDY_PLAN)}
)
_STORE: Final = {"name": short(256), "address": short(512)}
_H5_INFO: Final = record(
    {"type": word("iOS", "Android", "Wap")},
    {
        "app_name": short(64),
        "app_url": short(128),
        "bundle_id": short(128),
        "package_name": short(128),
    },
)
_EXTRAS: Final[dict[Region, Members]] = {
    Region.MAINLAND: {
        "limit_pay": items(word("no_balance", "no_credit", "no_debit", "balance_only")),
        "support_fapiao": _BOOLEAN,
        "settle_info": record({}, {"profit_sharing": _BOOLEAN, "subsidy_amount": whole()}),
        "subsidy_info": record({}, {"subsidy_detail": items(_SUBSIDY)}),
    },
    Region.GLOBAL: {
        "limit_pay": word("no_credit"),
        "time_start": TIME,
    },
}


@cache
def _create_validator(
    region: Region, mode: Mode, trade_type: TradeType, goods_members: frozenset[str]
) -> Validator:
    further: Members = dict.fromkeys(goods_members, ONE_VALUE)
    required: Members = {
        **APPID[mode],
        **MERCHANT[mode],
        "description": text(DESCRIPTION),
        "out_trade_no": text(NUMBER[region]),
        "notify_url": text(NOTIFY_URL[region]),
        "amount": record({"total": whole(1)}, {"currency": text(CURRENCY[region])}),
    }
    optional: Members = {
        **SUB_APPID[mode],
        "attach": text(ATTACH[region]),
        "goods_tag": _SHORT,
        "time_expire": TIME,
        "detail": _DETAIL[region](**further),
        **_EXTRAS[region],
    }
    if region is Region.GLOBAL:
        required["trade_type"] = word(trade_type)
        required["merchant_category_code"] = text(MERCHANT_CATEGORY_CODE)
    if trade_type is TradeType.JSAPI:
        required["payer"] = _PAYER[region, mode]
    elif region is Region.MAINLAND:
        optional["payer"] = record({}, _IDENTITY[region])
    if trade_type is TradeType.MICROPAY:
        _by_code(required, optional, region, further)
        return BodyValidator(record(required, optional))
    is_h5 = trade_type is TradeType.MWEB
    scene = _global_scene(is_h5=is_h5) if region is Region.GLOBAL else _mainland_scene(is_h5=is_h5)
    (required if is_h5 else optional)["scene_info"] = scene
    return BodyValidator(record(required, optional))


def _by_code(required: Members, optional: Members, region: Region, further: Members) -> None:
    """Make the members of an order those of a charge (protocol-v3 sections 3.2 and 4.1)."""
    del required["notify_url"], optional["time_expire"]
    # The digits are looked at later: another wallet's are refused with a code of their own.
    required["payer"] = record({"auth_code": short(128)})
    if region is Region.GLOBAL:
        del optional["time_start"]
        optional["scene_info"] = _global_scene(is_h5=False)
        return
    del optional["limit_pay"], optional["subsidy_info"], optional["payer"]
    # The published example has the name of the global family.
    optional["detail"] = _mainland_detail(**further | {"wxpay_goods_id": _SHORT})
    store = record({}, {"id": _SHORT, "out_id": _SHORT})
    required["scene_info"] = record(
        {}, {"device_id": _SHORT, "device_ip": _ADDRESS, "store_info": store}
    )


def _global_scene(*, is_h5: bool) -> Schema:
    rest: Members = {
        "device_id": _SHORT,
        "device_ip": _ADDRESS,
        "operator_id": _SHORT,
        "store_info": record({}, {"id": _SHORT, **_STORE}),
    }
    if is_h5:
        return record({"payer_client_ip": _ADDRESS}, rest)
    return record({}, {"payer_client_ip": _ADDRESS, **rest})


def _mainland_scene(*, is_h5: bool) -> Schema:
    h5: Members = {"h5_info": _H5_INFO} if is_h5 else {}
    store = record({"id": _SHORT}, {"area_code": short(32), **_STORE})
    return record({"payer_client_ip": _ADDRESS, **h5}, {"device_id": _SHORT, "store_info": store})
