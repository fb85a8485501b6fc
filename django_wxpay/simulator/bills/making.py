"""Making of a bill that is asked for: its text, the faults that spoil it, and its file.

A row that is missing, wrong or foreign is missing, wrong or foreign in the sums and in the digest
as well: what is spoilt is what WeChat Pay says, and not the way it says it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final

from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.simulator.bills.contents import entries_of, printed
from django_wxpay.simulator.bills.days import Stage, stage_of
from django_wxpay.simulator.bills.fund_flow import fund_flow
from django_wxpay.simulator.bills.trade_bill import (
    HEADERS,
    OLD_HEADER,
    OLDER,
    STATEMENT_HEADER,
    statement,
    trade_bill,
)
from django_wxpay.simulator.faults import catalogue
from django_wxpay.simulator.faults.script import DOWNLOADBILL, DOWNLOADFUNDFLOW
from django_wxpay.simulator.state.world import World

Rows = list[dict[str, str]]
_BASIC: Final = "BASIC"
_EXTRA: Final = "新增列"


class Missing(Enum):
    """The reason why there is no bill."""

    NO_BUSINESS = "no business that day, or not made yet"
    IN_THE_MAKING = "in the making"


class NoBill(Exception):
    """There is no bill, or not yet."""

    def __init__(self, reason: Missing) -> None:
        self.reason = reason
        super().__init__(reason.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One bill that a merchant asks for; ``account_type`` "" is a trade bill."""

    mch_id: str
    day: date
    region: Region
    api: Api
    bill_type: str = "ALL"
    account_type: str = ""
    sub_mch_id: str = ""
    is_gzip: bool = False

    @property
    def operation(self) -> str:
        return DOWNLOADFUNDFLOW if self.account_type else DOWNLOADBILL


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBill:
    """The file as it is sent, and the digest that is stated of its text."""

    body: bytes
    sha1: str


def make_bill(world: World, wanted: Wanted) -> MadeBill:
    """Return the bill that is asked for; raises ``NoBill``. The caller holds the lock."""
    taken = world.script.take(catalogue.Stage.BILL, wanted.operation, api=wanted.api)
    fault = "" if taken is None else taken.name
    stage = stage_of(wanted.day, world.clock.now(), at_once=world.options.bills_at_once)
    if fault == "bill_not_ready" or stage is Stage.IN_THE_MAKING:
        raise NoBill(Missing.IN_THE_MAKING)
    if fault == "bill_empty" or stage is Stage.NOT_YET:
        raise NoBill(Missing.NO_BUSINESS)
    text = _text(world, wanted, fault).encode()
    sha1 = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    body = gzip.compress(text, mtime=0) if wanted.is_gzip else text
    return MadeBill(
        body=_spoilt(body, fault), sha1=sha1[::-1] if fault == "bill_wrong_hash" else sha1
    )


def _text(world: World, wanted: Wanted, fault: str) -> str:
    sub_mch_id = wanted.sub_mch_id
    if wanted.account_type:
        every = entries_of(world, wanted.mch_id, None, sub_mch_id=sub_mch_id)
        text, count = fund_flow(every if wanted.account_type == _BASIC else [], wanted.day)
        if not count:
            raise NoBill(Missing.NO_BUSINESS)
        return text
    entries = entries_of(world, wanted.mch_id, wanted.day, sub_mch_id=sub_mch_id)
    change = _CHANGES.get(fault, _unchanged)
    if not entries and fault != "bill_foreign_row":
        raise NoBill(Missing.NO_BUSINESS)
    if wanted.region is Region.GLOBAL:
        header = [*STATEMENT_HEADER, _EXTRA] if fault == "bill_extra_columns" else ()
        return statement(entries, world.options, change=change, header=header)
    headers = {
        "bill_extra_columns": [*HEADERS[wanted.bill_type], _EXTRA],
        "bill_old_columns": OLD_HEADER,
    }
    return trade_bill(
        entries,
        world.options,
        bill_type=wanted.bill_type,
        change=change,
        header=headers.get(fault, ()),
    )


def _spoilt(body: bytes, fault: str) -> bytes:
    if fault == "bill_truncated":
        return body[: len(body) // 2]
    if fault == "bill_broken_gzip":
        middle = len(body) // 2
        return (
            body[:middle]
            + bytes(each ^ 0xFF for each in body[middle : middle + 4])
            + body[middle + 4 :]
        )
    return body


def _unchanged(_rows: Rows) -> None:
    return None


def _drop(rows: Rows) -> None:
    del rows[0]


def _raise_amount(rows: Rows) -> None:
    row = rows[0]
    names = (
        ("订单金额", "应结订单金额")
        if row["交易状态"] != "REFUND"
        else ("申请退款金额", "退款金额")
    )
    for name in names:
        row[name] = _one_more(row[name])


def _one_more(text: str) -> str:
    whole, point, fraction = text.partition(".")
    raised = str(int(whole + fraction) + 1).rjust(len(fraction) + 1, "0")
    return f"{raised[: -len(fraction)]}.{raised[-len(fraction) :]}" if point else raised


def _add_foreign(rows: Rows) -> None:
    rows.append(dict(_FOREIGN))


def _rename(rows: Rows) -> None:
    for row in rows:
        for newer, older in OLDER.items():
            row[older] = row[newer]


def _fill_extra(rows: Rows) -> None:
    for row in rows:
        row[_EXTRA] = "x"


_FOREIGN: Final = {
    "交易时间": "2026-01-01 12:00:00",
    "特约商户号": "0",
    "微信订单号": "4299999999999999999999999999",
    "商户订单号": "FOREIGN0001",
    "交易类型": "NATIVE",
    "交易状态": "SUCCESS",
    "付款银行": "OTHERS",
    "货币种类": "CNY",
    "应结订单金额": printed(100, "CNY"),
    "代金券金额": printed(0, "CNY"),
    "微信退款单号": "0",
    "商户退款单号": "0",
    "退款金额": printed(0, "CNY"),
    "充值券退款金额": printed(0, "CNY"),
    "商品名称": "not this shop's",
    "手续费": printed(1, "CNY", extra=3),
    "费率": "0.60%",
    "订单金额": printed(100, "CNY"),
    "申请退款金额": printed(0, "CNY"),
}
_CHANGES: Final[dict[str, Callable[[Rows], None]]] = {
    "bill_row_missing": _drop,
    "bill_wrong_amount": _raise_amount,
    "bill_foreign_row": _add_foreign,
    "bill_extra_columns": _fill_extra,
    "bill_old_columns": _rename,
}
