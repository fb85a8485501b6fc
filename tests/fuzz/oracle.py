"""The oracle: what must hold after every request, whatever was sent.

It takes from the database what our side believes, and from the ledger what is so.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tests.fuzz.cases import Case, Input, Sender
from tests.fuzz.ledger import Trade
from tests.fuzz.tables import OrderRow, RefundRow, Tables

_V2_SUCCESS: Final = (
    b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
    b"<return_msg><![CDATA[OK]]></return_msg></xml>"
)
_V2_FAIL: Final = re.compile(
    rb"<xml><return_code><!\[CDATA\[FAIL\]\]></return_code>"
    rb"<return_msg><!\[CDATA\[[a-z ,]+\]\]></return_msg></xml>"
)
_V3_REFUSALS: Final = frozenset({400, 401, 404, 413, 503})
_WRITE: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b[^\"`]*[\"`]django_wxpay_(\w+)")
# What a stranger must not be able to write; certificates and reports of calls have other limits.
GUARDED: Final = frozenset({"notification", "order", "orderevent", "refund", "promotion", "prepay"})
_MINUTE: Final = timedelta(minutes=1)
PAID: Final = frozenset({"SUCCESS", "REFUND"})
_SETTLED: Final = frozenset({"SUCCESS", "CLOSED", "ABNORMAL"})


class Finding(Exception):
    """Something that must not be; its text says what."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shop answered."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class Told:
    """The signals that the shop's receivers got, by kind and number."""

    paid: Counter[tuple[str, str]] = field(default_factory=Counter)
    refunds: Counter[tuple[str, str]] = field(default_factory=Counter)
    conflicts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def clear(self) -> None:
        self.paid.clear()
        self.refunds.clear()
        self.conflicts.clear()


def written_table(sql: str) -> str:
    """Return our table that ``sql`` writes to, "" if it writes to none."""
    match = _WRITE.match(sql)
    return match[2] if match else ""


def outcome(answer: Answer) -> str:
    """Return what an answer says, for the counts."""
    if answer.status == 200:
        return "accepted" if b"SUCCESS" in answer.body else "refused"
    return str(answer.status)


def check_answer(sent: Input, answer: Answer) -> None:
    """Hold the answer to the one form of the protocol that asked."""
    if answer.status >= 500 and answer.status != 503:
        raise Finding(f"the answer is a {answer.status}")
    is_ours = not sent.path and "HTTP_HOST" not in sent.environ
    if not is_ours:
        if answer.status not in {200, 301, 400, 404, 405}:
            raise Finding(f"the answer is a {answer.status}")
        return
    if sent.method.upper() != "POST":
        if answer.status != 405:
            raise Finding(f"{sent.method or 'no method'} is answered with {answer.status}")
        return
    is_v2 = answer.content_type.startswith("text/xml")
    if not (_is_of_v2(answer) if is_v2 else _is_of_v3(answer)):
        raise Finding(f"the answer has no form of ours: {answer}")
    # A signature in the header is v3's, whatever the body.
    if is_v2 and any(name.lower() == "wechatpay-signature" for name in sent.headers):
        raise Finding("v3 is answered in the form of v2")


def _is_of_v2(answer: Answer) -> bool:
    if answer.status not in {200, 413}:
        return False
    is_success = answer.body == _V2_SUCCESS and answer.status == 200
    return is_success or bool(_V2_FAIL.fullmatch(answer.body))


def _is_of_v3(answer: Answer) -> bool:
    if answer.content_type != "application/json":
        return False
    content = json.loads(answer.body)
    if content == {"code": "SUCCESS", "message": "OK"}:
        return answer.status == 200
    is_refusal = set(content) == {"code", "message"} and content["code"] == "FAIL"
    return is_refusal and answer.status in _V3_REFUSALS


def check_writes(sent: Input, tables: Iterable[str]) -> None:
    """Nothing is written for a request whose sender holds no key."""
    written = GUARDED.intersection(tables)
    if sent.sender is Sender.NONE and written:
        raise Finding(f"written to {sorted(written)} for a sender without a key")


def check_state(tables: Tables, orders: Mapping[int, Trade], told: Told) -> None:
    """Orders, refunds and signals are no further than the ledger; ``orders`` are by their id."""
    for order in tables.orders(orders):
        _check_order(order, orders[order.pk], told)
    for refund in tables.refunds(orders):
        _check_refund(refund, orders[refund.order_id], told)


def _check_order(order: OrderRow, trade: Trade, told: Told) -> None:
    key = order.merchant, order.out_trade_no
    # A refund that was never seen as paid is no sale to deliver (protocol-v3 section 8.1).
    if told.paid[key] and trade.state != "SUCCESS":
        raise Finding(f"order_paid for {key}, which the ledger has as {trade.state}")
    if told.paid[key] > 1:
        raise Finding(f"order_paid {told.paid[key]} times for {key}")
    if order.trade_state not in PAID:
        return
    if not trade.is_paid:
        raise Finding(f"{key} is {order.trade_state}, and {trade.state} in the ledger")
    # Of an order that is first seen as refunded, an answer need not name the transaction
    # (protocol-v2 section 5.2).
    is_named = order.transaction_id or order.trade_state == "SUCCESS"
    if is_named and order.transaction_id != trade.transaction_id:
        raise Finding(f"{key} is paid by {order.transaction_id}, in the ledger by another")
    if (order.total_fee, order.fee_type) != (trade.total_fee, trade.fee_type):
        raise Finding(f"the amount of {key} is not the ledger's")


def _check_refund(refund: RefundRow, trade: Trade, told: Told) -> None:
    held = trade.refunds.get(refund.out_refund_no, ("unknown", 0))
    here = refund.refund_status, refund.refund_fee
    if refund.refund_status in _SETTLED and here != held:
        number = refund.out_refund_no
        raise Finding(f"refund {number} is {here[0]} over {here[1]}, in the ledger {held}")
    key = refund.merchant, refund.out_refund_no
    if told.refunds[key] and held[0] not in _SETTLED:
        raise Finding(f"refund_settled for {key}, which the ledger does not hold")
    if told.refunds[key] > 1:
        raise Finding(f"refund_settled {told.refunds[key]} times for {key}")


def check_rows(
    case: Case, tables: Tables, orders: Mapping[int, Trade], kept: Counter[tuple[str, str]]
) -> None:
    """A case keeps no more rows than it has statements, and hints fix and raise nothing."""
    pairs = {(trade.account.alias, trade.out_trade_no) for trade in case.trades}
    most = len(case.inputs) if case.rows is None else case.rows
    rows = sum(kept[pair] for pair in pairs)
    if rows > most:
        raise Finding(f"{rows} notifications are kept, where {most} are enough")
    if case.hints is None:
        return
    refunds = tables.refunds(orders)
    if len(refunds) > case.hints:
        raise Finding(f"unsigned hints made {len(refunds)} refunds known, not {case.hints}")
    if tables.conflicts(orders):
        raise Finding("an unsigned hint has raised a conflict")


def unsettled(case: Case, tables: Tables, orders: Mapping[int, Trade], told: Told) -> list[str]:
    """Return what the case must have settled and has not."""
    wanted = {pk: trade for pk, trade in orders.items() if trade in case.settles}
    missing = [
        f"{order.out_trade_no} is {order.trade_state}, and {wanted[order.pk].state} in the ledger"
        for order in tables.orders(wanted)
        if order.trade_state not in PAID
    ]
    missing += [
        f"order_paid was not sent for {trade.out_trade_no}"
        for trade in wanted.values()
        if trade.state == "SUCCESS" and not told.paid[trade.account.alias, trade.out_trade_no]
    ]
    if case.refunded:
        found = {row.out_refund_no: row.refund_status for row in tables.refunds(orders)}
        missing += [
            f"refund {number} is {found.get(number)}, not {trade.refunds[number][0]}"
            for trade, number in case.refunded
            if found.get(number) != trade.refunds[number][0]
        ]
    return missing


def check_calls(calls: list[tuple[datetime, str]], latest: dict[str, datetime]) -> None:
    """Outbound calls keep to one a minute: for certificates, for an order, for the refunds of one.

    ``latest`` holds the last call of each, and is brought up to date.
    """
    for moment, about in calls:
        before = latest.get(about)
        if before is not None and moment - before < _MINUTE:
            pause = (moment - before).total_seconds()
            raise Finding(f"a second call about {about} after {pause:.1f} s")
        latest[about] = moment
