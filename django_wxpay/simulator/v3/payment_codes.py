"""Charges by payment code and reversals over v3 (protocol-v3 sections 3.2, 3.4, 4.1 and 7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.simulator.control import charging
from django_wxpay.simulator.control.charging import ChargeRefused
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import Call, checked_create, checked_reverse
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, refused
from django_wxpay.simulator.v3.orders import differences, find_trade, order_answer, terms_of

# v2's codes -> v3's, where they are not the same (protocol-v3 section 3.9).
_CODES: Final = {
    "BANKERROR": "BANK_ERROR",
    "SYSTEMERROR": "SYSTEM_ERROR",
    "NOTENOUGH": "NOT_ENOUGH",
    "AUTHCODEEXPIRE": "AUTH_CODE_EXPIRE",
    "ORDERPAID": "ORDER_PAID",
    "ORDERCLOSED": "ORDER_CLOSED",
    "ORDERREVERSED": "ORDER_REVERSED",
    "REVERSE_EXPIRE": "INVALID_REQUEST",
}
_TEXTS: Final = {
    "NOTENOUGH": ("余额不足", "The customer has not enough money."),
    "REVERSE_EXPIRE": ("订单超过7天，无法撤销", "An order is reversed within 7 days."),
    "INVALID_REQUEST": ("支付后不能马上调用撤销接口", "It is too early to reverse the order."),
}
_USERPAYING: Final = "USERPAYING"


def pay_by_code(world: World, call: Call) -> Answer:
    """Charge a payment code; call with the lock held. Raises ``V3Refusal``."""
    body = checked_create(call, world.options)
    mch_id, number = call.account.mch_id, body["out_trade_no"]
    known = world.trades.find(mch_id, number, now=world.clock.now())
    trade = known or _new_trade(world, call, body)
    try:
        if known is None:
            code = charging.usable_code(world, trade.terms["auth_code"], mch_id=mch_id)
            charging.charge(world, trade, code)
        else:
            _repeat(trade, body)
    except ChargeRefused as charged:
        return _unpaid(world, call, trade, charged)
    return order_answer(world, call, trade)


def _new_trade(world: World, call: Call, body: dict[str, Any]) -> Trade:
    return Trade(
        mch_id=call.account.mch_id,
        out_trade_no=body["out_trade_no"],
        terms=terms_of(body, trade_type=call.route.trade_type),
        sign_type="",
        created_at=world.clock.now(),
        api=Api.V3,
        document=body,
    )


def _repeat(trade: Trade, body: Mapping[str, Any]) -> None:
    charging.refuse_ended(trade)
    another_merchant = trade.terms.get("sub_mch_id") != body.get("sub_mchid")
    if not trade.is_by_code or another_merchant or trade.api is not Api.V3:
        raise V3Refusal("OUT_TRADE_NO_USED")
    differing = ", ".join(differences(trade.document, body))
    if differing:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese=f"201 商户订单号重复 ({differing})",
            english=f"201 The out_trade_no was used with other parameters ({differing}).",
            number=268498688,
        )
    charging.refuse_open(trade)


def _unpaid(world: World, call: Call, trade: Trade, charged: ChargeRefused) -> Answer:
    """Return the answer to a charge that waits for a password; raise that of any other."""
    if charged.code != _USERPAYING:
        raise _refusal(charged) from None
    if call.route.region is Region.MAINLAND and world.options.codepay_userpaying == 200:
        return order_answer(world, call, trade)
    # Returned, and not raised: every 2xx is signed.
    return refused(V3Refusal(_USERPAYING), call.request)


def reverse(world: World, call: Call) -> Answer:
    """Reverse a charge; one that was reversed is a success again. Lock held."""
    body = checked_reverse(call, world.options)
    trade = find_trade(world, call, str(body.get("sub_mchid", "")))
    try:
        charging.reverse(world, trade)
    except ChargeRefused as charged:
        raise _refusal(charged) from None
    if call.route.region is Region.GLOBAL:
        return Answer(status=204)
    return Answer(status=200, content={**body, "out_trade_no": trade.out_trade_no})


def _refusal(charged: ChargeRefused) -> V3Refusal:
    chinese, english = _TEXTS.get(charged.code, ("", ""))
    return V3Refusal(_CODES.get(charged.code, charged.code), chinese=chinese, english=english)
