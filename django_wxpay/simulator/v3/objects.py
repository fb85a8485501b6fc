"""JSON objects of an order, the same in queries and callbacks.

Sources: protocol-v3 sections 3.3 and 4.3. The global and the mainland family differ in
names. For an unpaid order the global one has empty members, and the mainland one omits them.
"""

from __future__ import annotations

import json
from typing import Any, Final

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.times import parse_t14, to_rfc3339
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.trades import (
    ACCEPT,
    CLOSED,
    DESCRIPTIONS,
    NOTPAY,
    PAID_STATES,
    PAYERROR,
    REFUND,
    REVOKED,
    SUCCESS,
    USERPAYING,
    Trade,
)

_ENGLISH_DESCRIPTIONS: Final[dict[str, str]] = {
    NOTPAY: "Order not paid",
    USERPAYING: "Payment in progress",
    SUCCESS: "Payment successful",
    REFUND: "Transferred to refund",
    CLOSED: "Order closed",
    REVOKED: "Order revoked",
    PAYERROR: "Payment failed. Place another order and pay it again.",
}

# Every name of a member that the families name differently: (global, mainland). Sources:
# protocol-v3 sections 3.3 and 4.3; protocol-v3 section 11 for the spellings.
_PROMOTION_NAMES: Final = {
    **dict.fromkeys(("promotion_id", "coupon_id"), ("promotion_id", "coupon_id")),
    **dict.fromkeys(("activity_id", "stock_id"), ("activity_id", "stock_id")),
    **dict.fromkeys(
        (
            *("wxpay_contribute_amount", "wechatpay_contribute_amount"),
            *("wxpay_contribute", "wechatpay_contribute"),
        ),
        ("wxpay_contribute_amount", "wechatpay_contribute"),
    ),
    **dict.fromkeys(
        ("merchant_contribute_amount", "merchant_contribute"),
        ("merchant_contribute_amount", "merchant_contribute"),
    ),
    **dict.fromkeys(
        ("other_contribute_amount", "other_contribute"),
        ("other_contribute_amount", "other_contribute"),
    ),
}
_GOODS_NAMES: Final = dict.fromkeys(("price", "unit_price"), ("price", "unit_price"))
# Types of a promotion, funded in advance or not.
_PROMOTION_TYPES: Final = {
    **dict.fromkeys(("COUPON", "CASH"), ("COUPON", "CASH")),
    **dict.fromkeys(("DISCOUNT", "NOCASH"), ("DISCOUNT", "NOCASH")),
}


def order_object(
    trade: Trade,
    account: Account,
    *,
    contribution: str,
    is_english: bool,
    state: str = "",
) -> dict[str, Any]:
    """Return ``trade`` as queries and callbacks contain it; ``state`` replaces the present one."""
    state = state or trade.state
    # ACCEPT is a state of v2 only.
    state = USERPAYING if state == ACCEPT else state
    region = account.region
    members = {
        **_identity(trade, account),
        "out_trade_no": trade.out_trade_no,
        "trade_state": state,
        "trade_state_desc": (_ENGLISH_DESCRIPTIONS if is_english else DESCRIPTIONS)[state],
    }
    if "attach" in trade.terms:
        members["attach"] = trade.terms["attach"]
    if state not in PAID_STATES:
        return members | _unpaid(trade, region)
    return members | _paid(trade, account, contribution)


def _identity(trade: Trade, account: Account) -> dict[str, str]:
    """Return the identity of the merchant: one group of members, never both."""
    terms = trade.terms
    if account.mode is Mode.COMMON:
        return {"appid": terms["appid"], "mchid": trade.mch_id}
    named = {"sp_appid": terms["appid"], "sp_mchid": trade.mch_id}
    subs = {"sub_appid": terms.get("sub_appid"), "sub_mchid": terms.get("sub_mch_id")}
    return named | {name: text for name, text in subs.items() if text}


def _unpaid(trade: Trade, region: Region) -> dict[str, Any]:
    total, currency = int(trade.terms["total_fee"]), trade.terms.get("fee_type", "CNY")
    if region is Region.MAINLAND:
        # Real answers contain no currency but the payer's.
        return {
            "amount": {"payer_currency": "CNY", "total": total},
            "promotion_detail": [],
            "scene_info": {"device_id": trade.terms.get("device_info", "")},
        }
    return {
        "id": "",
        "trade_type": trade.terms["trade_type"],
        "bank_type": "",
        "success_time": "",
        "payer": {},
        "amount": {"total": total, "payer_total": 0, "currency": currency, "payer_currency": ""},
    }


def _paid(trade: Trade, account: Account, contribution: str) -> dict[str, Any]:
    payment, region = trade.payment, account.region
    is_mainland = region is Region.MAINLAND
    members: dict[str, Any] = {
        "transaction_id" if is_mainland else "id": trade.transaction_id,
        "trade_type": payment["trade_type"],
        "bank_type": payment["bank_type"],
        "success_time": to_rfc3339(parse_t14(payment["time_end"])),
        "payer": _payer(payment, account.mode),
        "amount": _amount(payment, region),
    }
    if is_mainland:
        # Empty for an order without one (protocol-v3 section 4.3).
        members["attach"] = trade.terms.get("attach", "")
    if is_mainland and "device_info" in trade.terms:
        members["scene_info"] = {"device_id": trade.terms["device_info"]}
    if "promotion_detail" in payment:
        promotions = json.loads(payment["promotion_detail"])["promotion_detail"]
        members["promotion_detail"] = [
            _promotion({"currency": payment["fee_type"], **one}, account, contribution)
            for one in promotions
        ]
    return members


def _payer(payment: dict[str, str], mode: Mode) -> dict[str, str]:
    if mode is Mode.COMMON:
        return {"openid": payment["openid"]}
    both = {"sp_openid": payment["openid"], "sub_openid": payment.get("sub_openid", "")}
    return {name: openid for name, openid in both.items() if openid}


def _amount(payment: dict[str, str], region: Region) -> dict[str, Any]:
    amount: dict[str, Any] = {
        "total": int(payment["total_fee"]),
        "payer_total": int(payment["cash_fee"]),
        "currency": payment["fee_type"],
        "payer_currency": payment["cash_fee_type"],
    }
    if region is Region.GLOBAL and "rate_value" in payment:
        rate = int(payment["rate_value"])
        amount["exchange_rate"] = {"type": "SETTLEMENT_RATE", "rate": rate}
    return amount


def _promotion(given: dict[str, Any], account: Account, contribution: str) -> dict[str, Any]:
    """Return a promotion with the names of its family, whatever names it was given under.

    ``contribution`` is ``wxpay`` or ``wechatpay``, for the member that the global documents
    spell in two ways (protocol-v3 section 11). Unknown members stay unchanged.
    """
    is_mainland = account.region is Region.MAINLAND
    members = _renamed(given, _PROMOTION_NAMES, is_mainland=is_mainland)
    kind = members.get("type")
    if isinstance(kind, str) and kind in _PROMOTION_TYPES:
        members["type"] = _PROMOTION_TYPES[kind][is_mainland]
    lines = members.get("goods_detail")
    if isinstance(lines, list):
        # The control plane accepts any JSON here; what is no object is sent unchanged.
        members["goods_detail"] = [
            _renamed(line, _GOODS_NAMES, is_mainland=is_mainland)
            if isinstance(line, dict)
            else line
            for line in lines
        ]
    if contribution == "wechatpay" and not is_mainland:
        return {name.replace("wxpay_", "wechatpay_"): value for name, value in members.items()}
    return members


def _renamed(
    given: dict[str, Any], names: dict[str, tuple[str, str]], *, is_mainland: bool
) -> dict[str, Any]:
    return {names.get(name, (name, name))[is_mainland]: value for name, value in given.items()}
