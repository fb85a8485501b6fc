"""What the tests of profit sharing have in common: receivers, lines and requests."""

from __future__ import annotations

from typing import Any

from tests.simulator.v3.calling import APPID, Answer, Caller
from tests.simulator.v3.more.calling import post

HOME = "/v3/profitsharing"
RECEIVED_BY = "1900000109"
RECEIVER = {"appid": APPID, "type": "MERCHANT_ID", "account": RECEIVED_BY}
ADDED = RECEIVER | {"relation_type": "STORE"}


def line(amount: int = 30, **changes: Any) -> dict[str, Any]:
    shown = {"type": "MERCHANT_ID", "account": RECEIVED_BY, "description": "share"}
    return shown | {"amount": amount} | changes


def share(caller: Caller, paid: str, /, *lines: Any, **changes: Any) -> Answer:
    body = {"transaction_id": paid, "out_order_no": "P1", "unfreeze_unsplit": False}
    body |= {"appid": APPID, "receivers": list(lines)}
    return post(caller, f"{HOME}/orders", body, **changes)


def query(caller: Caller, transaction_id: str, number: str = "P1", *, whose: str = "") -> Answer:
    target = f"{HOME}/orders/{number}?transaction_id={transaction_id}"
    return caller.call("GET", f"{target}&sub_mchid={whose}" if whose else target)


def left(caller: Caller, transaction_id: str) -> int:
    answer = caller.call("GET", f"{HOME}/transactions/{transaction_id}/amounts")
    assert answer["transaction_id"] == transaction_id
    return int(answer["unsplit_amount"])


def returned(caller: Caller, /, **changes: Any) -> Answer:
    body = {"out_order_no": "P1", "out_return_no": "R1", "return_mchid": RECEIVED_BY}
    body |= {"amount": 30, "description": "refund"}
    return post(caller, f"{HOME}/return-orders", body, **changes)


def return_of(caller: Caller, number: str = "R1", query: str = "out_order_no=P1") -> Answer:
    return caller.call("GET", f"{HOME}/return-orders/{number}?{query}")
