"""How a trade is told in JSON, by query and callback alike (protocol-v3 sections 3.3 and 4.3).

The two families differ in names, and in what they say of an order nobody has paid: the
global one says it with empty members, the mainland one leaves them out.
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
    NOTPAY,
    PAID_STATES,
    PAYERROR,
    REFUND,
    REVOKED,
    SUCCESS,
    USERPAYING,
    Trade,
)
from django_wxpay.simulator.v2.querying import DESCRIPTIONS
from django_wxpay.simulator.v3.promotions import spelled

_ENGLISH: Final[dict[str, str]] = {
    NOTPAY: "Order not paid",
    USERPAYING: "Payment in progress",
    SUCCESS: "Payment successful",
    REFUND: "Transferred to refund",
    CLOSED: "Order closed",
    REVOKED: "Order revoked",
    PAYERROR: "Payment failed. Place another order and pay it again.",
}


def order_object(
    trade: Trade,
    account: Account,
    *,
    contribution: str,
    is_english: bool,
    state: str = "",
) -> dict[str, Any]:
    """Return what the gateway says of ``trade``; ``state`` where it is not the present one."""
    state = state or trade.state
    # v3 has no word for money that is on its way.
    state = USERPAYING if state == ACCEPT else state
    region = account.region
    told = {
        **identity(trade, account),
        "out_trade_no": trade.out_trade_no,
        "trade_state": state,
        "trade_state_desc": (_ENGLISH if is_english else DESCRIPTIONS)[state],
    }
    if "attach" in trade.terms:
        told["attach"] = trade.terms["attach"]
    if state not in PAID_STATES:
        return told | _unpaid(trade, region)
    return told | _paid(trade, account, contribution)


def identity(trade: Trade, account: Account) -> dict[str, str]:
    """Return the members that say whose order it is: one group, never both."""
    terms = trade.terms
    if account.mode is Mode.COMMON:
        return {"appid": terms["appid"], "mchid": trade.mch_id}
    named = {"sp_appid": terms["appid"], "sp_mchid": trade.mch_id}
    subs = {"sub_appid": terms.get("sub_appid"), "sub_mchid": terms.get("sub_mch_id")}
    return named | {name: text for name, text in subs.items() if text}


def _unpaid(trade: Trade, region: Region) -> dict[str, Any]:
    total, currency = int(trade.terms["total_fee"]), trade.terms.get("fee_type", "CNY")
    if region is Region.MAINLAND:
        # As real answers have it: no currency but the payer's.
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
    told: dict[str, Any] = {
        "transaction_id" if is_mainland else "id": trade.transaction_id,
        "trade_type": payment["trade_type"],
        "bank_type": payment["bank_type"],
        "success_time": to_rfc3339(parse_t14(payment["time_end"])),
        "payer": _payer(payment, account.mode),
        "amount": _amount(payment, region),
    }
    if is_mainland and "device_info" in trade.terms:
        told["scene_info"] = {"device_id": trade.terms["device_info"]}
    if "promotion_detail" in payment:
        told["promotion_detail"] = spelled(
            json.loads(payment["promotion_detail"])["promotion_detail"],
            region=region,
            currency=payment["fee_type"],
            contribution="wxpay" if is_mainland else contribution,
        )
    return told


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
