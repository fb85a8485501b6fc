"""Matching: whatever the order, the number of rows and the memory, each row meets its own."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from django_wxpay.exceptions import BillStorageError
from django_wxpay.models import Fee, Order
from django_wxpay.services.bills import (
    asking,
    differences,
    fees,
    here,
    matching,
    reconciling,
    spilling,
)
from django_wxpay.services.bills.asking import Asking
from django_wxpay.services.bills.reconciling import reconcile
from django_wxpay.services.bills.spilling import Parts
from tests.factories import OrderFactory
from tests.services.bills.conftest import (
    MORNING,
    bill_of,
    found,
    paid_back,
    refund_row,
    row,
    sold,
)
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused

ROWS = 60


@pytest.fixture
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in (
        (spilling, "_ROWS_A_PART", 8),
        (spilling, "_ROWS_WAITING", 5),
        (matching, "_MOST_WAITING", 7),
        (here, "_SLICE", 4),
        (reconciling, "_READ", 5),
        (fees, "_BATCH", 10),
        (differences, "_BATCH", 3),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.django_db
@pytest.mark.usefixtures("_little_memory")
@pytest.mark.parametrize("seconds", [0, 1, 7])
def test_any_order_of_any_many_rows_is_matched(gateway: ScriptedTransport, seconds: int) -> None:
    orders = [sold(success_time=MORNING + timedelta(seconds=n * seconds)) for n in range(ROWS)]
    backs = [paid_back(order) for order in orders[:20]]
    rows = [*map(row, orders[1:]), *map(refund_row, backs[1:])]
    rows += [row(OrderFactory.build(paid=True)) for _ in range(5)]
    random.Random(seconds).shuffle(rows)  # noqa: S311 - an order of rows is no secret
    bill = bill_of(*rows)
    for fees_, opened in ((ROWS - 1 + 19, 7), (0, 0)):
        result = reconcile(bill)
        assert (result.fees, result.opened, result.open) == (fees_, opened, 7)
    kinds = [kind for kind, _ in found()]
    assert kinds == ["MISSING_HERE"] * 5 + ["MISSING_THERE", "REFUND_MISSING_THERE"]


@pytest.mark.django_db
def test_rows_that_agree_cost_no_query_each(
    gateway: ScriptedTransport, django_assert_max_num_queries: Any
) -> None:
    bill = bill_of(*map(row, [sold() for _ in range(ROWS)]))
    reconcile(bill)
    with django_assert_max_num_queries(16):
        reconcile(bill)


@pytest.mark.django_db
def test_fees_that_are_there_already_are_not_written_again(gateway: ScriptedTransport) -> None:
    orders = [sold() for _ in range(3)]
    reconcile(bill_of(*map(row, orders)))
    ids = set(Fee.objects.values_list("id", flat=True))
    again = bill_of(*map(row, orders), merchant="alias")
    assert reconcile(again).fees == 0
    assert set(Fee.objects.values_list("id", flat=True)) == ids


def test_parts_give_back_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spilling, "_ROWS_A_PART", 10)
    monkeypatch.setattr(spilling, "_ROWS_WAITING", 25)
    rows = [(n, f"T{n}\N{SNOWMAN}", "") for n in range(100)]
    parts = Parts(100, at=1)
    for start in range(0, 100, 9):
        parts.add(rows[start : start + 9])
    assert len(list(parts)) == 16
    assert sorted(each for part in parts for each in part) == rows
    assert sorted(each for piece in parts.pieces() for each in piece) == rows
    parts.close()


class FullDisk:
    """A file of a disk that takes nothing, or gives nothing back."""

    def __init__(self, *, is_readable: bool) -> None:
        self.is_readable = is_readable

    def write(self, data: bytes) -> int:
        if not self.is_readable:
            raise OSError(28, "No space left on device")
        return len(data)

    def tell(self) -> int:
        return 0

    def seek(self, to: int) -> None:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("is_readable", [False, True])
def test_a_full_disk_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, is_readable: bool) -> None:
    monkeypatch.setattr(spilling, "_ROWS_WAITING", 1)
    monkeypatch.setattr(spilling, "TemporaryFile", lambda **kw: FullDisk(is_readable=is_readable))
    with pytest.raises(BillStorageError, match="temporary files"):
        parts = Parts(1, at=0)
        parts.add([("T1",)])
        list(parts)


@pytest.mark.django_db
def test_one_question_is_put_once_in_a_run(gateway: ScriptedTransport) -> None:
    order = OrderFactory.create(out_trade_no="T1", trade_state="NOTPAY")
    gateway.answers["/pay/orderquery"] = refused("ORDERNOTEXIST")
    asked = Asking()
    answers = [asked.for_order(each) for each in (order, Order.objects.get())]
    assert answers == ["ORDERNOTEXIST"] * 2
    assert asked.asked == 1


@pytest.mark.django_db
def test_a_run_asks_no_longer_than_its_time(
    gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LONGEST_S", -1.0)
    assert Asking().for_order(OrderFactory.create()).startswith("not asked")
    assert gateway.calls == []
