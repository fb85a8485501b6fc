"""JSON objects of a refund: in answers of both families, in the global list, and in callbacks.

Sources: protocol-v3 sections 3.5, 3.6, 4.4 and 6.3. The two families have few names in common, and
a callback has others than an answer of the same family.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.state.refunds import SUCCESS, WALLET, Refund, share
from django_wxpay.simulator.state.trades import Trade

# The global family names one state differently (protocol-v3 section 6.2).
_GLOBAL_STATUS: Final = {"CLOSED": "REFUNDCLOSE"}
_USUAL_SOURCE: Final = "REFUND_SOURCE_UNSETTLED_FUNDS"
_RECEIVERS: Final = {WALLET: "User balance"}
# WeChat Pay's fee, 0.6 %, in thousandths: a number that cannot be taken for the refund itself.
_FEE: Final = 6


def refund_object(refund: Refund, account: Account, status: str) -> dict[str, Any]:
    """Return ``refund`` as a callback contains it, ended as ``status``."""
    trade = refund.trade
    is_global = account.region is Region.GLOBAL
    members: dict[str, Any] = {
        **_merchant(refund.trade, account),
        "out_trade_no": trade.out_trade_no,
        "transaction_id": trade.transaction_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_status": _GLOBAL_STATUS.get(status, status) if is_global else status,
    }
    if status == SUCCESS:
        members["success_time"] = to_rfc3339(refund.updated_at)
    if not is_global:
        amount = _totals(trade) | _parts(refund)
        return members | {"user_received_account": refund.received_by, "amount": amount}
    amount = _totals(trade) | _parts(refund) | _currencies(trade)
    return members | _funds(refund) | {"amount": amount}


def mainland_refund(refund: Refund, options: Options) -> dict[str, Any]:
    """Return ``refund`` as every mainland answer contains it (protocol-v3 section 4.4)."""
    trade = refund.trade
    members: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "channel": refund.channel,
        "user_received_account": refund.received_by,
        "create_time": to_rfc3339(refund.created_at),
        "status": refund.status,
        "funds_account": refund.funds or "UNSETTLED",
        "amount": _mainland_amount(refund, options),
        "promotion_detail": [
            {name: value for name, value in one.items() if name != "currency"}
            for one in _promotions(refund)
        ],
    }
    return members | _success_time(refund)


def _mainland_amount(refund: Refund, options: Options) -> dict[str, Any]:
    trade = refund.trade
    total = int(trade.terms["total_fee"])
    amount: dict[str, Any] = {
        **_totals(trade),
        **_parts(refund),
        "from": [],
        "settlement_refund": refund.settlement_refund_fee,
        "settlement_total": int(trade.payment.get("settlement_total_fee", total)),
        "discount_refund": refund.coupon_refund_fee,
        "currency": trade.payment["fee_type"],
    }
    if options.refunds_name_fee:
        amount["refund_fee"] = refund.refund_fee * _FEE // 1000
    return amount


def global_acceptance(refund: Refund, options: Options) -> dict[str, Any]:
    """Return the answer to a global refund, which has no status (protocol-v3 section 3.5)."""
    return {
        "id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "create_time": to_rfc3339(refund.created_at),
        "amount": _global_amount(refund),
        **_global_promotions(refund, options.refund_promotions),
    }


def global_refund(refund: Refund, options: Options) -> dict[str, Any]:
    """Return ``refund`` as a global query contains it (protocol-v3 section 3.6)."""
    numbers = {
        "transaction_id": refund.trade.transaction_id,
        "out_trade_no": refund.trade.out_trade_no,
    }
    return _global_row(refund) | numbers | _global_promotions(refund, options.refund_promotions)


def global_list(
    trade: Trade, account: Account, page: Iterable[Refund], *, total: int
) -> dict[str, Any]:
    """Return a page of a trade's refunds, ``total`` in all (protocol-v3 section 3.6)."""
    payment = trade.payment
    rows = [_global_row(one) | _global_promotions(one, "refund_detail") for one in page]
    return {
        "id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        **_merchant(trade, account),
        "amount": {
            **_totals(trade),
            "currency": payment["fee_type"],
            "payer_currency": payment["cash_fee_type"],
        },
        "data": rows,
        "total_num": total,
        "current_total_num": len(rows),
    }


def _global_row(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "channel": refund.channel,
        **_funds(refund),
        "create_time": to_rfc3339(refund.created_at),
        **_success_time(refund),
        "status": _GLOBAL_STATUS.get(refund.status, refund.status),
        "amount": _global_amount(refund),
    }


def _global_amount(refund: Refund) -> dict[str, Any]:
    return _parts(refund) | _currencies(refund.trade)


def _merchant(trade: Trade, account: Account) -> dict[str, str]:
    if account.mode is Mode.COMMON:
        return {"mchid": account.mch_id}
    return {"sp_mchid": account.mch_id, "sub_mchid": trade.terms["sub_mch_id"]}


def _success_time(refund: Refund) -> dict[str, str]:
    moment = refund.success_time
    return {} if moment is None else {"success_time": to_rfc3339(moment)}


def _funds(refund: Refund) -> dict[str, str]:
    return {
        "recv_account": _RECEIVERS.get(refund.received_by, refund.received_by),
        "fund_source": refund.funds or _USUAL_SOURCE,
    }


def _totals(trade: Trade) -> dict[str, int]:
    return {"total": int(trade.payment["total_fee"]), "payer_total": int(trade.payment["cash_fee"])}


def _parts(refund: Refund) -> dict[str, int]:
    return {"refund": refund.refund_fee, "payer_refund": refund.payer_refund}


def _currencies(trade: Trade) -> dict[str, Any]:
    payment = trade.payment
    members: dict[str, Any] = {
        "currency": payment["fee_type"],
        "payer_currency": payment["cash_fee_type"],
    }
    if "rate_value" in payment:
        rate = int(payment["rate_value"])
        members["exchange_rate"] = {"type": "SETTLEMENT_RATE", "rate": rate}
    return members


def _global_promotions(refund: Refund, name: str) -> dict[str, Any]:
    """Return the promotions under ``name``: one object as ``detail``, else a list."""
    promotions = _promotions(refund)
    if not promotions:
        return {}
    return {"promotions": {name: promotions[0] if name == "detail" else promotions}}


def _promotions(refund: Refund) -> list[dict[str, Any]]:
    """Return each promotion of the payment with the part of it that goes back."""
    payment = refund.trade.payment
    given = json.loads(payment.get("promotion_detail", '{"promotion_detail": []}'))
    return [_promotion(refund, one, payment["fee_type"]) for one in given["promotion_detail"]]


def _promotion(refund: Refund, given: dict[str, Any], currency: str) -> dict[str, Any]:
    amount = given.get("amount", 0)
    # The control plane accepts any JSON in a promotion.
    amount = amount if isinstance(amount, int) else 0
    kind = given.get("type", "COUPON")
    return {
        "promotion_id": given.get("promotion_id", given.get("coupon_id", "")),
        "scope": given.get("scope", "GLOBAL"),
        "type": {"CASH": "COUPON", "NOCASH": "DISCOUNT"}.get(str(kind), kind),
        "amount": amount,
        "refund_amount": share(amount, refund.refund_fee, of=_totals(refund.trade)["total"]),
        "currency": given.get("currency", currency),
    }
