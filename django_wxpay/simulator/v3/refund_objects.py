"""How a refund is told in a v3 callback, in each family's words (protocol-v3 section 6.3)."""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.refunds import Refund

# The global family has a word of its own for one of them.
_OVERSEAS_WORDS: Final = {"CLOSED": "REFUNDCLOSE"}


def refund_object(refund: Refund, account: Account) -> dict[str, Any]:
    """Return what the gateway says of ``refund``."""
    trade = refund.trade
    is_global = account.region is Region.GLOBAL
    status = _OVERSEAS_WORDS.get(refund.status, refund.status) if is_global else refund.status
    told: dict[str, Any] = {
        **_merchant(refund, account),
        "out_trade_no": trade.out_trade_no,
        "transaction_id": trade.transaction_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_status": status,
    }
    if refund.status == "SUCCESS":
        told["success_time"] = to_rfc3339(refund.updated_at)
    return told | (_overseas(refund) if is_global else _mainland(refund))


def _merchant(refund: Refund, account: Account) -> dict[str, str]:
    if account.mode is Mode.COMMON:
        return {"mchid": account.mch_id}
    return {"sp_mchid": account.mch_id, "sub_mchid": refund.trade.terms["sub_mch_id"]}


def _mainland(refund: Refund) -> dict[str, Any]:
    return {"user_received_account": "支付用户零钱", "amount": _amount(refund)}


def _overseas(refund: Refund) -> dict[str, Any]:
    payment = refund.trade.payment
    amount = _amount(refund) | {
        "currency": payment["fee_type"],
        "payer_currency": payment["cash_fee_type"],
    }
    if "rate_value" in payment:
        rate = int(payment["rate_value"])
        amount["exchange_rate"] = {"type": "SETTLEMENT_RATE", "rate": rate}
    return {
        "recv_account": "User balance",
        "fund_source": "REFUND_SOURCE_UNSETTLED_FUNDS",
        "amount": amount,
    }


def _amount(refund: Refund) -> dict[str, Any]:
    payment = refund.trade.payment
    total, payer_total = int(payment["total_fee"]), int(payment["cash_fee"])
    return {
        "total": total,
        "refund": refund.refund_fee,
        "payer_total": payer_total,
        # Rounded half up (protocol-v3 section 4.4 says no more than that it is rounded).
        "payer_refund": (2 * refund.refund_fee * payer_total + total) // (2 * total),
    }
