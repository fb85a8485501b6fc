"""Orders that are asked for: after a conflict, by whichever worker comes first, and once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.services import clock
from django_wxpay.services.sync import sweep
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
    assert runs == {"sync": "sync: 1 orders checked"}
    spoilt.refresh_from_db()
    assert spoilt.trade_state == "SUCCESS"


@pytest.mark.parametrize("answer", [requests.ConnectTimeout("slow"), refused("SYSTEMERROR")])
def test_an_order_without_an_answer_is_due_again_later(
    gateway: ScriptedTransport, spoilt: Order, answer: Any
) -> None:
    gateway.answers[QUERY] = answer
    assert services.sync_orders() == services.SyncRun(found=1, settled=0)
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
    lease = sweep._lease

    def quicker(*args: Any) -> int:
        lease(*args)
        return lease(*args)

    monkeypatch.setattr(sweep, "_lease", quicker)
    assert services.sync_orders() == services.SyncRun(found=1, settled=0)
    assert gateway.calls == []


def test_it_does_no_more_than_it_is_asked_to_and_ends_when_it_is_told_to(
    gateway: ScriptedTransport, spoilt: Order
) -> None:
    assert services.sync_orders(limit=0) == services.SyncRun(found=0, settled=0)
    assert services.sync_orders(stop=lambda: True) == services.SyncRun(found=1, settled=0)
    assert gateway.calls == []


def test_it_refuses_to_run_inside_a_transaction() -> None:
    with atomic(), pytest.raises(InsideTransaction):
        services.sync_orders()
