"""Placing, querying and closing v3 orders (protocol-v3 sections 3, 4 and 7.3).

One ledger serves both protocols, under v2's names: the terms of a v3 order are translated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.protocol.times import parse_rfc3339, to_t14
from django_wxpay.simulator.state.trades import (
    CLOSED,
    NOTPAY,
    PAID_STATES,
    PAYERROR,
    REVOKED,
    Trade,
)
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import Call, checked_close, checked_create, checked_query
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, wants_english, wrong
from django_wxpay.simulator.v3.objects import order_object
from django_wxpay.simulator.v3.sealed import with_open_identity

# Protocol-v3 section 4.2.
_SOONEST: Final = timedelta(minutes=1)


def place(world: World, call: Call) -> Answer:
    """Accept an order or its re-entry and return its prepay; lock held."""
    body = with_open_identity(world, call, checked_create(call, world.options), holder="payer")
    now = world.clock.now()
    number = body["out_trade_no"]
    trade = world.trades.find(call.account.mch_id, number, now=now)
    if trade is None:
        check_expiry(world, body)
        trade = Trade(
            mch_id=call.account.mch_id,
            out_trade_no=number,
            terms=terms_of(body, trade_type=call.route.trade_type),
            sign_type="",
            created_at=now,
            api=Api.V3,
            document=body,
        )
        world.trades.add(trade)
    else:
        _check_re_entry(world, call, trade, body)
    if trade.state == PAYERROR:
        trade.state = NOTPAY
    return Answer(status=200, content=_granted(world, call, trade))


def check_expiry(world: World, body: Mapping[str, Any]) -> None:
    """Refuse a new order, or a combined one, whose ``time_expire`` is too near."""
    text = body.get("time_expire")
    if text and parse_rfc3339(text) < world.clock.now() + _SOONEST:
        raise wrong("/time_expire", "less than a minute from now", value=text)


def _check_re_entry(world: World, call: Call, trade: Trade, body: Mapping[str, Any]) -> None:
    refuse_over(trade, now=world.clock.now())
    another_call = trade.api is not Api.V3 or trade.terms["trade_type"] != call.route.trade_type
    another_merchant = trade.terms.get("sub_mch_id") != body.get("sub_mchid")
    if trade.state == REVOKED or trade.is_combined or another_call or another_merchant:
        raise V3Refusal("OUT_TRADE_NO_USED")
    differing = ", ".join(differences(trade.document, body))
    if differing:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese=f"201 商户订单号重复 ({differing})",
            english=f"201 The out_trade_no was used with other parameters ({differing}).",
            number=268498688,
        )


def refuse_over(trade: Trade, *, now: datetime) -> None:
    """Refuse to place an order again that is paid, closed or expired."""
    if trade.state in PAID_STATES:
        raise V3Refusal("ORDER_PAID")
    if trade.state == CLOSED or (trade.expires_at is not None and trade.expires_at < now):
        raise V3Refusal("ORDER_CLOSED")


def _granted(world: World, call: Call, trade: Trade) -> dict[str, Any]:
    prepay = world.new_prepay(trade)
    match call.route.trade_type:
        case "NATIVE":
            return {"code_url": prepay.code_url}
        case "MWEB":
            name = "h5_url" if call.route.region is Region.MAINLAND else "mweb_url"
            return {name: world.mweb_url(prepay, origin=call.request.origin)}
        case _:
            return {"prepay_id": prepay.prepay_id}


def query(world: World, call: Call) -> Answer:
    """Return the state of an order, whichever protocol placed it; lock held."""
    return order_answer(world, call, find_trade(world, call, checked_query(call, world.options)))


def order_answer(world: World, call: Call, trade: Trade) -> Answer:
    """Return the answer that has ``trade`` as its content."""
    content = order_object(
        trade,
        call.account,
        contribution=world.options.contribution_spelling,
        is_english=wants_english(call.request),
    )
    if call.account.region is Region.MAINLAND:
        # A query lists promotions, none as well; a callback leaves them out (protocol-v3
        # section 4.3).
        content.setdefault("promotion_detail", [])
    return Answer(status=200, content=content)


def find_trade(world: World, call: Call, sub_mchid: str) -> Trade:
    """Return the trade in the path; refuse one of another ``sub_mchid``, or of a combined order."""
    mch_id, route = call.account.mch_id, call.route
    if route.transaction_id:
        trade = world.trades.find_transaction(mch_id, route.transaction_id)
    else:
        trade = world.trades.find(mch_id, route.out_trade_no, now=world.clock.now())
    # An order of a combined one needs the calls of those (protocol-v3 section 4.1). No source has
    # the code of the refusal: that it is this one is unsure.
    if trade is None or trade.is_combined:
        raise V3Refusal("ORDER_NOT_EXIST")
    check_trade_of(trade, sub_mchid)
    return trade


def check_trade_of(trade: Trade, sub_mchid: str) -> None:
    """Refuse a trade that was placed for another sub-merchant, "" for none."""
    if trade.terms.get("sub_mch_id", "") != sub_mchid:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="商户号与订单不匹配",
            english="The merchant is not the order's.",
            number=268447843,
        )


def close(world: World, call: Call) -> Answer:
    """Close an unpaid order; closing it again is a success too. Lock held."""
    trade = find_trade(world, call, checked_close(call, world.options))
    if trade.state in PAID_STATES:
        raise V3Refusal("ORDER_PAID")
    # An order by payment code has to be reversed (protocol-v3 section 3.4).
    if trade.is_by_code or trade.state not in {NOTPAY, PAYERROR, CLOSED}:
        raise V3Refusal("TRADE_ERROR")
    soonest = trade.created_at + timedelta(seconds=world.options.close_after_s)
    if world.clock.now() < soonest:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="订单生成后不能马上调用关单接口",
            english="An order cannot be closed right after it was made.",
        )
    trade.state = CLOSED
    return Answer(status=204)


# v3's name -> v2's, for texts.
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
_PAYER: Final = {
    **dict.fromkeys(("openid", "sp_openid"), "openid"),
    **{name: name for name in ("sub_openid", "auth_code")},
}
_SCENE: Final = {"device_id": "device_info", "payer_client_ip": "spbill_create_ip"}
_TIMES: Final = ("time_start", "time_expire")
_JSON: Final = ("detail", "scene_info")

# Circumstances of the customer, which may differ in a re-entry (protocol-v3 section 7.3).
_CIRCUMSTANCES: Final = frozenset({"payer_client_ip", "device_id", "device_ip", "operator_id"})


def terms_of(body: Mapping[str, Any], *, trade_type: str) -> dict[str, str]:
    """Return a checked ``body`` as wire fields of v2 (protocol-v3 sections 3.2 and 4.2)."""
    limit_pay = body.get("limit_pay", "")
    amount = body["amount"]
    terms = {
        **{name: body[name_v3] for name_v3, name in _TEXTS.items() if name_v3 in body},
        **_renamed(body.get("payer", {}), _PAYER),
        **_renamed(body.get("scene_info", {}), _SCENE),
        **times_of(body),
        **{name: _compact(body[name]) for name in _JSON if name in body},
        "limit_pay": limit_pay if isinstance(limit_pay, str) else ",".join(limit_pay),
        "total_fee": str(amount["total"]),
        "fee_type": amount.get("currency", "CNY"),
        "trade_type": trade_type,
    }
    return {name: text for name, text in terms.items() if text}


def times_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the times of an order, or of a combined one, as wire fields of v2."""
    return {name: to_t14(parse_rfc3339(body[name])) for name in _TIMES if name in body}


def differences(first: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    """Return the members in which ``again`` differs from ``first``."""
    one, other = compared(first), compared(again)
    return [name for name in one | other if one.get(name) != other.get(name)]


def compared(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an order, or of a combined one, that a re-entry has to repeat."""
    scene = body.get("scene_info", {})
    kept = {name: value for name, value in body.items() if name != "time_start"}
    if "amount" in kept:
        kept["amount"] = {"currency": "CNY", **kept["amount"]}
    return kept | {
        "scene_info": {name: scene[name] for name in scene if name not in _CIRCUMSTANCES},
    }


def _renamed(holder: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: holder[name_v3] for name_v3, name in names.items() if name_v3 in holder}


def _compact(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
