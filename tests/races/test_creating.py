"""Two requests with one order number at the same moment: one row, or one conflict."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import OrderConflict
from django_wxpay.models import Order
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.services.orders import creating
from tests.races.conftest import new_order
from tests.races.running import Meeting, at_once
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.races

NUMBER = "RACE000001"


@pytest.fixture
def meeting(gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch) -> Meeting:
    """Have both look for the number, and find it free, before either takes it."""
    meeting = Meeting(2)
    monkeypatch.setattr(creating, "_find", meeting.after(creating._find))
    return meeting


def test_the_same_order_twice_at_once_is_one_row_that_both_get(meeting: Meeting) -> None:
    one, other = at_once(*[lambda: new_order(out_trade_no=NUMBER)] * 2)

    assert meeting.met == 2
    assert isinstance(one, Order), one
    assert one == other == Order.objects.get()


def test_of_two_that_ask_at_once_only_one_has_created_it(meeting: Meeting) -> None:
    def place() -> tuple[Order, bool]:
        return services.get_or_create_order(
            trade_type="NATIVE", body="Tea", total_fee=100, product_id="P1", out_trade_no=NUMBER
        )

    outcomes: list[Any] = at_once(place, place)

    assert meeting.met == 2
    assert sorted(created for _, created in outcomes) == [False, True]


def test_different_orders_under_one_number_at_once_are_one_row_and_one_conflict(
    meeting: Meeting,
) -> None:
    outcomes = at_once(
        lambda: new_order(out_trade_no=NUMBER, total_fee=100),
        lambda: new_order(out_trade_no=NUMBER, total_fee=200),
    )

    assert meeting.met == 2
    (conflict,) = [each for each in outcomes if isinstance(each, OrderConflict)]
    assert conflict.fields == ("total_fee",)
    (kept,) = [each for each in outcomes if isinstance(each, Order)]
    assert kept == Order.objects.get()


def test_the_loser_keeps_what_its_own_transaction_has_done_before(
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A number that is taken between look and insert must not spoil the caller's transaction."""
    find = creating._find

    def find_too_early(merchant: str, terms: OrderTerms) -> Order | None:
        found = find(merchant, terms)
        if found is None and terms.total_fee == 200:
            new_order(out_trade_no=NUMBER)
        return found

    monkeypatch.setattr(creating, "_find", find_too_early)

    def in_a_transaction() -> Order:
        with atomic():
            new_order(out_trade_no="RACE000002")
            with pytest.raises(OrderConflict):
                new_order(out_trade_no=NUMBER, total_fee=200)
            return new_order(out_trade_no="RACE000003")

    (kept,) = at_once(in_a_transaction)

    assert isinstance(kept, Order), kept
    numbers = Order.objects.values_list("out_trade_no", flat=True)
    assert set(numbers) == {NUMBER, "RACE000002", "RACE000003"}


def test_twenty_orders_at_once_have_twenty_numbers(gateway: ScriptedTransport) -> None:
    outcomes = at_once(*[new_order] * 20)

    assert len({each.out_trade_no for each in outcomes if isinstance(each, Order)}) == 20
    assert Order.objects.count() == 20
