"""Profit sharing: an order's money given to receivers, and what is left unfrozen.

Source: protocol-v3 section 13.3.
"""

from __future__ import annotations

from typing import Any, Final

from jsonschema.protocols import Validator

from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v3.fields import ID
from django_wxpay.simulator.state.products import Share
from django_wxpay.simulator.state.refunds import CLOSED
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import (
    Call,
    check_permission,
    check_sub_merchant,
    checked_parameters,
)
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, wrong
from django_wxpay.simulator.v3.more.checking import (
    BOOLEAN,
    SHARE_NUMBER,
    SUB_MERCHANT,
    checked_appid,
    checked_body,
    checked_key,
    missing,
    refusal,
    refuse_another,
)
from django_wxpay.simulator.v3.orders import check_trade_of
from django_wxpay.simulator.v3.schemas import (
    SEALED,
    Members,
    items,
    record,
    short,
    text,
    whole,
    word,
)
from django_wxpay.simulator.v3.sealed import opened
from django_wxpay.simulator.v3.validation import BodyValidator

_TYPES: Final = ("MERCHANT_ID", "PERSONAL_OPENID", "PERSONAL_SUB_OPENID")
_RELATIONS: Final = (
    *("SERVICE_PROVIDER", "STORE", "STAFF", "STORE_OWNER", "PARTNER", "HEADQUARTER"),
    *("BRAND", "DISTRIBUTOR", "USER", "SUPPLIER", "CUSTOM"),
)
_ACCOUNT: Final = short(64)
_ORDER: Final[Members] = {"transaction_id": text(ID), "out_order_no": text(SHARE_NUMBER)}
_LINE: Final = record(
    {
        "type": word(*_TYPES),
        "account": _ACCOUNT,
        "amount": whole(1),
        "description": short(80),
    },
    {"name": SEALED},
)
_WHO: Final[Members] = {"appid": text(ID), "type": word(*_TYPES), "account": _ACCOUNT}
_APPIDS: Final[Members] = {"sub_appid": text(ID)}


def _of_each_mode(required: Members, optional: Members) -> dict[Mode, Validator]:
    return {mode: BodyValidator(record(required | SUB_MERCHANT[mode], optional)) for mode in Mode}


_CREATE: Final = _of_each_mode(
    _ORDER | {"unfreeze_unsplit": BOOLEAN},
    {"appid": text(ID), **_APPIDS, "receivers": items(_LINE)},
)
_UNFREEZE: Final = _of_each_mode(_ORDER | {"description": short(80)}, {})
_ADD: Final = _of_each_mode(
    _WHO | {"relation_type": word(*_RELATIONS)},
    {**_APPIDS, "name": SEALED, "custom_relation": short(10)},
)
_DELETE: Final = _of_each_mode(_WHO, _APPIDS)


def add_receiver(world: World, call: Call) -> Answer:
    """Let an account receive shares; lock held."""
    body = checked_body(call, _ADD[call.account.mode])
    checked_appid(call, body["appid"], at="/appid")
    if "name" in body:
        opened(world, call, body["name"], at="/name")
    if (body["relation_type"] == "CUSTOM") is not ("custom_relation" in body):
        raise wrong("/custom_relation", "for the relation_type CUSTOM, and for no other")
    world.products.receivers.add(_receiver(world, call, body, body))
    names = ("sub_mchid", "type", "account", "name", "relation_type", "custom_relation")
    return Answer(status=200, content={name: body[name] for name in names if name in body})


def delete_receiver(world: World, call: Call) -> Answer:
    """Let an account receive no more shares; lock held."""
    body = checked_body(call, _DELETE[call.account.mode])
    checked_appid(call, body["appid"], at="/appid")
    world.products.receivers.discard(_receiver(world, call, body, body))
    names = ("sub_mchid", "type", "account")
    return Answer(status=200, content={name: body[name] for name in names if name in body})


def share(world: World, call: Call) -> Answer:
    """Share an order, or answer as before under a number that was used; lock held."""
    body = checked_body(call, _CREATE[call.account.mode])
    if "appid" in body:
        checked_appid(call, body["appid"], at="/appid")
    for at, line in enumerate(body.get("receivers", ())):
        if "name" in line:
            line["name"] = opened(world, call, line["name"], at=f"/receivers/{at}/name")
    known = _known(world, call, body)
    return _shown(known or _shared(world, call, body))


def unfreeze(world: World, call: Call) -> Answer:
    """Give the merchant what is left of an order; lock held."""
    body = checked_body(call, _UNFREEZE[call.account.mode])
    known = _known(world, call, body)
    return _shown(known or _add(world, call, body | {"unfreeze_unsplit": True}, []))


def query_share(world: World, call: Call) -> Answer:
    """Return a request to share, which is finished when it is first asked for; lock held."""
    required = ("transaction_id", *SUB_MERCHANT[call.account.mode])
    given = checked_parameters(call, set(required))
    check_permission(call)
    for name in required:
        if name not in given:
            raise wrong(name, "missing", location="query")
    check_sub_merchant(call, given.get("sub_mchid"), world.options)
    found = world.products.shares.get((call.account.mch_id, call.route.key))
    if found is None or found.document["transaction_id"] != given["transaction_id"]:
        raise missing("分账单不存在", "There is no such request to share.")
    check_trade_of(found.trade, given.get("sub_mchid", ""))
    found.is_finished = True
    return _shown(found)


def unsplit_amount(world: World, call: Call) -> Answer:
    """Return what is left of an order to be shared; lock held."""
    number = checked_key(call, Text(max=32), "transaction_id")
    trade = _trade(world, call, number)
    return Answer(
        status=200, content={"transaction_id": number, "unsplit_amount": _left(world, trade)}
    )


def _receiver(
    world: World, call: Call, body: dict[str, Any], named: dict[str, Any]
) -> tuple[str, ...]:
    """Return the receiver that ``named`` is, of the merchant or sub-merchant of ``body``."""
    sub_mchid = body.get("sub_mchid", "")
    check_sub_merchant(call, sub_mchid, world.options)
    return call.account.mch_id, sub_mchid, named["type"], named["account"]


def _known(world: World, call: Call, body: dict[str, Any]) -> Share | None:
    found = world.products.shares.get((call.account.mch_id, body["out_order_no"]))
    if found is not None:
        refuse_another(found.document, {"unfreeze_unsplit": True} | body)
    return found


def _shared(world: World, call: Call, body: dict[str, Any]) -> Share:
    lines = body.get("receivers", [])
    for at, line in enumerate(lines):
        if _receiver(world, call, body, line) not in world.products.receivers:
            raise refusal("分账接收方未添加", f"Receiver {at} has not been added.")
    return _add(world, call, body, lines)


def _add(world: World, call: Call, body: dict[str, Any], lines: list[dict[str, Any]]) -> Share:
    trade = _trade(world, call, body["transaction_id"])
    check_trade_of(trade, body.get("sub_mchid", ""))
    if not _may_be_shared(trade):
        raise refusal("非分账订单不支持分账", "The order was not placed to be shared.")
    made = Share(
        mch_id=call.account.mch_id,
        trade=trade,
        document=body,
        order_id=f"30{world.identifiers.transaction_id(world.clock.now())[2:]}",
        created_at=world.clock.now(),
        lines=lines,
    )
    if made.amount > _left(world, trade):
        raise V3Refusal(
            "NOT_ENOUGH",
            chinese="分账金额不足",
            english="More is shared than is left of the order.",
        )
    world.products.shares[made.mch_id, body["out_order_no"]] = made
    return made


def _trade(world: World, call: Call, transaction_id: str) -> Trade:
    trade = world.trades.find_transaction(call.account.mch_id, transaction_id)
    if trade is None:
        raise missing("订单不存在", "There is no such paid order.")
    return trade


def _may_be_shared(trade: Trade) -> bool:
    settled = trade.document.get("settle_info", {}).get("profit_sharing")
    return settled is True or trade.terms.get("profit_sharing") == "Y"


def _left(world: World, trade: Trade) -> int:
    products = world.products
    of_it = products.shares_of(trade)
    if not _may_be_shared(trade) or any(one.document["unfreeze_unsplit"] for one in of_it):
        return 0
    refunded = sum(one.refund_fee for one in world.refunds.of(trade) if one.status != CLOSED)
    # A refund takes first what came back, which is not shared once more.
    taken = max(0, refunded - products.returned(trade))
    return int(trade.terms["total_fee"]) - products.shared(trade) - taken


def _shown(found: Share) -> Answer:
    names = ("sub_mchid", "transaction_id", "out_order_no")
    at = to_rfc3339(found.created_at)
    result = "SUCCESS" if found.is_finished else "PENDING"
    lines = [
        {name: line[name] for name in ("amount", "description", "type", "account")}
        | {"result": result, "detail_id": f"36{found.order_id[2:]}{number:02d}"}
        | {"create_time": at, "finish_time": at}
        for number, line in enumerate(found.lines)
    ]
    return Answer(
        status=200,
        content={name: found.document[name] for name in names if name in found.document}
        | {"order_id": found.order_id, "receivers": lines}
        | {"state": "FINISHED" if found.is_finished else "PROCESSING"},
    )
