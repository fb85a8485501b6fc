"""Wire fields of v2 refunds: in an answer, in a query, and sealed in a notification.

Sources: protocol-v2 sections 6.4, 6.5 and 7.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from django_wxpay.protocol.times import BEIJING
from django_wxpay.simulator.state.refunds import ABNORMAL, CLOSED, PROCESSING, SUCCESS, Refund
from django_wxpay.simulator.state.trades import Trade

_STATUSES: Final = {
    PROCESSING: "PROCESSING",
    SUCCESS: "SUCCESS",
    ABNORMAL: "CHANGE",
    CLOSED: "REFUNDCLOSE",
}
_USUAL_FUNDS: Final = "REFUND_SOURCE_UNSETTLED_FUNDS"


def accepted_fields(refund: Refund) -> dict[str, str]:
    """Return what the answer to a refund adds to the envelope."""
    payment = refund.trade.payment
    return {
        **_order(refund.trade),
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_fee": str(refund.refund_fee),
        "settlement_refund_fee": str(refund.settlement_refund_fee),
        "cash_fee_type": payment["cash_fee_type"],
        "cash_refund_fee": str(refund.payer_refund),
        "coupon_refund_fee": str(refund.coupon_refund_fee),
        **_coupons(refund, ""),
    }


def listed_fields(trade: Trade, page: Sequence[Refund], every: Iterable[Refund]) -> dict[str, str]:
    """Return what the answer to a query adds: ``page``, and the sums of ``every`` refund."""
    kept = [refund for refund in every if refund.status != CLOSED]
    fields = _order(trade) | {
        "refund_count": str(len(page)),
        "refund_fee": str(sum(refund.refund_fee for refund in kept)),
        "cash_refund_fee": str(sum(refund.payer_refund for refund in kept)),
        "coupon_refund_fee": str(sum(refund.coupon_refund_fee for refund in kept)),
    }
    for n, refund in enumerate(page):
        fields |= _listed(refund, f"_{n}")
    return fields


def notified_fields(refund: Refund, status: str) -> dict[str, str]:
    """Return the fields that ``req_info`` seals, for a refund that ended as ``status``."""
    trade = refund.trade
    settlement = trade.payment.get("settlement_total_fee")
    return {
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "total_fee": trade.terms["total_fee"],
        **({"settlement_total_fee": settlement} if settlement else {}),
        "refund_fee": str(refund.refund_fee),
        "settlement_refund_fee": str(refund.settlement_refund_fee),
        "refund_status": _STATUSES[status],
        "success_time": _t19(refund.updated_at) if status == SUCCESS else "",
        # WeChat Pay's own spelling.
        "refund_recv_accout": refund.received_by,
        "refund_account": refund.funds or _USUAL_FUNDS,
        "refund_request_source": refund.source,
    }


def _order(trade: Trade) -> dict[str, str]:
    payment = trade.payment
    names = ("total_fee", "settlement_total_fee", "fee_type", "cash_fee")
    return {
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        **{name: payment[name] for name in names if name in payment},
    }


def _listed(refund: Refund, suffix: str) -> dict[str, str]:
    fields = {
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_channel": refund.channel,
        "refund_fee": str(refund.refund_fee),
        "settlement_refund_fee": str(refund.settlement_refund_fee),
        "refund_status": _STATUSES[refund.status],
        "refund_account": refund.funds or _USUAL_FUNDS,
        "refund_recv_accout": refund.received_by,
    }
    if refund.success_time is not None:
        fields["refund_success_time"] = _t19(refund.success_time)
    if refund.coupons:
        fields["coupon_refund_fee"] = str(refund.coupon_refund_fee)
    indexed = {f"{name}{suffix}": value for name, value in fields.items()}
    return indexed | _coupons(refund, suffix)


def _coupons(refund: Refund, suffix: str) -> dict[str, str]:
    """Return the coupons of a refund, each under one more index than the refund has."""
    if not refund.coupons:
        return {}
    fields = {f"coupon_refund_count{suffix}": str(len(refund.coupons))}
    for m, coupon in enumerate(refund.coupons):
        fields[f"coupon_refund_id{suffix}_{m}"] = coupon.coupon_id
        fields[f"coupon_refund_fee{suffix}_{m}"] = str(coupon.refund_fee)
        if coupon.coupon_type:
            fields[f"coupon_type{suffix}_{m}"] = coupon.coupon_type
    return fields


def _t19(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
