"""Two payments under one reference: found once, and over when one of them is paid back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import BackgroundJob, Order, OrderEvent
from django_wxpay.models.choices import Attentions
from django_wxpay.services.attention.cases import attention_of, resolve_event
from django_wxpay.services.attention.paid_twice import JOB, Watch, watch_references
from django_wxpay.services.worker.jobs import JOBS
from django_wxpay.services.worker.running import run_job
from tests.factories import OrderEventFactory, OrderFactory, RefundFactory

pytestmark = pytest.mark.django_db

NOTHING = Watch(found=0, gone=0)


def paid(reference: str = "basket-7", **fields: Any) -> Order:
    order = OrderFactory(paid=True, reference=reference, **fields)
    OrderEventFactory(order=order, created_at=datetime.now(UTC))
    return order


def needs(order: Order) -> list[Attentions]:
    return attention_of([order])[order.pk]


def test_the_later_of_two_payments_is_marked_once() -> None:
    first, second = paid(), paid()
    assert watch_references() == Watch(found=1, gone=0)
    assert watch_references() == NOTHING
    assert (needs(first), needs(second)) == ([], [Attentions.PAID_TWICE])
    event = OrderEvent.objects.get(kind="PAID_TWICE")
    assert event.order == second
    assert event.detail == {"reference": "basket-7", "out_trade_no": first.out_trade_no}
    # It is history, and waits for no receiver.
    assert event.dispatched_at is not None


def test_of_three_two_are_too_many() -> None:
    paid()
    paid()
    assert watch_references().found == 1
    paid()
    assert watch_references().found == 1


def test_other_purchases_and_orders_without_a_reference_are_none() -> None:
    paid()
    paid("basket-8")
    paid(merchant="other")
    paid("")
    paid("")
    OrderFactory(reference="basket-7")
    assert watch_references() == NOTHING


def test_it_is_over_when_one_of_them_is_wholly_paid_back() -> None:
    first, second = paid(), paid()
    watch_references()
    RefundFactory(order=first, refund_fee=first.total_fee - 1, paid_back=True, position=1)
    assert watch_references() == NOTHING
    assert needs(second) == [Attentions.PAID_TWICE]
    RefundFactory(order=first, refund_fee=1, paid_back=True, position=2)
    assert watch_references() == Watch(found=0, gone=1)
    assert needs(second) == []
    assert OrderEvent.objects.get(kind="PAID_TWICE").resolved_by == ""


def test_one_that_a_person_has_resolved_does_not_come_back() -> None:
    _, second = paid(), paid()
    watch_references()
    resolve_event(OrderEvent.objects.get(kind="PAID_TWICE"), note="Both are due.", by="mei")
    assert watch_references() == NOTHING
    assert needs(second) == []


def test_a_run_looks_at_what_was_paid_since_the_last_that_succeeded() -> None:
    now = datetime.now(UTC)
    for _ in range(2):
        order = OrderFactory(paid=True, reference="old")
        OrderEventFactory(order=order, created_at=now - timedelta(hours=1))
    job = BackgroundJob.objects.create(name=JOB, succeeded_at=now)
    assert watch_references() == NOTHING
    BackgroundJob.objects.filter(pk=job.pk).update(succeeded_at=now - timedelta(hours=1))
    assert watch_references().found == 1


def test_the_first_run_looks_at_a_day() -> None:
    for hours in (23, 25):
        for _ in range(2):
            order = OrderFactory(paid=True, reference=f"{hours} hours ago")
            at = datetime.now(UTC) - timedelta(hours=hours)
            OrderEventFactory(order=order, created_at=at)
    assert watch_references().found == 1


def test_a_run_that_is_to_stop_finds_nothing_more() -> None:
    paid()
    paid()
    assert watch_references(stop=lambda: True) == Watch(found=0, gone=0, is_cut_short=True)


def test_the_worker_does_it(gateway: Any) -> None:
    paid(success_time=datetime.now(UTC))
    paid(success_time=datetime.now(UTC))
    assert JOB in [job.name for job in JOBS]
    (run,) = services.run_jobs(JOB)
    assert str(run) == "attention: 1 order paid twice"


def test_a_run_that_was_stopped_has_not_looked_and_the_next_one_does() -> None:
    (job,) = [each for each in JOBS if each.name == JOB]
    last = datetime.now(UTC) - timedelta(hours=2)
    BackgroundJob.objects.create(name=JOB, succeeded_at=last)
    paid()
    paid()
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    OrderEvent.objects.update(created_at=an_hour_ago)
    run = run_job(job, stop=lambda: True)

    row = BackgroundJob.objects.get()
    assert (run.succeeded, row.succeeded_at, row.error) == (True, last, "")
    assert row.finished_at is not None
    assert run_job(job).result.counts["PAID_TWICE"] == 1
    assert BackgroundJob.objects.get().succeeded_at > an_hour_ago
