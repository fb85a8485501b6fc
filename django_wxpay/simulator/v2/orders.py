"""unifiedorder, orderquery and closeorder (protocol-v2 sections 3, 5 and 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from django_wxpay.protocol.merchants import Api, Mode
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.times import parse_t14
from django_wxpay.protocol.v2.fields import (
    CLOSEORDER_RULES,
    ORDERQUERY_RULES,
    UNIFIEDORDER_RULES,
    check_closeorder,
    check_orderquery,
    check_unifiedorder,
)
from django_wxpay.simulator.state.trades import (
    CLOSED,
    DESCRIPTIONS,
    NOTPAY,
    PAID_STATES,
    PAYERROR,
    REVOKED,
    Trade,
)
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.admission import Call, check_required, checked
from django_wxpay.simulator.v2.refusals import BusinessError, ProtocolError, invalid

# The fields of a re-entry that must not differ (protocol-v2 section 3.8).
_FINGERPRINT: Final = (
    *("appid", "sub_appid", "sub_mch_id", "body", "detail", "attach", "total_fee", "fee_type"),
    *("trade_type", "product_id", "openid", "sub_openid", "time_expire", "notify_url"),
    *("goods_tag", "limit_pay", "scene_info"),
)

# Fields that the gateway counts in bytes or in characters: no source says which
# (protocol-v2 section 3.2).
_UNCERTAIN: Final = frozenset({"body", "attach"})


def unifiedorder(world: World, call: Call) -> dict[str, str]:
    """Accept an order or its re-entry and return what the answer adds to the envelope.

    Call with the lock held. Raises ``GatewayError``. Source: protocol-v2 sections 3.7 and 3.8.
    """
    now = world.clock.now()
    _check(world, call)
    trade = world.trades.find(call.account.mch_id, call.out_trade_no, now=now)
    if trade is None:
        check_expiry(world, call, soonest=timedelta(seconds=world.options.minimum_expire_s))
        trade = Trade(
            mch_id=call.account.mch_id,
            out_trade_no=call.out_trade_no,
            terms=dict(call.fields),
            sign_type="",
            created_at=now,
        )
        world.trades.add(trade)
    else:
        _check_re_entry(world, call, trade)
    trade.sign_type = call.fields.get("sign_type", "")
    if trade.state == PAYERROR:
        trade.state = NOTPAY
    return _granted(world, call, trade)


def _check(world: World, call: Call) -> None:
    check_required(UNIFIEDORDER_RULES, call)
    with checked():
        check_unifiedorder(call.fields, mode=call.account.mode, leaving_out=uncertain_fields(world))
    check_lengths(world, call)
    check_currency(world, call)


def uncertain_fields(world: World) -> frozenset[str]:
    """Return the fields whose length ``check_lengths`` has to check in characters."""
    return _UNCERTAIN if world.options.length_unit == "chars" else frozenset()


def check_lengths(world: World, call: Call) -> None:
    """Refuse an uncertain field that is too long in characters."""
    for name in uncertain_fields(world) & call.fields.keys():
        rule = UNIFIEDORDER_RULES[name].rule
        problem = isinstance(rule, Text) and replace(rule, unit="chars").problem(call.fields[name])
        if problem:
            raise invalid(name, problem)


def check_currency(world: World, call: Call) -> None:
    """Refuse a foreign currency where the options want mainland merchants to be paid in CNY."""
    foreign = call.fields.get("fee_type", "CNY") != "CNY"
    direct = call.account.mode is Mode.COMMON and call.account.mainland
    if world.options.mainland_cny_only and direct and foreign:
        raise invalid("fee_type", "mainland merchants are paid in CNY")


def check_expiry(world: World, call: Call, *, soonest: timedelta) -> None:
    """Refuse a ``time_expire`` that is less than ``soonest`` ahead (protocol-v2 section 3.4)."""
    text = call.fields.get("time_expire")
    if text and parse_t14(text) < world.clock.now() + soonest:
        minutes = world.options.minimum_expire_s / 60
        raise ProtocolError(
            "INVALID_REQUEST", f"time_expire时间过短，刷卡至少1分钟，其他{minutes:g}分钟"
        )


def _check_re_entry(world: World, call: Call, trade: Trade) -> None:
    if trade.state in PAID_STATES:
        raise BusinessError("ORDERPAID")
    if trade.state == CLOSED:
        raise BusinessError("ORDERCLOSED")
    sub_merchants = {trade.terms.get("sub_mch_id"), call.fields.get("sub_mch_id")}
    if trade.state == REVOKED or len(sub_merchants) > 1 or trade.api is not Api.V2:
        raise BusinessError("OUT_TRADE_NO_USED")
    differing = differing_fields(trade, call, _FINGERPRINT)
    if differing:
        raise BusinessError("INVALID_REQUEST", f"201 商户订单号重复 ({', '.join(differing)})")
    if trade.expires_at is not None and trade.expires_at < world.clock.now():
        raise BusinessError("ORDERCLOSED", "订单已超过最晚支付时间time_expire")


def differing_fields(trade: Trade, call: Call, names: tuple[str, ...]) -> list[str]:
    """Return those of ``names`` in which ``call`` differs from the first call of ``trade``."""
    return [name for name in names if _term(trade.terms, name) != _term(call.fields, name)]


def _term(terms: Mapping[str, str], name: str) -> str:
    return terms.get(name, "CNY" if name == "fee_type" else "")


def _granted(world: World, call: Call, trade: Trade) -> dict[str, str]:
    trade_type, prepay = trade.terms["trade_type"], world.new_prepay(trade)
    granted = {"trade_type": trade_type, "prepay_id": prepay.prepay_id}
    if trade_type == "NATIVE":
        granted["code_url"] = prepay.code_url
    if trade_type == "MWEB":
        granted["mweb_url"] = world.mweb_url(prepay, origin=call.origin)
    return granted


def orderquery(world: World, call: Call) -> dict[str, str]:
    """Return what the answer adds to the envelope; call with the lock held."""
    check_required(ORDERQUERY_RULES, call)
    with checked():
        check_orderquery(call.fields, mode=call.account.mode)
    trade = _found(world, call)
    fields = {"out_trade_no": trade.out_trade_no, "trade_state": trade.state}
    fields["trade_state_desc"] = DESCRIPTIONS[trade.state]
    for name in ("device_info", "attach"):
        if name in trade.terms:
            fields[name] = trade.terms[name]
    if trade.state in PAID_STATES:
        fields |= shown_payment(call, trade)
    elif trade.state == NOTPAY:
        # Real answers have it, though it is promised for a paid order only.
        fields["total_fee"] = trade.terms["total_fee"]
    return fields


def shown_payment(call: Call, trade: Trade) -> dict[str, str]:
    """Return the fields of a payment that the caller's ``version`` shows."""
    hidden = set() if call.fields.get("version") == "1.0" else {"promotion_detail"}
    return {name: text for name, text in trade.payment.items() if name not in hidden}


def check_sub_merchant(call: Call, trade: Trade) -> None:
    """Refuse a sub_mch_id under which the order was not placed (protocol-v2 section 5.4)."""
    if call.fields.get("sub_mch_id") != trade.terms.get("sub_mch_id"):
        raise BusinessError("INVALID_REQUEST", "268447845 sub_mch_id与订单不一致")


def _found(world: World, call: Call) -> Trade:
    transaction_id = call.fields.get("transaction_id")
    mch_id = call.account.mch_id
    if transaction_id:
        trade = world.trades.find_transaction(mch_id, transaction_id)
    else:
        trade = world.trades.find(mch_id, call.out_trade_no, now=world.clock.now())
    if trade is None:
        raise BusinessError("ORDERNOTEXIST")
    check_sub_merchant(call, trade)
    return trade


def closeorder(world: World, call: Call) -> dict[str, str]:
    """Close the order and return what the answer adds to the envelope; lock held."""
    check_required(CLOSEORDER_RULES, call)
    with checked():
        check_closeorder(call.fields, mode=call.account.mode)
    now = world.clock.now()
    trade = world.trades.find(call.account.mch_id, call.out_trade_no, now=now)
    if trade is None:
        raise BusinessError("ORDERNOTEXIST")
    check_sub_merchant(call, trade)
    if trade.state in PAID_STATES:
        raise BusinessError("ORDERPAID")
    if trade.is_by_code:
        # It has to be reversed (protocol-v2 section 6.1).
        raise BusinessError("TRADE_STATE_ERROR")
    if trade.state == CLOSED and world.options.close_again == "ORDERCLOSED":
        raise BusinessError("ORDERCLOSED")
    if trade.state not in {NOTPAY, PAYERROR, CLOSED}:
        raise BusinessError("TRADE_STATE_ERROR")
    if now < trade.created_at + timedelta(seconds=world.options.close_after_s):
        raise BusinessError("INVALID_REQUEST", "订单生成后不能马上调用关单接口")
    trade.state = CLOSED
    return {"result_msg": "OK"}
