"""Orders whose notification never comes: asked for on their schedule, settled, and ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.exceptions import OutcomeUnknown, Refused
from django_wxpay.models import Order, OrderEvent, Prepay
from django_wxpay.services import clock
from tests.services.conftest import new_order
from tests.services.sync.ageing import pass_time
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, payment_notice, refused, standing

pytestmark = pytest.mark.django_db(transaction=True)

PLACE, QUERY, CLOSE = "/pay/unifiedorder", "/pay/orderquery", "/pay/closeorder"
CLOSED_NOW: dict[str, Any] = {}


@pytest.fixture
def placed(gateway: ScriptedTransport) -> Order:
    """Return an order with a prepay, of which nothing more has been heard."""
    order = new_order()
    services.unified_order(order)
    gateway.answers[QUERY] = standing("NOTPAY")
    gateway.calls.clear()
    return order


def sweep(order: Order) -> services.SyncRun:
    run = services.sync_orders()
    order.refresh_from_db()
    return run


def until_next(order: Order) -> float:
    """Return the seconds from the placing to the next check, to the whole second."""
    assert order.placed_at is not None
    assert order.next_check_at is not None
    return round((order.next_check_at - order.placed_at).total_seconds())


def test_an_order_is_on_the_schedule_from_the_moment_it_is_placed(placed: Order) -> None:
    placed.refresh_from_db()
    assert until_next(placed) == 5
    assert services.sync_orders() == services.SyncRun(found=0, settled=0), "not before 5 s"


def test_a_paid_order_whose_notification_is_lost_is_settled_once(
    gateway: ScriptedTransport, placed: Order
) -> None:
    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    pass_time(placed, seconds=5)
    assert sweep(placed) == services.SyncRun(found=1, settled=1)
    assert (placed.trade_state, placed.next_check_at) == ("SUCCESS", None)
    assert [event.kind for event in OrderEvent.objects.order_by("id")] == ["MOVED", "PAID"]

    pass_time(placed, days=1)
    assert services.sync_orders() == services.SyncRun(found=0, settled=0)
    assert gateway.paths() == [QUERY]


def test_an_order_that_is_not_paid_yet_is_asked_for_on_a_thinning_schedule(
    gateway: ScriptedTransport, placed: Order
) -> None:
    seen = []
    for step in (5, 25, 30, 120, 120, 300, 1200, 5400, 300):
        pass_time(placed, seconds=step)
        assert sweep(placed) == services.SyncRun(found=1, settled=1)
        seen.append(until_next(placed) if placed.next_check_at else None)
    # Two hours is the life of a prepay; five minutes after it, the order is left open.
    assert seen == [30, 60, 180, 300, 600, 1800, 7200, 7500, None]
    assert placed.trade_state == "NOTPAY"
    assert gateway.paths() == [QUERY] * 9


def test_after_an_outage_an_order_is_asked_for_once_and_not_for_each_moment_missed(
    gateway: ScriptedTransport, placed: Order
) -> None:
    pass_time(placed, minutes=20)
    assert sweep(placed) == services.SyncRun(found=1, settled=1)
    assert until_next(placed) == 1800
    assert gateway.paths() == [QUERY]


def test_a_notification_takes_an_order_off_the_schedule(placed: Order) -> None:
    body = payment_notice(placed.out_trade_no)
    assert services.receive_notification("default", "payment", {}, body).accepted
    placed.refresh_from_db()
    assert (placed.trade_state, placed.next_check_at) == ("SUCCESS", None)


def test_an_order_that_was_merely_created_is_not_asked_for(gateway: ScriptedTransport) -> None:
    order = new_order()
    pass_time(order, days=3)
    assert sweep(order) == services.SyncRun(found=0, settled=0)
    assert (order.placed_at, order.next_check_at, gateway.calls) == (None, None, [])


def test_a_new_prepay_begins_the_schedule_anew(gateway: ScriptedTransport, placed: Order) -> None:
    pass_time(placed, hours=3)
    sweep(placed)
    assert placed.next_check_at is None
    services.unified_order(placed)
    placed.refresh_from_db()
    assert Prepay.objects.count() == 2
    assert until_next(placed) == 5


# --- without an outcome


@pytest.fixture
def unknown(gateway: ScriptedTransport) -> Order:
    """Return an order whose placing had no outcome."""
    order = new_order()
    gateway.answers[PLACE] = requests.ReadTimeout("slow")
    with pytest.raises(OutcomeUnknown):
        services.unified_order(order)
    gateway.calls.clear()
    order.refresh_from_db()
    assert order.trade_state == "CREATED"
    return order


def test_an_order_without_an_outcome_that_was_paid_is_found(
    gateway: ScriptedTransport, unknown: Order
) -> None:
    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    pass_time(unknown, seconds=5)
    assert sweep(unknown) == services.SyncRun(found=1, settled=1)
    assert unknown.trade_state == "SUCCESS"
    assert [event.kind for event in OrderEvent.objects.all()] == ["PAID"]


def test_an_order_that_wechat_pay_never_knew_is_asked_for_to_the_end_and_can_be_placed_again(
    gateway: ScriptedTransport, unknown: Order
) -> None:
    gateway.answers[QUERY] = refused("ORDERNOTEXIST")
    for step in (5, 25, 30, 120, 120, 300, 1200, 5400, 300):
        pass_time(unknown, seconds=step)
        assert sweep(unknown) == services.SyncRun(found=1, settled=1)
    assert (unknown.trade_state, unknown.next_check_at) == ("CREATED", None)
    assert gateway.paths() == [QUERY] * 9

    gateway.answers[PLACE] = {"prepay_id": "wx1", "trade_type": "NATIVE", "code_url": "weixin://x"}
    services.unified_order(unknown)
    assert unknown.trade_state == "NOTPAY"


def test_an_order_that_wechat_pay_never_knew_is_not_closed_after_its_end(
    gateway: ScriptedTransport,
) -> None:
    order = new_order(time_expire=clock.now() + timedelta(minutes=10))
    gateway.answers[PLACE] = requests.ReadTimeout("slow")
    with pytest.raises(OutcomeUnknown):
        services.unified_order(order)
    gateway.answers[QUERY] = refused("ORDERNOTEXIST")
    gateway.calls.clear()
    pass_time(order, minutes=12)
    assert sweep(order) == services.SyncRun(found=1, settled=1)
    assert (order.trade_state, order.next_check_at) == ("CREATED", None)
    assert gateway.paths() == [QUERY]


def test_a_process_that_dies_in_the_call_leaves_an_order_that_is_asked_for(
    gateway: ScriptedTransport,
) -> None:
    class Killed(BaseException):
        """Stands for a kill: nothing of ours catches it."""

    order = new_order()
    scheduled: list[datetime | None] = []

    def die(_sent: Any) -> Any:
        scheduled.append(Order.objects.get().next_check_at)
        raise Killed

    gateway.answers[PLACE] = die
    with pytest.raises(Killed):
        services.unified_order(order)
    assert scheduled[0] is not None, "on the schedule before anything was sent"

    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    pass_time(order, seconds=5)
    assert sweep(order) == services.SyncRun(found=1, settled=1)
    assert order.trade_state == "SUCCESS"


# --- refused


@pytest.mark.parametrize("code", ["NOAUTH", "NOTENOUGH", "PARAM_ERROR"])
def test_a_refused_order_is_not_asked_for(gateway: ScriptedTransport, code: str) -> None:
    order = new_order()
    gateway.answers[PLACE] = refused(code)
    with pytest.raises(Refused):
        services.unified_order(order)
    order.refresh_from_db()
    assert (order.trade_state, order.next_check_at) == ("CREATED", None)


@pytest.mark.parametrize("code", ["ORDERCLOSED", "OUT_TRADE_NO_USED", "A_CODE_OF_TOMORROW"])
def test_a_refusal_that_may_hide_an_order_leaves_it_on_the_schedule(
    gateway: ScriptedTransport, code: str
) -> None:
    order = new_order()
    gateway.answers[PLACE] = refused(code)
    with pytest.raises((Refused, OutcomeUnknown)):
        services.unified_order(order)
    order.refresh_from_db()
    assert order.next_check_at is not None


def test_a_paid_order_that_could_not_be_asked_for_when_it_was_placed_again_is_asked_for(
    gateway: ScriptedTransport,
) -> None:
    order = new_order()
    gateway.answers |= {PLACE: refused("ORDERPAID"), QUERY: requests.ReadTimeout("slow")}
    with pytest.raises(Refused):
        services.unified_order(order)
    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    pass_time(order, seconds=5)
    assert sweep(order) == services.SyncRun(found=1, settled=1)
    assert order.trade_state == "SUCCESS"


def test_a_refusal_after_a_try_without_an_outcome_leaves_that_on_the_schedule(
    gateway: ScriptedTransport, unknown: Order
) -> None:
    before = unknown.next_check_at
    gateway.answers[PLACE] = refused("NOTENOUGH")
    with pytest.raises(Refused):
        services.unified_order(unknown)
    unknown.refresh_from_db()
    assert unknown.next_check_at == before
    assert before is not None


# --- in trouble


@pytest.mark.parametrize(
    "answer", [requests.ConnectTimeout("slow"), refused("SYSTEMERROR"), refused("SIGNERROR"), b"<"]
)
def test_trouble_on_the_wire_moves_the_next_check_and_nothing_else(
    gateway: ScriptedTransport, placed: Order, answer: Any
) -> None:
    gateway.answers[QUERY] = answer
    pass_time(placed, minutes=10)
    before = Order.objects.values().get()
    assert sweep(placed) == services.SyncRun(found=1, settled=0, unanswered={"default": 1})
    after = Order.objects.values().get()
    pause = after.pop("next_check_at") - clock.now()
    before.pop("next_check_at")
    assert after == before
    assert abs(pause - timedelta(minutes=1)) < timedelta(seconds=20), "a tenth of its age"
    assert services.sync_orders() == services.SyncRun(found=0, settled=0)

    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    pass_time(placed, minutes=2)
    assert sweep(placed) == services.SyncRun(found=1, settled=1)


def test_an_order_of_a_merchant_that_is_gone_is_unanswered_and_costs_no_other_one(
    gateway: ScriptedTransport, placed: Order
) -> None:
    gone = new_order(out_trade_no="OFAGONEMERCHANT")
    Order.objects.filter(pk=gone.pk).update(
        merchant="gone", next_check_at=clock.now() - timedelta(days=1)
    )
    pass_time(placed, seconds=5)
    assert services.sync_orders() == services.SyncRun(found=2, settled=1, unanswered={"gone": 1})


# --- ended


def expiring(gateway: ScriptedTransport, **length: float) -> Order:
    order = new_order(time_expire=clock.now() + timedelta(**length))
    services.unified_order(order)
    gateway.answers |= {QUERY: standing("NOTPAY"), CLOSE: CLOSED_NOW}
    gateway.calls.clear()
    return order


def test_an_order_past_its_end_is_asked_for_and_then_closed(gateway: ScriptedTransport) -> None:
    order = expiring(gateway, minutes=10)
    pass_time(order, minutes=10, seconds=40)
    assert sweep(order) == services.SyncRun(found=1, settled=1)
    assert order.trade_state == "NOTPAY", "not within a minute"

    pass_time(order, seconds=20)
    assert sweep(order) == services.SyncRun(found=1, settled=1, closed=1)
    assert (order.trade_state, order.next_check_at) == ("CLOSED", None)
    assert gateway.paths() == [QUERY, QUERY, CLOSE]
    assert [event.kind for event in OrderEvent.objects.order_by("id")] == ["MOVED", "CLOSED"]


def test_an_order_found_paid_at_its_end_is_not_closed(gateway: ScriptedTransport) -> None:
    order = expiring(gateway, minutes=10)
    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    pass_time(order, minutes=11)
    assert sweep(order) == services.SyncRun(found=1, settled=1)
    assert (order.trade_state, gateway.paths()) == ("SUCCESS", [QUERY])


@pytest.mark.parametrize("answer", [requests.ReadTimeout("slow"), refused("SIGNERROR")])
def test_an_order_is_never_closed_without_an_answer(
    gateway: ScriptedTransport, answer: Any
) -> None:
    order = expiring(gateway, minutes=10)
    gateway.answers[QUERY] = answer
    pass_time(order, days=1)
    assert sweep(order) == services.SyncRun(found=1, settled=0, unanswered={"default": 1})
    assert order.trade_state == "NOTPAY"
    assert order.next_check_at is not None
    assert CLOSE not in gateway.paths()


def test_an_order_that_wechat_pay_has_forgotten_is_not_closed(gateway: ScriptedTransport) -> None:
    order = expiring(gateway, minutes=10)
    gateway.answers[QUERY] = refused("ORDERNOTEXIST")
    pass_time(order, days=1)
    assert sweep(order) == services.SyncRun(found=1, settled=1)
    assert (order.trade_state, order.next_check_at) == ("NOTPAY", None)
    assert CLOSE not in gateway.paths()


def test_an_order_paid_between_the_query_and_the_close_is_paid(gateway: ScriptedTransport) -> None:
    order = expiring(gateway, minutes=10)

    def paid_meanwhile(_sent: Any) -> Any:
        gateway.answers[QUERY] = standing("SUCCESS", **PAID)
        return refused("ORDERPAID")

    gateway.answers[CLOSE] = paid_meanwhile
    pass_time(order, minutes=11)
    assert sweep(order) == services.SyncRun(found=1, settled=1)
    assert (order.trade_state, order.next_check_at) == ("SUCCESS", None)
    assert gateway.paths() == [QUERY, CLOSE, QUERY]


@pytest.mark.parametrize("answer", [requests.ReadTimeout("slow"), refused("SIGNERROR")])
def test_a_close_without_an_answer_is_tried_again_after_another_query(
    gateway: ScriptedTransport, answer: Any
) -> None:
    order = expiring(gateway, minutes=10)
    gateway.answers[CLOSE] = answer
    pass_time(order, minutes=11)
    assert sweep(order) == services.SyncRun(found=1, settled=0, unanswered={"default": 1})
    assert order.trade_state == "NOTPAY"

    gateway.answers[CLOSE] = CLOSED_NOW
    gateway.calls.clear()
    pass_time(order, minutes=2)
    assert sweep(order) == services.SyncRun(found=1, settled=1, closed=1)
    assert gateway.paths() == [QUERY, CLOSE]


@pytest.mark.parametrize(("hours", "state"), [(None, "NOTPAY"), (24, "CLOSED"), (0.5, "CLOSED")])
def test_an_order_without_an_end_is_closed_after_the_hours_of_the_setting(
    gateway: ScriptedTransport, placed: Order, settings: Any, hours: float | None, state: str
) -> None:
    settings.WXPAY = settings.WXPAY | {"CLOSE_UNPAID_AFTER_H": hours}
    gateway.answers[CLOSE] = CLOSED_NOW
    pass_time(placed, hours=hours or 3)
    sweep(placed)
    assert (placed.trade_state, placed.next_check_at) == (state, None)


def test_an_order_that_is_placed_again_after_those_hours_has_them_anew(
    gateway: ScriptedTransport, placed: Order, settings: Any
) -> None:
    settings.WXPAY = settings.WXPAY | {"CLOSE_UNPAID_AFTER_H": 24}
    Order.objects.update(created_at=clock.now() - timedelta(hours=30))
    pass_time(placed, seconds=5)
    assert sweep(placed) == services.SyncRun(found=1, settled=1)
    assert placed.trade_state == "NOTPAY"
    assert CLOSE not in gateway.paths()


def test_what_wechat_pay_says_otherwise_of_an_open_order_does_not_end_its_schedule(
    gateway: ScriptedTransport, placed: Order
) -> None:
    gateway.answers[QUERY] = standing("SUCCESS", **(PAID | {"total_fee": 7}))
    pass_time(placed, seconds=5)
    assert sweep(placed) == services.SyncRun(found=1, settled=1)
    assert (placed.trade_state, until_next(placed)) == ("NOTPAY", 30)


def test_an_order_in_trouble_is_named_in_the_log(
    gateway: ScriptedTransport, placed: Order, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    gateway.answers[QUERY] = requests.ReadTimeout("slow")
    pass_time(placed, seconds=5)
    sweep(placed)
    assert f"order {placed.out_trade_no} could not be asked for" in caplog.text


# --- a notification that contradicts


def contradict(order: Order, fee: int) -> None:
    body = payment_notice(order.out_trade_no, total_fee=fee)
    assert services.receive_notification("default", "payment", {}, body).accepted
    order.refresh_from_db()


def test_contradictions_have_an_order_asked_for_once_a_minute(
    gateway: ScriptedTransport, placed: Order, around_now: Callable[[datetime | None, float], bool]
) -> None:
    contradict(placed, 1)
    assert around_now(placed.next_check_at, 0)
    sweep(placed)
    assert until_next(placed) == 5, "after the answer the schedule goes on"

    contradict(placed, 2)
    assert around_now(placed.next_check_at, 60)
    pass_time(placed, minutes=1)
    contradict(placed, 3)
    assert around_now(placed.next_check_at, 0)
    assert gateway.paths() == [QUERY]


@pytest.fixture
def around_now() -> Callable[[datetime | None, float], bool]:
    """Return whether a moment is so many seconds from now, within half a minute."""

    def check(moment: datetime | None, seconds: float) -> bool:
        assert moment is not None
        return abs((moment - clock.now()).total_seconds() - seconds) < 25

    return check
