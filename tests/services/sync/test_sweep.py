"""Orders that are asked for: after a conflict, by whichever worker comes first, and once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import DataError

from django_wxpay import services
from django_wxpay.exceptions import ConfigurationError, InsideTransaction
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.services import clock
from django_wxpay.services.sync import asking
from tests.services.conftest import new_order
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, payment_notice, refused, standing

pytestmark = pytest.mark.django_db(transaction=True)

QUERY = "/pay/orderquery"


@pytest.fixture
def spoilt(gateway: ScriptedTransport) -> Order:
    """Return an order that is paid, of which a well-signed notification says something else."""
    order = new_order()
    body = payment_notice(order.out_trade_no, total_fee=1)
    assert services.receive_notification("default", "payment", {}, body).accepted
    assert Notification.objects.get().outcome == "CONFLICT"
    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    return order


def test_a_spoilt_notification_is_settled_by_asking(
    gateway: ScriptedTransport, spoilt: Order
) -> None:
    assert services.sync_orders() == services.SyncRun(found=1, settled=1)
    spoilt.refresh_from_db()
    assert (spoilt.trade_state, spoilt.next_check_at) == ("SUCCESS", None)
    kinds = list(OrderEvent.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["CONFLICTED", "PAID"]

    assert services.sync_orders() == services.SyncRun(found=0, settled=0)
    assert gateway.paths() == [QUERY]


def test_the_worker_has_a_job_for_it(spoilt: Order) -> None:
    runs = {run.name: str(run) for run in services.run_jobs("sync")}
    assert runs == {"sync": "sync: 1 order checked"}
    spoilt.refresh_from_db()
    assert spoilt.trade_state == "SUCCESS"


@pytest.mark.parametrize("answer", [requests.ConnectTimeout("slow"), refused("SYSTEMERROR")])
def test_an_order_without_an_answer_is_due_again_later(
    gateway: ScriptedTransport, spoilt: Order, answer: Any
) -> None:
    gateway.answers[QUERY] = answer
    silent = services.SyncRun(found=1, settled=0, unanswered={"default": 1})
    assert services.sync_orders() == silent
    assert services.sync_orders() == services.SyncRun(found=0, settled=0), "not at once"

    spoilt.refresh_from_db()
    later = clock.now() - timedelta(minutes=1)
    assert spoilt.next_check_at is not None
    Order.objects.update(next_check_at=later, checked_at=later)
    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    assert services.sync_orders() == services.SyncRun(found=1, settled=1)


def test_an_order_that_wechat_pay_does_not_know_is_done_with(
    gateway: ScriptedTransport, spoilt: Order
) -> None:
    gateway.answers[QUERY] = refused("ORDERNOTEXIST")
    assert services.sync_orders() == services.SyncRun(found=1, settled=1)
    spoilt.refresh_from_db()
    assert (spoilt.trade_state, spoilt.next_check_at) == ("CREATED", None)


def test_an_answer_that_contradicts_as_well_is_not_asked_for_again(
    gateway: ScriptedTransport, spoilt: Order
) -> None:
    gateway.answers[QUERY] = standing("SUCCESS", **(PAID | {"total_fee": 7}))
    assert services.sync_orders() == services.SyncRun(found=1, settled=1)
    assert services.sync_orders() == services.SyncRun(found=0, settled=0)


def test_one_that_another_worker_has_in_hand_is_left_to_it(
    gateway: ScriptedTransport, spoilt: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = asking.claim_as_seen

    def too_late(rows: Any, column: str, until: Any, *, seen: Any) -> int:
        claim(rows, column, until + timedelta(seconds=1), seen=seen)
        return claim(rows, column, until, seen=seen)

    monkeypatch.setattr(asking, "claim_as_seen", too_late)
    assert services.sync_orders() == services.SyncRun(found=1, settled=0)
    assert gateway.calls == []


def test_who_is_second_to_an_order_begins_in_the_middle_and_comes_back_for_the_rest(
    gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And counts each order once, also those that it passed over."""
    gateway.answers[QUERY] = standing("NOTPAY")
    orders = [new_order(out_trade_no=f"PLACE{at}") for at in range(5)]
    for at, order in enumerate(orders):
        seconds = timedelta(seconds=60 - at)
        Order.objects.filter(pk=order.pk).update(next_check_at=clock.now() - seconds)
    ask, asked = asking.Question.ask, list[str]()

    def too_late_once(question: asking.Question, now: Any) -> Any:
        asked.append(question.row.out_trade_no)
        if len(asked) == 1:
            lease = clock.now() + asking.LEASE
            Order.objects.filter(pk=question.row.pk).update(next_check_at=lease)
        return ask(question, now)

    monkeypatch.setattr(asking.Question, "ask", too_late_once)
    assert services.sync_orders() == services.SyncRun(found=5, settled=4)
    assert asked[:2] == ["PLACE0", "PLACE3"]
    assert sorted(asked) == [order.out_trade_no for order in orders]


def test_it_does_no_more_than_it_is_asked_to_and_ends_when_it_is_told_to(
    gateway: ScriptedTransport, spoilt: Order
) -> None:
    assert services.sync_orders(limit=0) == services.SyncRun(found=0, settled=0)
    assert services.sync_orders(stop=lambda: True) == services.SyncRun(found=1, settled=0)
    assert gateway.calls == []


def test_it_refuses_to_run_inside_a_transaction() -> None:
    with atomic(), pytest.raises(InsideTransaction):
        services.sync_orders()


def test_wrong_settings_are_raised_before_anything_is_asked(
    gateway: ScriptedTransport, spoilt: Order, settings: Any
) -> None:
    good = settings.WXPAY
    settings.WXPAY = good | {"CLOSE_UNPAID_AFTER_H": "a day"}
    with pytest.raises(ConfigurationError, match="CLOSE_UNPAID_AFTER_H"):
        services.sync_orders()
    assert gateway.calls == []
    settings.WXPAY = good


def test_an_error_of_our_own_ends_the_merchants_run_and_is_raised_at_the_end(
    gateway: ScriptedTransport, spoilt: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> int:
        raise DataError("the table is gone")

    monkeypatch.setattr(asking, "claim_as_seen", broken)
    with pytest.raises(DataError, match="the table is gone"):
        services.sync_orders()
    assert gateway.calls == []
