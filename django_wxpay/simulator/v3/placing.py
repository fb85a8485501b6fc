"""Which v3 orders are accepted, and what it means to send one again (protocol-v3 section 7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.protocol.times import parse_rfc3339
from django_wxpay.simulator.state.trades import (
    CLOSED,
    NOTPAY,
    PAID_STATES,
    PAYERROR,
    REVOKED,
    Trade,
)
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.placing import code_url, mweb_url, new_prepay
from django_wxpay.simulator.v3.answers import Said
from django_wxpay.simulator.v3.authorizing import Call
from django_wxpay.simulator.v3.checking import checked_create
from django_wxpay.simulator.v3.refusals import V3Refusal, wrong
from django_wxpay.simulator.v3.terms import differences, terms_of

# Protocol-v3 section 4.2.
_SOONEST: Final = timedelta(minutes=1)


def place(world: World, call: Call) -> Said:
    """Accept an order or its re-entry, and return what the customer needs; lock held."""
    body = checked_create(call, world.options)
    now = world.clock.now()
    number = body["out_trade_no"]
    trade = world.trades.find(call.account.mch_id, number, now=now)
    if trade is None:
        _check_expiry(world, body)
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
    return Said(status=200, content=_granted(world, call, trade))


def _check_expiry(world: World, body: Mapping[str, Any]) -> None:
    text = body.get("time_expire")
    if text and parse_rfc3339(text) < world.clock.now() + _SOONEST:
        raise wrong("/time_expire", "less than a minute from now", value=text)


def _check_re_entry(world: World, call: Call, trade: Trade, body: Mapping[str, Any]) -> None:
    if trade.state in PAID_STATES:
        raise V3Refusal("ORDER_PAID")
    expires_at = trade.expires_at
    if trade.state == CLOSED or (expires_at is not None and expires_at < world.clock.now()):
        raise V3Refusal("ORDER_CLOSED")
    another_call = trade.api is not Api.V3 or trade.terms["trade_type"] != call.route.trade_type
    another_merchant = trade.terms.get("sub_mch_id") != body.get("sub_mchid")
    if trade.state == REVOKED or another_call or another_merchant:
        raise V3Refusal("OUT_TRADE_NO_USED")
    differing = ", ".join(differences(trade.document, body))
    if differing:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese=f"201 商户订单号重复 ({differing})",
            english=f"201 The out_trade_no was used with other parameters ({differing}).",
            number=268498688,
        )


def _granted(world: World, call: Call, trade: Trade) -> dict[str, Any]:
    prepay = new_prepay(world, trade)
    match call.route.trade_type:
        case "NATIVE":
            return {"code_url": code_url(prepay)}
        case "MWEB":
            name = "h5_url" if call.route.region is Region.MAINLAND else "mweb_url"
            return {name: mweb_url(prepay, origin=call.request.origin)}
        case _:
            return {"prepay_id": prepay.prepay_id}
