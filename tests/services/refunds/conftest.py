"""A paid order, and a scripted WeChat Pay that keeps refunds as the real one does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse

from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.signals import refund_settled
from tests.protocol.v3 import keys
from tests.selling import sold_order
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused

NUMBER = "T20260101000001"
TRANSACTION = "4200000000202601010000000001"
# Wherever the project serves it.
NOTIFY_URL = "https://shop.example.com" + reverse(
    "django_wxpay:notify-refund", kwargs={"merchant": "default"}
)


@pytest.fixture(autouse=True)
def certificate(wxpay: dict[str, Any]) -> None:
    ours = {"CLIENT_CERT": keys.MERCHANT_CERTIFICATE, "CLIENT_KEY": keys.MERCHANT_KEY}
    wxpay["MERCHANTS"]["default"] |= ours


@pytest.fixture
def paid(db: None) -> Order:
    return sold_order(NUMBER, TRANSACTION)


def accepted(sent: dict[str, str]) -> dict[str, Any]:
    """Accept a refund."""
    return {
        "out_trade_no": NUMBER,
        "transaction_id": sent["transaction_id"],
        "out_refund_no": sent["out_refund_no"],
        "refund_id": f"503{sum(sent['out_refund_no'].encode()):026d}",
        "refund_fee": sent["refund_fee"],
        "total_fee": sent["total_fee"],
        "fee_type": "CNY",
        "cash_fee": sent["total_fee"],
    }


class Till:
    """The refunds that a scripted WeChat Pay has: by number, with the status that it answers."""

    def __init__(self, gateway: ScriptedTransport) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.status = "PROCESSING"
        gateway.answers["/secapi/pay/refund"] = self.refund
        gateway.answers["/pay/refundquery"] = self.query

    def refund(self, sent: dict[str, str]) -> dict[str, Any]:
        answer = accepted(sent)
        self.kept[sent["out_refund_no"]] = answer
        return answer

    def query(self, sent: dict[str, str]) -> dict[str, Any]:
        number = sent.get("out_refund_no", "")
        found = [row for name, row in self.kept.items() if number in {"", name}]
        if not found:
            return refused("REFUNDNOTEXIST")
        fields: dict[str, Any] = {
            "out_trade_no": NUMBER,
            "transaction_id": TRANSACTION,
            "total_fee": 100,
            "refund_count": len(found),
        }
        for index, row in enumerate(found):
            for name in ("out_refund_no", "refund_id", "refund_fee"):
                fields[f"{name}_{index}"] = row[name]
            fields[f"refund_status_{index}"] = self.status
            fields[f"refund_recv_accout_{index}"] = "零钱"
            if self.status == "SUCCESS":
                fields[f"refund_success_time_{index}"] = "2026-01-02 03:04:05"
        return fields


@pytest.fixture
def till(gateway: ScriptedTransport) -> Till:
    return Till(gateway)


@pytest.fixture
def settled() -> Iterator[list[tuple[str, str]]]:
    received: list[tuple[str, str]] = []

    def receiver(sender: Any, order: Order, event: OrderEvent, refund: Refund, **more: Any) -> None:
        received.append((refund.out_refund_no, refund.refund_status))

    refund_settled.connect(receiver)
    yield received
    refund_settled.disconnect(receiver)
