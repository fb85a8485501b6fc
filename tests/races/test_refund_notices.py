"""A refund that is made, notified, queried and swept at the same moment: one, settled once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import NotRefundable, Refused
from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.signals import refund_settled
from example_project.shop.models import Purchase
from tests.protocol.v3 import keys
from tests.races.running import at_once
from tests.selling import sold_order
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused
from tests.wechatpay.v3 import (
    PUBLIC_KEY_MODE,
    TRANSACTION_ID,
    V3_MERCHANT,
    refund_notice,
    signature,
)

pytestmark = pytest.mark.races

NUMBER = "RACE000001"
SEND, QUERY = "/secapi/pay/refund", "/pay/refundquery"


def id_of(number: str) -> str:
    return f"503{int(number[1:]):026d}"


class Till:
    """WeChat Pay's refunds of one order: never more than was paid, and one of each number."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def make(self, number: str, fee: int) -> bool:
        with self._lock:
            left = 100 - sum(kept for name, kept in self.kept.items() if name != number)
            if fee <= left:
                self.kept[number] = fee
            return fee <= left

    def refund(self, sent: dict[str, str]) -> dict[str, Any]:
        number, fee = sent["out_refund_no"], int(sent["refund_fee"])
        if not self.make(number, fee):
            return refused("INVALID_REQUEST", "more than was paid")
        return {
            "out_trade_no": NUMBER,
            "transaction_id": TRANSACTION_ID,
            "out_refund_no": number,
            "refund_id": id_of(number),
            "refund_fee": fee,
            "total_fee": 100,
        }

    def query(self, sent: dict[str, str]) -> dict[str, Any]:
        number = sent["out_refund_no"]
        with self._lock:
            self.asked[number] += 1
            fee = self.kept.get(number)
        if fee is None:
            return refused("REFUNDNOTEXIST")
        return {
            "out_trade_no": NUMBER,
            "transaction_id": TRANSACTION_ID,
            "total_fee": 100,
            "refund_count": 1,
            "out_refund_no_0": number,
            "refund_id_0": id_of(number),
            "refund_fee_0": fee,
            "refund_status_0": "SUCCESS",
            "refund_recv_accout_0": "零钱",
            "refund_success_time_0": "2026-01-02 03:04:05",
        }


@pytest.fixture
def till(gateway: ScriptedTransport, settings: Any) -> Till:
    v3 = {name: value for name, value in V3_MERCHANT.items() if name not in {"API", "HOSTS"}}
    client = {"CLIENT_CERT": keys.MERCHANT_CERTIFICATE, "CLIENT_KEY": keys.MERCHANT_KEY}
    entry = settings.WXPAY["MERCHANTS"]["default"] | client | v3 | PUBLIC_KEY_MODE
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": entry}}
    made = Till()
    gateway.answers |= {SEND: made.refund, QUERY: made.query}
    return made


@pytest.fixture(autouse=True)
def settled() -> Iterator[None]:
    def write(sender: Any, refund: Refund, **more: Any) -> None:
        Purchase.objects.create(tea=refund.refund_status, title=refund.out_refund_no, total_fee=1)

    refund_settled.connect(write)
    yield
    refund_settled.disconnect(write)


@pytest.fixture
def paid(till: Till) -> Order:
    return sold_order(NUMBER)


def lines() -> list[str]:
    return sorted(f"{row.title} {row.tea}" for row in Purchase.objects.all())


def refund(number: str, fee: int) -> Refund:
    return services.create_refund(Order.objects.get(), refund_fee=fee, out_refund_no=number)


def notify(number: str, fee: int) -> bool:
    body = refund_notice(
        NUMBER,
        out_refund_no=number,
        refund_id=id_of(number),
        amount={"total": 100, "refund": fee},
    )
    return services.receive_notification("default", "refund", signature(body), body).accepted


def query(number: str) -> Refund:
    return services.query_refund(Refund.objects.get(out_refund_no=number))


def be_due() -> None:
    Refund.objects.update(next_check_at=datetime.now(UTC) - timedelta(minutes=1))


@pytest.mark.parametrize("_again", range(3))
def test_a_refund_that_is_repeated_notified_queried_and_swept_is_settled_once(
    paid: Order, till: Till, gateway: ScriptedTransport, raises: Any, _again: int
) -> None:
    refund("R1", 45)
    be_due()
    outcomes = at_once(
        *[lambda: refund("R1", 45)] * 2,
        *[lambda: notify("R1", 45)] * 3,
        *[lambda: query("R1")] * 2,
        *[services.sync_orders] * 2,
    )

    raises(outcomes)
    assert lines() == ["R1 SUCCESS"]
    assert gateway.paths().count(SEND) == 1
    kinds = sorted(OrderEvent.objects.values_list("kind", flat=True))
    assert kinds == ["MOVED", "REFUND_SETTLED"]
    order = Order.objects.get()
    assert (order.trade_state, order.refunded_fee, order.refundable) == ("REFUND", 45, 55)


def test_a_notice_that_overtakes_the_answer_settles_the_refund_once(
    paid: Order, till: Till, gateway: ScriptedTransport
) -> None:
    def overtaken(sent: dict[str, str]) -> dict[str, Any]:
        answer = till.refund(sent)
        assert notify("R1", 45)
        return answer

    gateway.answers[SEND] = overtaken
    assert refund("R1", 45).refund_status == "SUCCESS"
    assert lines() == ["R1 SUCCESS"]
    assert Refund.objects.get().next_check_at is None


def test_fifty_notices_of_one_refund_are_one_settlement_and_fifty_successes(
    paid: Order, till: Till
) -> None:
    refund("R1", 45)
    assert at_once(*[lambda: notify("R1", 45)] * 50) == [True] * 50
    assert lines() == ["R1 SUCCESS"]


def test_two_sweeps_ask_for_each_refund_once(paid: Order, till: Till, raises: Any) -> None:
    numbers = [f"R{at}" for at in range(1, 21)]
    for number in numbers:
        refund(number, 5)
    be_due()
    outcomes = at_once(services.sync_orders, services.sync_orders)

    raises(outcomes)
    assert till.asked == Counter(numbers)
    assert lines() == sorted(f"{number} SUCCESS" for number in numbers)
    assert not Refund.objects.filter(next_check_at__isnull=False).exists()


@pytest.mark.parametrize("_again", range(4))
def test_of_a_clerk_and_the_platform_who_refund_the_same_money_the_ledger_says_who_was_first(
    paid: Order, till: Till, _again: int
) -> None:
    def press() -> str:
        try:
            refund("R1", 100)
        except (NotRefundable, Refused):
            return "refused"
        return "refunded"

    def on_the_platform() -> str:
        return "refunded" if till.make("R2", 60) and notify("R2", 60) else "refused"

    outcomes = at_once(press, on_the_platform)

    assert sorted(map(str, outcomes)) == ["refunded", "refused"]
    taken = Refund.objects.exclude(refund_status="CLOSED")
    assert dict(taken.values_list("out_refund_no", "refund_fee")) == till.kept
    assert not OrderEvent.objects.filter(kind="CONFLICTED").exists()
    assert Order.objects.get().refundable == 100 - sum(till.kept.values())
