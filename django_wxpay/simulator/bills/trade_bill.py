"""Trade bills and global statements, printed: a header, the rows, and the summary.

Values have a back-tick before them and are not quoted otherwise, whatever they hold (protocol-v2
section 6.6). A statement has the columns of protocol-v3 section 3.7, under their English meanings,
since the documents give no other names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from django_wxpay.protocol.times import BEIJING
from django_wxpay.simulator.bills.contents import Entry, printed
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.state.trades import REVOKED

Columns = Mapping[str, str]

_HEAD: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额"
)
_OF_REFUND: Final = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
_TIMES: Final = "退款申请时间,退款成功时间"
_TAIL: Final = "商品名称,商户数据包,手续费,费率,订单金额"
_SUMS: Final = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
# By bill_type (protocol-v2 section 6.6).
HEADERS: Final[Mapping[str, Sequence[str]]] = {
    "ALL": f"{_HEAD},{_OF_REFUND},{_TAIL},申请退款金额,费率备注".split(","),
    "SUCCESS": f"{_HEAD},{_TAIL},费率备注".split(","),
    "REFUND": f"{_HEAD},退款申请时间,退款成功时间,{_OF_REFUND},{_TAIL},申请退款金额,费率备注".split(
        ","
    ),
    "RECHARGE_REFUND": (
        f"{_HEAD},{_TIMES},{_OF_REFUND},{_TAIL},申请退款金额,费率备注,返还手续费"
    ).split(","),
}
# The 24 columns of older files, where the order's amount has another name.
OLDER: Final = {
    "特约商户号": "子商户号",
    "应结订单金额": "总金额",
    "代金券金额": "代金券或立减优惠金额",
}
OLD_HEADER: Final = [OLDER.get(name, name) for name in HEADERS["ALL"][:24]]
STATEMENT_HEADER: Final = (
    "trade time,appid,mchid,sub mchid,device id,WeChat order no,merchant order no,user id,"
    "trade type,trade state,bank,coupon currency,coupon amount,discount currency,discount amount,"
    "WeChat refund no,merchant refund no,refund type,refund status,goods name,attach,fee,fee rate,"
    "pricing currency,order amount (pricing),payer currency,payer amount,settlement currency,"
    "settlement order amount,payment rate,refund rate,requested refund amount,"
    "payer refund currency,payer refund amount,refund settlement currency,"
    "refund settlement amount,coupon refund amount,discount refund amount"
).split(",")


def trade_bill(
    entries: Iterable[Entry],
    options: Options,
    *,
    bill_type: str = "ALL",
    change: Callable[[list[dict[str, str]]], None] = lambda _: None,
    header: Sequence[str] = (),
) -> str:
    """Print a mainland bill; ``change`` spoils its rows, ``header`` is in the place of its own."""
    chosen = [entry for entry in entries if _belongs(entry, bill_type)]
    rows = [columns_of(entry, options) for entry in chosen]
    change(rows)
    return _written(rows, header or HEADERS[bill_type])


def statement(
    entries: Iterable[Entry],
    options: Options,
    *,
    change: Callable[[list[dict[str, str]]], None] = lambda _: None,
    header: Sequence[str] = (),
) -> str:
    """Print a global statement."""
    rows = [columns_of(entry, options) for entry in entries]
    change(rows)
    named = [{english: row.get(name, "") for english, name in _ENGLISH.items()} for row in rows]
    others = [{name: row[name] for name in row if name not in _KNOWN} for row in rows]
    whole = [row | other for row, other in zip(named, others, strict=True)]
    return _written(whole, header or STATEMENT_HEADER, sums={})


def columns_of(entry: Entry, options: Options) -> dict[str, str]:
    """Return the columns of one row, by their Chinese names."""
    trade, refund, currency = entry.trade, entry.refund, entry.currency
    terms, payment = trade.terms, trade.payment
    zero = printed(0, currency)
    row = {
        "交易时间": f"{entry.at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
        "公众账号ID": terms.get("appid", ""),
        "商户号": trade.mch_id,
        "特约商户号": terms.get("sub_mch_id", "0"),
        "设备号": terms.get("device_info", ""),
        "微信订单号": trade.transaction_id,
        "商户订单号": trade.out_trade_no,
        "用户标识": payment.get("openid", ""),
        "交易类型": terms["trade_type"],
        "交易状态": "REVOKED" if trade.state == REVOKED else "SUCCESS",
        "付款银行": payment.get("bank_type", "OTHERS"),
        "货币种类": currency,
        "应结订单金额": printed(entry.total, currency),
        "代金券金额": printed(int(payment.get("coupon_fee", 0)), currency),
        "微信退款单号": "0",
        "商户退款单号": "0",
        "退款金额": zero,
        "充值券退款金额": zero,
        "退款类型": "",
        "退款状态": "",
        "商品名称": terms.get("body", ""),
        "商户数据包": terms.get("attach", ""),
        "手续费": printed(entry.fee, currency, extra=3),
        "费率": f"{options.fee_basis_points // 100}.{options.fee_basis_points % 100:02d}%",
        "订单金额": printed(entry.total, currency),
        "申请退款金额": zero,
        "费率备注": "",
    }
    if refund is not None:
        row |= {
            "交易状态": "REFUND",
            "应结订单金额": zero,
            "代金券金额": zero,
            "订单金额": zero,
            "微信退款单号": refund.refund_id,
            "商户退款单号": refund.out_refund_no,
            "退款金额": printed(refund.settlement_refund_fee, currency),
            "申请退款金额": printed(refund.refund_fee, currency),
            "充值券退款金额": printed(refund.coupon_refund_fee, currency),
            "退款类型": refund.channel,
            "退款状态": "CHANGE" if refund.status == "ABNORMAL" else refund.status,
            "退款申请时间": row["交易时间"],
            "退款成功时间": _time(entry),
            "返还手续费": printed(-entry.fee, currency, extra=3),
        }
    return row


def _time(entry: Entry) -> str:
    success = entry.refund.success_time if entry.refund else None
    return f"{success.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}" if success else ""


def _belongs(entry: Entry, bill_type: str) -> bool:
    if bill_type == "ALL":
        return True
    return (entry.refund is None) == (bill_type == "SUCCESS")


_ENGLISH: Final = {
    "trade time": "交易时间",
    "appid": "公众账号ID",
    "mchid": "商户号",
    "sub mchid": "特约商户号",
    "device id": "设备号",
    "WeChat order no": "微信订单号",
    "merchant order no": "商户订单号",
    "user id": "用户标识",
    "trade type": "交易类型",
    "trade state": "交易状态",
    "bank": "付款银行",
    "coupon currency": "货币种类",
    "coupon amount": "代金券金额",
    "WeChat refund no": "微信退款单号",
    "merchant refund no": "商户退款单号",
    "refund type": "退款类型",
    "refund status": "退款状态",
    "goods name": "商品名称",
    "attach": "商户数据包",
    "fee": "手续费",
    "fee rate": "费率",
    "pricing currency": "货币种类",
    "order amount (pricing)": "订单金额",
    "settlement currency": "货币种类",
    "settlement order amount": "应结订单金额",
    "requested refund amount": "申请退款金额",
    "refund settlement currency": "货币种类",
    "refund settlement amount": "退款金额",
    "coupon refund amount": "充值券退款金额",
}
_KNOWN: Final = frozenset(HEADERS["RECHARGE_REFUND"])


def _written(
    rows: Sequence[Columns], header: Sequence[str], *, sums: Mapping[str, str] = _SUMS
) -> str:
    summary = {"总交易单数": str(len(rows))}
    for name, column in sums.items():
        if column in header:
            summary[name] = _sum(row.get(column, "") for row in rows)
    return written(header, rows, summary)


def written(header: Sequence[str], rows: Iterable[Columns], summary: Columns) -> str:
    """Print a file of these columns."""
    lines = [
        ",".join(header),
        *(_line(row.get(name, "") for name in header) for row in rows),
        ",".join(summary),
        _line(summary.values()),
    ]
    return "".join(f"{line}\r\n" for line in lines)


def _line(values: Iterable[str]) -> str:
    return ",".join(f"`{value}" for value in values)


def _sum(values: Iterable[str]) -> str:
    """Add printed amounts, in hundred-thousandths of the major unit."""
    total = 0
    for value in filter(None, values):
        whole, _, fraction = value.removeprefix("-").partition(".")
        units = int(whole + fraction.ljust(5, "0"))
        total += -units if value.startswith("-") else units
    sign = "-" if total < 0 else ""
    return f"{sign}{abs(total) // 100_000}.{abs(total) % 100_000:05d}"
