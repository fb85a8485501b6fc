"""Work that waits for a job, and the environment of a process that does it on a test's database."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Final

from django.db import connections

from django_wxpay.models import ApiReport, Order, OrderEvent
from example_project.shop.models import Purchase
from tests.factories import ApiReportFactory, OrderFactory
from tests.journeys.stage import Stage, new_number

LONG_S: Final = 40.0


def environment(stage: Stage) -> dict[str, str]:
    """Return the environment of a process beside the shop of ``stage``, on the same databases."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.journeys.worker_settings",
        "WXPAY_JOURNEY_SETTINGS": os.environ["DJANGO_SETTINGS_MODULE"],
        "WXPAY_JOURNEY_DATABASES": json.dumps(
            {each.alias: str(each.settings_dict["NAME"]) for each in connections.all()}
        ),
        "SHOP_URL": stage.shop,
        "SIMULATOR_URL": stage.wechat.url,
        "PYTHONUNBUFFERED": "1",
    }


def backlog(count: int) -> list[str]:
    rows = ApiReportFactory.build_batch(count, created_at=datetime.now(UTC))
    ApiReport.objects.bulk_create(rows)
    return [row.out_trade_no for row in rows]


def left_over() -> str:
    """An order that is paid, of which a process that died has not told the shop."""
    # Paid today, so that no bill is due of it.
    order: Order = OrderFactory(
        paid=True, out_trade_no=new_number(), success_time=datetime.now(UTC)
    )
    Purchase.objects.create(tea="puer", title="Pu-erh", total_fee=1, reference=order.reference)
    now = datetime.now(UTC)
    OrderEvent.objects.create(
        order=order,
        kind="PAID",
        from_state="NOTPAY",
        to_state="SUCCESS",
        source="v2.notice",
        created_at=now,
    )
    return order.reference


def is_told(reference: str) -> bool:
    return Purchase.objects.filter(reference=reference, paid_at__isnull=False).exists()
