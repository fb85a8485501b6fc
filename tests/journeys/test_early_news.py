"""A customer with quick thumbs: paid and told before unifiedorder has answered.

The simulator sends its notifications from the thread that makes them due, so that this one
is certain to come first.
"""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.models import OrderEvent
from django_wxpay.simulator import Options, Simulator, create_app
from tests.journeys.stage import MERCHANTS, Stage, new_number


@pytest.fixture
def simulator() -> Simulator:
    return create_app(MERCHANTS, options=Options(live=False))


def test_a_payment_that_is_told_before_unifiedorder_answers_is_a_payment(
    stage: Stage,
    told: list[Any],
) -> None:
    stage.wechat.inject("before_answer", operation="unifiedorder")
    number = new_number()
    placed = stage.clerk.place(out_trade_no=number)

    assert placed.status_code == 201
    assert placed.json()["trade_state"] == "SUCCESS"
    assert placed.json()["payment"]["cash_fee"] == 1250
    assert [row["accepted"] for row in stage.wechat.deliveries()] == [True]
    assert [event.kind for event in OrderEvent.objects.all()] == ["PAID"]
    assert told == [("paid", number)]
