"""Bills as WeChat Pay prints them, for tests that need one column or one byte out of place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

ALL: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
).split(",")
OLD: Final = [
    {
        "特约商户号": "子商户号",
        "应结订单金额": "总金额",
        "代金券金额": "代金券或立减优惠金额",
    }.get(name, name)
    for name in ALL[:24]
]
SUMMARY: Final = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
).split(",")
PAID: Final[dict[str, str]] = {
    "交易时间": "2026-11-01 08:35:41",
    "公众账号ID": "wxd930ea5d5a258f4f",
    "商户号": "10000100",
    "特约商户号": "0",
    "微信订单号": "4200000000202611010000000001",
    "商户订单号": "T20261101000001",
    "用户标识": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "交易类型": "JSAPI",
    "交易状态": "SUCCESS",
    "付款银行": "OTHERS",
    "货币种类": "CNY",
    "应结订单金额": "6.00",
    "代金券金额": "0.00",
    "微信退款单号": "0",
    "商户退款单号": "0",
    "退款金额": "0.00",
    "充值券退款金额": "0.00",
    "商品名称": "test",
    "手续费": "0.04000",
    "费率": "0.60%",
    "订单金额": "6.00",
    "申请退款金额": "0.00",
}
REFUNDED: Final = PAID | {
    "交易状态": "REFUND",
    "应结订单金额": "0.00",
    "订单金额": "0.00",
    "微信退款单号": "50000000002026110100000001",
    "商户退款单号": "R20261101000001",
    "退款金额": "1.50",
    "申请退款金额": "1.50",
    "退款类型": "ORIGINAL",
    "退款状态": "SUCCESS",
    "手续费": "-0.01000",
}


def paid(**changes: str) -> dict[str, str]:
    """Return the row of a payment, its columns by their printed names."""
    return PAID | changes


def refunded(**changes: str) -> dict[str, str]:
    """Return the row of a refund."""
    return REFUNDED | changes


def line(row: Mapping[str, str], header: Iterable[str] = ALL) -> str:
    """Print one row."""
    return ",".join(f"`{row.get(name, '')}" for name in header)


def text(
    *rows: Mapping[str, str],
    header: Iterable[str] = ALL,
    end: str = "\r\n",
    summary: Mapping[str, str] | None = None,
) -> str:
    """Print a bill; its summary agrees with the rows, but for what ``summary`` says."""
    header = list(header)
    sums: dict[str, Any] = {"总交易单数": f"{len(rows)}"}
    for name, column in zip(SUMMARY[1:], SUMMED, strict=True):
        sums[name] = _sum(row.get(column, "") for row in rows)
    sums |= summary or {}
    lines = [
        ",".join(header),
        *(line(row, header) for row in rows),
        ",".join(sums),
        ",".join(f"`{value}" for value in sums.values()),
    ]
    return end.join(lines) + end


SUMMED: Final = ("应结订单金额", "退款金额", "充值券退款金额", "手续费", "订单金额", "申请退款金额")


def _sum(values: Iterable[str]) -> str:
    # In units of 1/100,000: bills have no finer decimals.
    total = 0
    for value in filter(None, values):
        whole, _, fraction = value.removeprefix("-").partition(".")
        units = int(whole + fraction.ljust(5, "0"))
        total += -units if value.startswith("-") else units
    sign = "-" if total < 0 else ""
    return f"{sign}{abs(total) // 100_000}.{abs(total) % 100_000:05d}"
