"""Reconciling one bill in several processes: one row of each difference and of each fee."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from django_wxpay.models import Discrepancy, Fee
from django_wxpay.services.bills.differences import Differences
from django_wxpay.services.bills.fees import Fees
from django_wxpay.services.bills.reconciling import Reconciliation, reconcile
from tests.factories import OrderFactory
from tests.races.running import at_once
from tests.services.bills.conftest import _storage, bill_of, row, sold  # noqa: F401
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.races


def test_four_at_once_write_each_difference_and_fee_once(
    gateway: ScriptedTransport, raises: Any
) -> None:
    orders = [sold() for _ in range(30)]
    strangers = [OrderFactory.build(paid=True) for _ in range(30)]
    bill = bill_of(*map(row, orders[5:]), *map(row, strangers))
    bills = [type(bill).objects.get(pk=bill.pk) for _ in range(4)]
    outcomes = at_once(*(partial(reconcile, each) for each in bills))
    raises(outcomes)
    assert Fee.objects.count() == 25
    assert Discrepancy.objects.filter(status="OPEN").count() == 35
    assert Discrepancy.objects.count() == 35
    assert [each.open for each in outcomes if isinstance(each, Reconciliation)] == [35] * 4
    # Mended, and again at once.
    for stranger in strangers:
        stranger.success_time = orders[0].success_time
        stranger.save()
    raises(at_once(*(partial(reconcile, each) for each in bills)))
    assert (Fee.objects.count(), Discrepancy.objects.filter(status="OPEN").count()) == (55, 5)


def test_what_another_has_just_written_is_not_written_again(gateway: ScriptedTransport) -> None:
    order = sold()
    bill = bill_of(row(order))
    mine, theirs = Fees(bill), Fees(bill)
    for fees in (mine, theirs):
        fees.of_order(order.pk, 60_000, "CNY", "0.60%")
    theirs.flush()
    mine.flush()
    assert (theirs.written, mine.written, Fee.objects.count()) == (1, 0, 1)
    assert Differences(bill).opened == 0
