"""JSON Schema documents of what APIv3 accepts about refunds.

The mainland family takes the merchant from the signature, and has no place for it elsewhere
(protocol-v3 section 4.4); the global one wants it in every body and query (protocol-v3 section
3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jsonschema.protocols import Validator

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.rules import Text, Url, Whole
from django_wxpay.protocol.v2.fields import REFUND_NUMBER
from django_wxpay.protocol.v3.fields import CURRENCY, ID, NUMBER
from django_wxpay.simulator.v3.schemas import (
    APPID,
    MERCHANT,
    SEALED,
    SUB_APPID,
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

USER_CARD: Final = "USER_BANK_CARD"
_BANK: Final = Text(max=32, alphabet="[0-9A-Z_]", described="capital letters, digits and _")
_CARD: Final[Members] = {"bank_type": text(_BANK), "bank_account": SEALED, "real_name": SEALED}
_URLS: Final = {Region.MAINLAND: Url(max=256), Region.GLOBAL: Url(max=256)}
_SUB_MCHID: Final[dict[Mode, Members]] = {
    Mode.COMMON: {},
    Mode.INSTITUTIONAL: {"sub_mchid": text(ID)},
}
_FROM: Final = record({"account": word("AVAILABLE", "UNAVAILABLE"), "amount": whole(1)})
_LINE: Final = record(
    {
        "merchant_goods_id": text(ID),
        "unit_price": whole(),
        "refund_amount": whole(),
        "refund_quantity": whole(1),
    },
    {"wechatpay_goods_id": short(32), "goods_name": short(256)},
)
_MAINLAND: Final[Members] = {
    "funds_account": word("AVAILABLE", "UNSETTLED"),
    "goods_detail": items(_LINE),
}
# Of the two numbers of an order, one has to be there.
_ONE_NUMBER: Final = [{"required": ["transaction_id"]}, {"required": ["out_trade_no"]}]


def _numbers(region: Region) -> Members:
    return {"transaction_id": text(ID), "out_trade_no": text(NUMBER[region])}


def _refund(region: Region, mode: Mode) -> Schema:
    is_global = region is Region.GLOBAL
    identity = APPID[mode] | MERCHANT[mode] if is_global else _SUB_MCHID[mode]
    amount = {"refund": whole(1), "total": whole(1), "currency": text(CURRENCY[region])}
    required: Members = {
        **identity,
        "out_refund_no": text(REFUND_NUMBER),
        "amount": record(amount, {} if is_global else {"from": items(_FROM)}),
    }
    optional: Members = {
        **_numbers(region),
        **(SUB_APPID[mode] if is_global else _MAINLAND),
        "reason": short(80),
        "notify_url": text(_URLS[region]),
    }
    return record(required, optional, anyOf=_ONE_NUMBER)


def _abnormal(mode: Mode, kind: str) -> Schema:
    required: Members = {
        **_SUB_MCHID[mode],
        "out_refund_no": text(REFUND_NUMBER),
        "type": word(USER_CARD, "MERCHANT_BANK_CARD"),
    }
    if kind == USER_CARD:
        return record(required | _CARD)
    return record(required, _CARD)


def _listing(mode: Mode) -> Schema:
    # Numbers of a query are texts of digits.
    paging = {"offset": text(Whole()), "count": text(Whole(min=1))}
    return record(MERCHANT[mode] | paging, _numbers(Region.GLOBAL), anyOf=_ONE_NUMBER)


_REFUNDS: Final = {
    (region, mode): BodyValidator(_refund(region, mode)) for region in Region for mode in Mode
}
_ABNORMAL: Final = {
    (mode, kind): BodyValidator(_abnormal(mode, kind)) for mode in Mode for kind in (USER_CARD, "")
}
_LISTINGS: Final = {mode: BodyValidator(_listing(mode)) for mode in Mode}
_QUERIES: Final = {
    Region.MAINLAND: {
        # Nothing is asked for, so nothing has to be there.
        mode: BodyValidator(record(members, minProperties=len(members)))
        for mode, members in _SUB_MCHID.items()
    },
    Region.GLOBAL: {mode: BodyValidator(record(members)) for mode, members in MERCHANT.items()},
}


def problem_of_refund_body(
    body: Mapping[str, Any], *, region: Region, mode: Mode
) -> V3Problem | None:
    """Return the first problem of the parsed body of a refund, None if there is none."""
    return first_problem(_REFUNDS[region, mode], body)


def problem_of_abnormal_body(body: Mapping[str, Any], *, mode: Mode) -> V3Problem | None:
    """Return the first problem of the parsed body that sends a refund elsewhere."""
    kind = USER_CARD if body.get("type") == USER_CARD else ""
    return first_problem(_ABNORMAL[mode, kind], body)


def problem_of_refund_query(
    parameters: Mapping[str, str], *, region: Region, mode: Mode, is_list: bool
) -> V3Problem | None:
    """Return the first problem of the parameters of a query or of the global list."""
    validator: Validator = _LISTINGS[mode] if is_list else _QUERIES[region][mode]
    problem = first_problem(validator, parameters)
    if problem is None:
        return None
    return V3Problem(
        field=problem.field.removeprefix("/") or next(iter(MERCHANT[mode])),
        issue=problem.issue,
        value=problem.value,
        location="query",
    )
