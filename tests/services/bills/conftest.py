"""Bills as they were downloaded, of a day on which the shop has sold and paid back."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import pytest
from django.core.files.base import ContentFile

from django_wxpay.models import Bill, Discrepancy, Order, Refund
from django_wxpay.services.bills.storage import bill_storage
from tests.factories import OrderFactory, RefundFactory
from tests.wechatpay import bills
from tests.wechatpay.v2 import MCH_ID

DAY: Final = date(2026, 1, 2)
# In the morning in Beijing.
MORNING: Final = datetime(2026, 1, 2, 1, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> None:
    files = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    settings.STORAGES = {**settings.STORAGES, "default": files}


def sold(**fields: Any) -> Order:
    """Return an order of 100 that was paid that morning."""
    return OrderFactory.create(
        **{"paid": True, "total_fee": 100, "success_time": MORNING} | fields,
    )


def paid_back(order: Order, **fields: Any) -> Refund:
    """Return a refund of 45 that arrived that morning."""
    return RefundFactory.create(
        **{"order": order, "refund_fee": 45, "paid_back": True, "success_time": MORNING} | fields,
    )


def row(order: Order, **changes: str) -> dict[str, str]:
    """Return the row that a bill has of a payment."""
    return bills.paid(
        **{
            "商户号": MCH_ID,
            "商户订单号": order.out_trade_no,
            "微信订单号": order.transaction_id,
            "订单金额": yuan(order.total_fee),
            "应结订单金额": yuan(order.total_fee),
            "货币种类": order.fee_type,
            "手续费": "0.00600",
        }
        | changes,
    )


def refund_row(refund: Refund, **changes: str) -> dict[str, str]:
    """Return the row that a bill has of a refund."""
    return bills.refunded(
        **{
            "商户号": MCH_ID,
            "商户订单号": refund.order.out_trade_no,
            "微信订单号": refund.order.transaction_id,
            "商户退款单号": refund.out_refund_no,
            "微信退款单号": refund.refund_id,
            "申请退款金额": yuan(refund.refund_fee),
            "退款金额": yuan(refund.refund_fee),
            "手续费": "-0.00270",
        }
        | changes,
    )


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def bill_of(*rows: Mapping[str, str], header: Iterable[str] = bills.ALL, **fields: Any) -> Bill:
    """Return a bill of these rows, as it was downloaded."""
    text = bills.text(*rows, header=header).encode()
    values = {"mch_id": MCH_ID, "bill_date": DAY, "kind": "trade", "merchant": "default"} | fields
    name = bill_storage().save(f"{values['bill_date']}.gz", ContentFile(gzip.compress(text)))
    return Bill.objects.create(
        file=name,
        sha1=hashlib.sha1(text, usedforsecurity=False).hexdigest(),
        row_count=len(rows),
        status="DOWNLOADED",
        created_at=MORNING,
        **values,
    )


def found(status: str = "OPEN") -> list[tuple[str, str]]:
    """Return the kinds and numbers of the differences of a status."""
    rows = Discrepancy.objects.filter(status=status).order_by("kind", "number")
    return list(rows.values_list("kind", "number"))
