"""Clerks who refund at the same moment: together never more than was paid, and nothing twice."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import NotRefundable, OutcomeUnknown
from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.services.transitions import refund_requests
from tests.protocol.v3 import keys
from tests.races.conftest import Shop
from tests.races.running import Meeting, at_once
from tests.selling import sold_order

pytestmark = [pytest.mark.races, pytest.mark.usefixtures("gateway")]

NUMBER = "RACE000001"
TRANSACTION = "4200000000202601010000000001"


class Till:
    """WeChat Pay's refunds: one of each number, and a count of the calls."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        self.calls = itertools.count()
        self._lock = threading.Lock()

    def refund(self, sent: dict[str, str]) -> dict[str, Any]:
        with self._lock:
            next(self.calls)
            number, fee = sent["out_refund_no"], int(sent["refund_fee"])
            assert self.kept.setdefault(number, fee) == fee
            assert sum(self.kept.values()) <= 100, "more is paid back than was paid"
        return {
            "out_trade_no": NUMBER,
            "transaction_id": TRANSACTION,
            "out_refund_no": number,
            "refund_id": f"503{int(number[1:]):026d}",
            "refund_fee": fee,
            "total_fee": 100,
        }


@pytest.fixture
def till(gateway: Any, settings: Any) -> Till:
    entry = settings.WXPAY["MERCHANTS"]["default"] | {
        "CLIENT_CERT": keys.MERCHANT_CERTIFICATE,
        "CLIENT_KEY": keys.MERCHANT_KEY,
    }
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": entry}}
    made = Till()
    gateway.answers["/secapi/pay/refund"] = made.refund
    return made


@pytest.fixture
def paid(till: Till) -> Order:
    return sold_order(NUMBER, TRANSACTION)


def refund(number: int, fee: int) -> str:
    try:
        services.create_refund(Order.objects.get(), refund_fee=fee, out_refund_no=f"R{number}")
    except NotRefundable:
        return "too much"
    except OutcomeUnknown:
        return "unknown"
    return "refunded"


@pytest.mark.parametrize("parties", [2, 8])
def test_of_clerks_who_each_refund_the_last_money_one_does(
    paid: Order, till: Till, monkeypatch: pytest.MonkeyPatch, parties: int
) -> None:
    meeting = Meeting(parties)
    place = meeting.after(refund_requests._free_place)
    monkeypatch.setattr(refund_requests, "_free_place", place)
    outcomes = at_once(*[lambda number=number: refund(number, 100) for number in range(parties)])

    assert meeting.met == parties
    assert sorted(outcomes) == ["refunded"] + ["too much"] * (parties - 1)
    assert (Refund.objects.count(), len(till.kept), next(till.calls)) == (1, 1, 1)
    order = Order.objects.get()
    assert (order.trade_state, order.refundable) == ("REFUND", 0)


def test_refunds_that_fit_together_are_all_made(
    paid: Order, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Meeting(8)
    place = meeting.after(refund_requests._free_place)
    monkeypatch.setattr(refund_requests, "_free_place", place)
    outcomes = at_once(*[lambda number=number: refund(number, 12) for number in range(8)])

    assert outcomes == ["refunded"] * 8
    assert sorted(Refund.objects.values_list("position", flat=True)) == list(range(1, 9))
    assert Order.objects.get().refundable == 4
    kinds = sorted(OrderEvent.objects.values_list("kind", flat=True))
    assert kinds == ["MOVED"], "the order has moved once"


def test_one_refund_pressed_eight_times_is_sent_once(paid: Order, till: Till, shop: Shop) -> None:
    outcomes = at_once(*[lambda: refund(1, 45)] * 8)

    assert outcomes == ["refunded"] * 8
    assert (Refund.objects.count(), till.kept, next(till.calls)) == (1, {"R1": 45}, 1)
