"""Facts about several rows at the same moment: what holds across rows holds for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.services.transitions import orders, refunds
from tests.races.conftest import Shop, new_order
from tests.races.running import Meeting, at_once
from tests.selling import notify, sold_order
from tests.wechatpay.v2 import API_KEY, payment_notice
from tests.wechatpay.v3 import (
    PUBLIC_KEY_MODE,
    V3_MERCHANT,
    refund_notice,
)

pytestmark = [pytest.mark.races, pytest.mark.usefixtures("gateway")]

PARTIES = 8
NUMBER = "RACE000001"


@pytest.fixture
def paid(gateway: Any, settings: Any) -> Order:
    entry = V3_MERCHANT | PUBLIC_KEY_MODE | {"API_KEY": API_KEY}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": entry}}
    return sold_order(NUMBER)


def deliver(body: bytes) -> bool:
    return notify(body).accepted


def refund_of(fee: int, number: int) -> bytes:
    return refund_notice(
        NUMBER,
        out_refund_no=f"R{number}",
        refund_id=f"503{number:026d}",
        amount={"total": 100, "refund": fee},
    )


def meet_after_deciding(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> Meeting:
    meeting = Meeting(PARTIES)
    monkeypatch.setattr(module, name, meeting.after(getattr(module, name)))
    return meeting


def test_of_refunds_that_are_too_much_together_as_many_count_as_fit(
    paid: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = meet_after_deciding(monkeypatch, refunds, "decide_refund")
    bodies = [refund_of(40, number) for number in range(PARTIES)]
    outcomes = at_once(*[lambda body=body: deliver(body) for body in bodies])

    assert (meeting.met, outcomes) == (PARTIES, [True] * PARTIES)
    assert sorted(Refund.objects.values_list("position", "refund_fee")) == [(1, 40), (2, 40)]
    kinds = sorted(OrderEvent.objects.values_list("kind", flat=True))
    assert kinds == ["CONFLICTED"] * 6 + ["MOVED"] + ["REFUND_SETTLED"] * 2
    outcomes_told = sorted(Notification.objects.values_list("outcome", flat=True))
    assert outcomes_told == ["APPLIED"] * 2 + ["CONFLICT"] * 6


def test_refunds_that_fit_together_all_count(paid: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rounds than parties: each round lets one of them on."""
    meet_after_deciding(monkeypatch, refunds, "decide_refund")
    bodies = [refund_of(12, number) for number in range(PARTIES)]
    outcomes = at_once(*[lambda body=body: deliver(body) for body in bodies])

    assert outcomes == [True] * PARTIES
    positions = sorted(Refund.objects.values_list("position", flat=True))
    assert positions == list(range(1, PARTIES + 1))


def test_one_transaction_told_of_many_orders_pays_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [f"RACE00000{at}" for at in range(PARTIES)]
    for number in numbers:
        new_order(out_trade_no=number)
    meeting = meet_after_deciding(monkeypatch, orders, "decide")
    bodies = [payment_notice(number) for number in numbers]
    outcomes = at_once(*[lambda body=body: deliver(body) for body in bodies])

    assert (meeting.met, outcomes) == (PARTIES, [True] * PARTIES)
    states = sorted(Order.objects.values_list("trade_state", flat=True))
    assert states == ["CREATED"] * (PARTIES - 1) + ["SUCCESS"]
    assert sorted(line.split()[0] for line in shop.lines) == ["conflicted"] * 7 + ["paid"]
