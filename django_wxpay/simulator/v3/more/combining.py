"""Combined orders: several merchants' orders, placed, paid, queried and closed at once.

Each sub-order is a trade of its own merchant, so it is refunded like any other. The customer's
page pays one trade; the control plane pays a combined order. Source: protocol-v3 section 13.5.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from jsonschema.protocols import Validator

from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Api, Mode, Region
from django_wxpay.protocol.rules import IpAddress
from django_wxpay.protocol.times import parse_t14, to_rfc3339
from django_wxpay.protocol.v3.fields import ATTACH, DESCRIPTION, ID, NOTIFY_URL, NUMBER, OPENID
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.control.paying import SENTENCES, set_state, unpayable_reason
from django_wxpay.simulator.state.products import CombinedOrder
from django_wxpay.simulator.state.trades import CLOSED, PAID_STATES, SUCCESS, Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import Call, check_sub_merchant
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, wrong
from django_wxpay.simulator.v3.more.checking import (
    BOOLEAN,
    checked_appid,
    checked_body,
    checked_key,
    refusal,
    refuse_another,
)
from django_wxpay.simulator.v3.orders import check_expiry, compared, refuse_over, times_of
from django_wxpay.simulator.v3.schemas import (
    IDENTITY,
    TIME,
    Schema,
    items,
    record,
    short,
    text,
    whole,
    word,
)
from django_wxpay.simulator.v3.sealed import with_open_identity
from django_wxpay.simulator.v3.validation import BodyValidator

_MOST: Final = 50
_NUMBER: Final = text(NUMBER[Region.MAINLAND])
_SUB: Final = record(
    {
        "mchid": text(ID),
        "attach": text(ATTACH[Region.MAINLAND]),
        "amount": record({"total_amount": whole(1), "currency": word("CNY")}),
        "out_trade_no": _NUMBER,
        "description": text(DESCRIPTION),
    },
    {
        "sub_mchid": text(ID),
        "sub_appid": text(ID),
        "detail": short(6000),
        "goods_tag": short(32),
        "settle_info": record({}, {"profit_sharing": BOOLEAN, "subsidy_amount": whole()}),
    },
)
_H5: Final = record(
    {"type": short(32)},
    {name: short(128) for name in ("app_name", "app_url", "bundle_id", "package_name")},
)
_PERSON: Final = {"openid": text(OPENID), "sub_openid": text(OPENID), "identity": IDENTITY}


def _several(item: Schema) -> Schema:
    return items(item) | {"minItems": 2, "maxItems": _MOST}


def _create(trade_type: str) -> Validator:
    scene = {"payer_client_ip": text(IpAddress())}
    device = {"device_id": short(32)}
    required = {
        "combine_appid": text(ID),
        "combine_mchid": text(ID),
        "combine_out_trade_no": _NUMBER,
        "sub_orders": _several(_SUB),
        "notify_url": text(NOTIFY_URL[Region.MAINLAND]),
    }
    optional = {
        "time_start": TIME,
        "time_expire": TIME,
        "limit_pay": items(word("no_balance", "no_debit", "balance_only")),
        "scene_info": record(scene, device),
        "combine_payer_info": record({}, _PERSON),
    }
    if trade_type == TradeType.JSAPI:
        del optional["combine_payer_info"]
        required["combine_payer_info"] = record(
            {}, _PERSON, anyOf=[{"required": ["openid"]}, {"required": ["sub_openid"]}]
        )
    if trade_type == TradeType.MWEB:
        del optional["scene_info"]
        required["scene_info"] = record(scene | {"h5_info": _H5}, device)
    return BodyValidator(record(required, optional))


_CREATES: Final = {
    kind: _create(kind)
    for kind in (TradeType.JSAPI, TradeType.NATIVE, TradeType.APP, TradeType.MWEB)
}
_CLOSE: Final = BodyValidator(
    record(
        {
            "combine_appid": text(ID),
            "sub_orders": _several(
                record(
                    {"mchid": text(ID), "out_trade_no": _NUMBER},
                    {"sub_mchid": text(ID), "sub_appid": text(ID)},
                )
            ),
        }
    )
)


def combine(world: World, call: Call) -> Answer:
    """Place several orders, or return another prepay of the same; lock held."""
    kind = TradeType(call.route.trade_type)
    body = checked_body(call, _CREATES[kind])
    if body["combine_mchid"] != call.account.mch_id:
        raise wrong("/combine_mchid", "not the mchid in Authorization")
    checked_appid(call, body["combine_appid"], at="/combine_appid")
    body = with_open_identity(world, call, body, holder="combine_payer_info")
    key = call.account.mch_id, body["combine_out_trade_no"]
    found = world.products.combined.get(key)
    if found is None:
        check_expiry(world, body)
        found = world.products.combined[key] = CombinedOrder(
            document=body, trade_type=kind, trades=_trades(world, call, body, kind)
        )
    else:
        _check_again(world, found, body, kind)
    prepays = [world.new_prepay(trade) for trade in found.trades]
    match kind:
        case TradeType.NATIVE:
            content = {"code_url": prepays[0].code_url}
        case TradeType.MWEB:
            content = {"h5_url": world.mweb_url(prepays[0], origin=call.request.origin)}
        case _:
            content = {"prepay_id": prepays[0].prepay_id}
    return Answer(status=200, content=content)


def query_combined(world: World, call: Call) -> Answer:
    """Return a combined order and its sub-orders; lock held."""
    found = _found(world, call)
    names = ("combine_appid", "combine_mchid", "combine_out_trade_no")
    content = {name: found.document[name] for name in names}
    payer = found.document.get("combine_payer_info", {})
    # An identity is not given back: it is here in plain text.
    openids = {name: payer[name] for name in ("openid", "sub_openid") if name in payer}
    if openids:
        content["combine_payer_info"] = openids
    if found.transaction_id:
        content["combine_transaction_id"] = found.transaction_id
    pairs = zip(found.document["sub_orders"], found.trades, strict=True)
    content["sub_orders"] = [_sub_order(sub, trade) for sub, trade in pairs]
    return Answer(status=200, content=content)


def close_combined(world: World, call: Call) -> Answer:
    """Close a combined order that is not paid; closing it again is a success too. Lock held."""
    call_body = checked_body(call, _CLOSE)
    found = _found(world, call)
    own = {
        (trade.mch_id, trade.out_trade_no): trade.terms.get("sub_mch_id", "")
        for trade in found.trades
    }
    named = {}
    for sub in call_body["sub_orders"]:
        key = sub["mchid"], sub["out_trade_no"]
        named[key] = sub.get("sub_mchid", own.get(key))
    if named != own or call_body["combine_appid"] != found.document["combine_appid"]:
        raise refusal("子单与合单不匹配", "These are not the sub-orders of the combined order.")
    if any(trade.state in PAID_STATES for trade in found.trades):
        raise V3Refusal("ORDER_PAID")
    for trade in found.trades:
        trade.state = CLOSED
    return Answer(status=204)


def _lapse(found: CombinedOrder, *, now: datetime) -> None:
    for trade in found.trades:
        trade.lapse(now)


def pay_combined(world: World, mch_id: str, out_trade_no: str) -> dict[str, Any]:
    """Let the customer pay a combined order, without a notification; lock held."""
    found = world.products.combined.get((mch_id, out_trade_no))
    if found is None:
        detail = f"merchant {mch_id} has no combined order {out_trade_no}"
        raise ControlError("unknown_trade", detail, status=404)
    _lapse(found, now=world.clock.now())
    for trade in found.trades:
        reason = unpayable_reason(world, trade, trade.live_prepay)
        if reason:
            raise ControlError(reason, f"sub-order {trade.out_trade_no}: {SENTENCES[reason]}")
    for trade in found.trades:
        set_state(world, trade, SUCCESS)
    found.transaction_id = world.identifiers.transaction_id(world.clock.now())
    return {
        "combine_out_trade_no": out_trade_no,
        "combine_transaction_id": found.transaction_id,
        "transaction_ids": [trade.transaction_id for trade in found.trades],
    }


def _found(world: World, call: Call) -> CombinedOrder:
    number = checked_key(call, NUMBER[Region.MAINLAND], "combine_out_trade_no")
    found = world.products.combined.get((call.account.mch_id, number))
    if found is None:
        raise V3Refusal("ORDER_NOT_EXIST")
    _lapse(found, now=world.clock.now())
    return found


def _trades(world: World, call: Call, body: dict[str, Any], kind: TradeType) -> list[Trade]:
    now = world.clock.now()
    made: dict[tuple[str, str], Trade] = {}
    for at, sub in enumerate(body["sub_orders"]):
        key = sub["mchid"], sub["out_trade_no"]
        if sub["mchid"] not in world.accounts:
            raise V3Refusal("MCH_NOT_EXISTS")
        is_partner = world.accounts[sub["mchid"]].mode is Mode.INSTITUTIONAL
        if is_partner is not ("sub_mchid" in sub):
            issue = "missing" if is_partner else "for partners alone"
            raise wrong(f"/sub_orders/{at}/sub_mchid", issue)
        check_sub_merchant(call, sub.get("sub_mchid"), world.options)
        if key in made or world.trades.find(*key, now=now) is not None:
            raise V3Refusal("OUT_TRADE_NO_USED")
        made[key] = _trade(world, body, sub, kind)
    for trade in made.values():
        world.trades.add(trade)
    return list(made.values())


def _trade(world: World, body: dict[str, Any], sub: dict[str, Any], kind: TradeType) -> Trade:
    payer = body.get("combine_payer_info", {})
    terms = {
        "appid": body["combine_appid"],
        "mch_id": sub["mchid"],
        "sub_mch_id": sub.get("sub_mchid", ""),
        "sub_appid": sub.get("sub_appid", ""),
        "body": sub["description"],
        "out_trade_no": sub["out_trade_no"],
        "attach": sub["attach"],
        "notify_url": body["notify_url"],
        "openid": payer.get("openid", ""),
        "total_fee": str(sub["amount"]["total_amount"]),
        "fee_type": sub["amount"]["currency"],
        "trade_type": kind.value,
        **times_of(body),
    }
    return Trade(
        mch_id=sub["mchid"],
        out_trade_no=sub["out_trade_no"],
        terms={name: value for name, value in terms.items() if value},
        sign_type="",
        created_at=world.clock.now(),
        api=Api.V3,
        document=sub,
        is_combined=True,
    )


def _check_again(world: World, found: CombinedOrder, body: dict[str, Any], kind: TradeType) -> None:
    now = world.clock.now()
    _lapse(found, now=now)
    for trade in found.trades:
        refuse_over(trade, now=now)
    if found.trade_type != kind:
        raise V3Refusal("OUT_TRADE_NO_USED")
    refuse_another(compared(found.document), compared(body))


def _sub_order(sub: dict[str, Any], trade: Trade) -> dict[str, Any]:
    names = ("mchid", "sub_mchid", "sub_appid", "out_trade_no", "attach")
    content = {name: sub[name] for name in names if name in sub}
    content |= {"trade_type": trade.terms["trade_type"], "trade_state": trade.state}
    amount = dict(sub["amount"])
    if trade.payment:
        paid_at = to_rfc3339(parse_t14(trade.payment["time_end"]))
        content |= {"transaction_id": trade.transaction_id, "success_time": paid_at}
        content["bank_type"] = trade.payment["bank_type"]
        amount |= {"payer_amount": int(trade.payment["cash_fee"]), "payer_currency": "CNY"}
    return content | {"amount": amount}
