"""unifiedorder: which orders are accepted, and what it means to send one again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from django_wxpay.protocol.merchants import Api, Mode
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.times import parse_t14
from django_wxpay.protocol.v2.fields import UNIFIEDORDER_RULES, check_unifiedorder
from django_wxpay.simulator.state.trades import (
    CLOSED,
    MWEB_LIFE,
    NOTPAY,
    PAID_STATES,
    PAYERROR,
    PREPAY_LIFE,
    REVOKED,
    Prepay,
    Trade,
)
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.admission import Call
from django_wxpay.simulator.v2.checking import check_required, checked
from django_wxpay.simulator.v2.refusals import BusinessError, ProtocolError, invalid

# What makes it the same order again (protocol-v2 section 3.8); a different value is refused.
FINGERPRINT: Final = (
    *("appid", "sub_appid", "sub_mch_id", "body", "detail", "attach", "total_fee", "fee_type"),
    *("trade_type", "product_id", "openid", "sub_openid", "time_expire", "notify_url"),
    *("goods_tag", "limit_pay", "scene_info"),
)

# Fields that the gateway counts in bytes or in characters: no source says which (protocol-v2
# section 3.2).
_UNCERTAIN: Final = frozenset({"body", "attach"})


def unifiedorder(world: World, call: Call) -> dict[str, str]:
    """Accept an order or its re-entry and return what the answer adds to the envelope.

    Call with the lock held. Raises ``GatewayError`` as protocol-v2 sections 3.7 and 3.8 say.
    """
    now = world.clock.now()
    _check(world, call)
    trade = world.trades.find(call.account.mch_id, call.out_trade_no, now=now)
    if trade is None:
        _check_expiry(world, call)
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
    return _granted(call, trade, new_prepay(world, trade))


def code_url(prepay: Prepay) -> str:
    """Return what stands in the QR code."""
    return f"weixin://wxpay/bizpayurl?pr={prepay.code}"


def mweb_url(prepay: Prepay, *, origin: str) -> str:
    """Return where an H5 customer's browser is sent."""
    query = urlencode({"prepay_id": prepay.prepay_id, "package": prepay.code})
    return f"{origin}/cgi-bin/mmpayweb-bin/checkmweb?{query}"


def new_prepay(world: World, trade: Trade) -> Prepay:
    """Give ``trade`` a new prepay, with which alone it can be paid from now on; lock held."""
    now = world.clock.now()
    code = world.numbers.code()
    while world.trades.knows(code):
        code = world.numbers.code()
    life = MWEB_LIFE if trade.terms["trade_type"] == "MWEB" else PREPAY_LIFE
    prepay = Prepay(
        prepay_id=world.numbers.prepay_id(now), code=code, created_at=now, expires_at=now + life
    )
    world.trades.add_prepay(trade, prepay)
    return prepay


def _check(world: World, call: Call) -> None:
    mode = call.account.mode
    check_required(UNIFIEDORDER_RULES, call)
    uncertain = _UNCERTAIN if world.options.length_unit == "chars" else frozenset()
    with checked():
        check_unifiedorder(call.fields, mode=mode, leaving_out=uncertain)
    for name in uncertain & call.fields.keys():
        rule = UNIFIEDORDER_RULES[name].rule
        problem = isinstance(rule, Text) and replace(rule, unit="chars").problem(call.fields[name])
        if problem:
            raise invalid(name, problem)
    foreign = call.fields.get("fee_type", "CNY") != "CNY"
    direct = mode is Mode.COMMON and call.account.mainland
    if world.options.mainland_cny_only and direct and foreign:
        raise invalid("fee_type", "mainland merchants are paid in CNY")


def _check_expiry(world: World, call: Call) -> None:
    text = call.fields.get("time_expire")
    soonest = world.clock.now() + timedelta(seconds=world.options.minimum_expire_s)
    if text and parse_t14(text) < soonest:
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
    differing = [
        name for name in FINGERPRINT if _term(trade.terms, name) != _term(call.fields, name)
    ]
    if differing:
        raise BusinessError("INVALID_REQUEST", f"201 商户订单号重复 ({', '.join(differing)})")
    if trade.expires_at is not None and trade.expires_at < world.clock.now():
        raise BusinessError("ORDERCLOSED", "订单已超过最晚支付时间time_expire")


def _term(terms: Mapping[str, str], name: str) -> str:
    return terms.get(name, "CNY" if name == "fee_type" else "")


def _granted(call: Call, trade: Trade, prepay: Prepay) -> dict[str, str]:
    trade_type = trade.terms["trade_type"]
    granted = {"trade_type": trade_type, "prepay_id": prepay.prepay_id}
    if trade_type == "NATIVE":
        granted["code_url"] = code_url(prepay)
    if trade_type == "MWEB":
        granted["mweb_url"] = mweb_url(prepay, origin=call.origin)
    return granted
