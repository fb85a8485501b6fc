"""A receiver that ends its own process: counted, called more and more seldom, alone in its harm."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest

from django_wxpay.models import OrderEvent
from django_wxpay.services import clock
from django_wxpay.services.doctor.diagnosis import diagnose
from django_wxpay.services.doctor.findings import Level
from django_wxpay.services.transitions import orders
from example_project.shop.models import Purchase
from tests.races.conftest import new_order
from tests.selling import pay
from tests.tables import ALIAS, connection

pytestmark = [pytest.mark.races, pytest.mark.usefixtures("gateway")]

DEADLY, HARMLESS = "DEADLY0001", "HARMLESS01"
# A worker's process, on the database of this test.
WORKER = f"""
import os, sys
import django
from django.conf import settings
django.setup()
settings.DATABASES[{ALIAS!r}]["NAME"] = sys.argv[1]
from django.db import connections
connections[{ALIAS!r}].settings_dict["NAME"] = sys.argv[1]
from django_wxpay import services
from django_wxpay.signals import order_paid
from example_project.shop.models import Purchase

def receive(order, **_):
    if order.out_trade_no == {DEADLY!r}:
        os._exit(9)
    Purchase.objects.create(tea="paid", title=order.out_trade_no, total_fee=1)

for key, receiver, *rest in list(order_paid.receivers):
    order_paid.receivers.remove((key, receiver, *rest))
order_paid.sender_receivers_cache.clear()
order_paid.connect(receive, weak=False)
services.run_jobs("events")
"""


def work() -> int:
    name = str(connection.settings_dict["NAME"])
    done = subprocess.run(
        [sys.executable, "-c", WORKER, name],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 9}, done.stderr
    return done.returncode


@pytest.mark.long
def test_an_event_that_kills_its_process_is_counted_and_others_are_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(orders, "after_commit", lambda action: None)
        for number in (DEADLY, HARMLESS):
            assert pay(new_order(out_trade_no=number))
    OrderEvent.objects.update(next_dispatch_at=None, dispatch_attempts=0)

    assert work() == 9
    deadly = OrderEvent.objects.get(order__out_trade_no=DEADLY)
    assert (deadly.dispatch_attempts, deadly.dispatched_at) == (1, None)
    assert deadly.next_dispatch_at is not None
    assert deadly.next_dispatch_at > clock.now() + timedelta(minutes=4)

    assert work() == 0, "it is not called again at once"
    assert list(Purchase.objects.values_list("title", flat=True)) == [HARMLESS]

    due = {"next_dispatch_at": clock.now(), "dispatch_attempts": 3}
    OrderEvent.objects.filter(pk=deadly.pk).update(**due)
    assert work() == 9
    deadly.refresh_from_db()
    assert deadly.dispatch_attempts == 4
    assert deadly.next_dispatch_at is not None
    assert deadly.next_dispatch_at > clock.now() + timedelta(minutes=15)

    long_ago = {"next_dispatch_at": clock.now(), "created_at": clock.now() - timedelta(hours=6)}
    OrderEvent.objects.filter(pk=deadly.pk).update(**long_ago)
    found = [each.message for each in diagnose(ask=False) if each.level is Level.ERROR]
    assert any("began with 1 event and never ended" in message for message in found), found
