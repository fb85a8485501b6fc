"""Columns of bills: the header's names, and the field that each is read into.

A row is read by these names and never by position: WeChat Pay has added columns, renamed some and
prints others for overseas merchants. A name that is not here is kept with the row, as printed.
"""

from __future__ import annotations

from typing import Final

# protocol-v2 section 6.6. The names after a comma are of older files or of the overseas ones.
_TRADE_NAMES: Final[dict[str, str]] = {
    "trade_time": "交易时间, trade time",
    "appid": "公众账号ID, appid",
    "mch_id": "商户号, mchid",
    "sub_mch_id": "特约商户号, 子商户号, sub mchid",
    "device_info": "设备号, device id",
    "transaction_id": "微信订单号, wechat order no",
    "out_trade_no": "商户订单号, merchant order no",
    "openid": "用户标识, user id",
    "trade_type": "交易类型, trade type",
    "trade_state": "交易状态, trade state",
    "bank_type": "付款银行, bank",
    "fee_type": "货币种类, 标价币种, pricing currency",
    "total_fee": "订单金额, 总金额, 标价金额, order amount (pricing), order amount",
    "settlement_total_fee": "应结订单金额, 结算金额, settlement order amount",
    "settlement_fee_type": "结算币种, settlement currency",
    "coupon_fee": "代金券金额, 代金券或立减优惠金额, coupon amount",
    "coupon_fee_type": "代金券币种, coupon currency",
    "payer_total": "用户支付金额, payer amount",
    "payer_currency": "用户支付币种, payer currency",
    "refund_id": "微信退款单号, wechat refund no",
    "out_refund_no": "商户退款单号, merchant refund no",
    "refund_fee": "申请退款金额, requested refund amount",
    "settlement_refund_fee": "退款金额, refund settlement amount",
    "coupon_refund_fee": "充值券退款金额, 代金券或立减优惠退款金额, coupon refund amount",
    "refund_type": "退款类型, refund type",
    "refund_status": "退款状态, refund status",
    "refund_applied_at": "退款申请时间",
    "refund_success_time": "退款成功时间",
    "body": "商品名称, goods name",
    "attach": "商户数据包, attach",
    "fee": "手续费, fee",
    "rate": "费率, fee rate",
    "rate_note": "费率备注",
}
# protocol-v2 section 6.7.
_FUND_FLOW_NAMES: Final[dict[str, str]] = {
    "booked_at": "记账时间",
    "transaction_id": "微信支付业务单号",
    "flow_id": "资金流水单号",
    "business_name": "业务名称",
    "business_type": "业务类型",
    "direction": "收支类型",
    "amount": "收支金额（元）, 收支金额(元), 收支金额",
    "balance": "账户结余（元）, 账户结余(元), 账户结余",
    "submitted_by": "资金变更提交申请人",
    "note": "备注",
    "voucher_no": "业务凭证号",
}


def _by_name(names: dict[str, str]) -> dict[str, str]:
    return {name.casefold(): field for field, known in names.items() for name in known.split(", ")}


TRADE_COLUMNS: Final = _by_name(_TRADE_NAMES)
FUND_FLOW_COLUMNS: Final = _by_name(_FUND_FLOW_NAMES)

# Without these nothing of a row can be compared.
TRADE_NEEDS: Final = ("trade_time", "out_trade_no", "transaction_id", "trade_state")
FUND_FLOW_NEEDS: Final = ("booked_at", "flow_id", "direction", "amount")

# Texts of the shop's own, which may hold what separates columns.
FREE_TEXTS: Final = ("body", "attach")
FUND_FLOW_FREE_TEXTS: Final = ("submitted_by", "note")

# The summary's names: the count of rows, and the sums of the columns beside them.
ROW_COUNTS: Final = frozenset({"总交易单数", "资金流水总笔数"})
TRADE_SUMS: Final[dict[str, str]] = {
    "应结订单总金额": "settlement_total_fee",
    "退款总金额": "settlement_refund_fee",
    "充值券退款总金额": "coupon_refund_fee",
    "手续费总金额": "fee",
    "订单总金额": "total_fee",
    "申请退款总金额": "refund_fee",
    # Of older files, where the order's amount has the name of a sum.
    "总交易额": "total_fee",
    "总退款金额": "settlement_refund_fee",
    "总代金券或立减优惠退款金额": "coupon_refund_fee",
}


def fields_of(header: list[str], known: dict[str, str]) -> dict[str, int]:
    """Return the place of every field that ``header`` has. Of two names of one, the first known.

    A file with both 订单金额 and 总金额 has the order's amount under the newer name, which is the
    one that the table has first.
    """
    rank = {name: at for at, name in enumerate(known)}
    names = [name.strip().casefold() for name in header]
    places: dict[str, int] = {}
    for name in sorted((name for name in names if name in known), key=rank.__getitem__):
        places.setdefault(known[name], names.index(name))
    return places


def others_of(header: list[str], places: dict[str, int]) -> dict[str, int]:
    """Return the columns that no field has, by their printed names."""
    taken = set(places.values())
    return {name.strip(): at for at, name in enumerate(header) if at not in taken}
