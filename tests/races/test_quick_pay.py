"""One sale and many who press at the same moment: one charge, one end, one delivery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import OutcomeUnknown
from django_wxpay.models import Order, OrderEvent
from django_wxpay.services.orders import reversing
from tests.races.conftest import Shop
from tests.races.running import at_once
from tests.wechatpay.quick_pay import (
    CERTIFICATE,
    DONE,
    MICROPAY,
    PAYS,
    QUERY,
    REVERSE,
    REVOKED,
    charged,
    counts,
    pay,
)
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.races


@pytest.fixture(autouse=True)
def till(gateway: ScriptedTransport, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    default = settings.WXPAY["MERCHANTS"]["default"] | CERTIFICATE
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": default}}
    monkeypatch.setattr(reversing, "REVERSIBLE_AFTER_S", 0)
    monkeypatch.setattr(reversing, "_PAUSE_S", 0.01)


def long_ago() -> None:
    """Let everything that is leased be free."""
    before = datetime.now(UTC) - timedelta(minutes=5)
    Order.objects.update(created_at=before, placing_until=before, next_check_at=before)


def test_ten_who_scan_for_one_number_charge_once(
    gateway: ScriptedTransport, shop: Shop, raises: Any
) -> None:
    gateway.answers[MICROPAY] = charged
    outcomes = at_once(*[pay] * 10)

    raises(outcomes)
    assert {order.trade_state for order in outcomes} == {"SUCCESS"}
    assert counts(gateway) == {MICROPAY: 1}
    assert shop.lines == ["paid TILL-0001"]


def test_ten_who_go_on_with_one_sale_ask_once_and_charge_nothing(
    gateway: ScriptedTransport, shop: Shop, raises: Any
) -> None:
    services.open_sale(auth_code="134567890123456789", body="Tea", total_fee=100)
    number = Order.objects.get().out_trade_no
    long_ago()
    gateway.answers[QUERY] = PAYS
    outcomes = at_once(*[lambda: pay(out_trade_no=number)] * 9, services.sync_orders)

    raises(outcomes)
    assert Order.objects.get().trade_state == "SUCCESS"
    assert MICROPAY not in gateway.paths()
    assert shop.lines == [f"paid {number}"]


def test_ten_who_reverse_give_the_money_back_once(gateway: ScriptedTransport, shop: Shop) -> None:
    gateway.answers |= {MICROPAY: charged, REVERSE: DONE, QUERY: REVOKED}
    order = pay()
    outcomes = at_once(*[lambda: services.reverse_order(Order.objects.get(pk=order.pk))] * 10)

    kinds = {type(outcome) for outcome in outcomes}
    assert kinds <= {Order, OutcomeUnknown}
    assert Order in kinds
    assert counts(gateway)[REVERSE] == 1
    assert shop.lines == ["paid TILL-0001", "closed TILL-0001"]
    assert Order.objects.get().trade_state == "REVOKED"


def test_a_payment_that_is_seen_during_its_reversal_ends_as_reversed(
    gateway: ScriptedTransport, shop: Shop
) -> None:
    services.open_sale(
        auth_code="134567890123456789", body="Tea", total_fee=100, out_trade_no="TILL-0001"
    )
    long_ago()
    order = Order.objects.get()
    reversed_there: list[bool] = []

    def reverse(_sent: Mapping[str, str]) -> dict[str, str]:
        # A clerk presses the other button at this moment.
        services.query_order(Order.objects.get(pk=order.pk))
        reversed_there.append(True)
        return DONE

    def state(sent: Mapping[str, str]) -> Any:
        return (REVOKED if reversed_there else PAYS)(dict(sent))

    gateway.answers |= {REVERSE: reverse, QUERY: state}
    services.reverse_order(order)

    assert Order.objects.get().trade_state == "REVOKED"
    # It was paid, and then it was not: the shop is handed both events, in this order.
    assert shop.lines == ["paid TILL-0001", "closed TILL-0001"]
    moves = OrderEvent.objects.order_by("id").values_list("from_state", "to_state")
    assert list(moves) == [("CREATED", "SUCCESS"), ("SUCCESS", "REVOKED")]


@pytest.mark.parametrize("_again", range(3))
def test_a_reversal_against_a_query_leaves_what_wechat_pay_says(
    gateway: ScriptedTransport, shop: Shop, _again: int, raises: Any
) -> None:
    gateway.answers |= {MICROPAY: charged, REVERSE: DONE, QUERY: REVOKED}
    order = pay()

    def ask() -> Order:
        return services.query_order(Order.objects.get(pk=order.pk))

    def undo() -> Order:
        return services.reverse_order(Order.objects.get(pk=order.pk))

    raises(at_once(ask, ask, undo, ask, ask))
    assert Order.objects.get().trade_state == "REVOKED"
    assert shop.lines == ["paid TILL-0001", "closed TILL-0001"]
