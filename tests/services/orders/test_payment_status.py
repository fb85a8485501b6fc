"""How a payment stands for its customer, for every state of an order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.template import Context, Template
from django.utils.translation import gettext

from django_wxpay import services
from django_wxpay.models import Order, Prepay
from django_wxpay.protocol.facts import TradeState
from django_wxpay.services import clock
from tests.factories import OrderFactory, PrepayFactory

pytestmark = pytest.mark.django_db

# Of an order whose prepay has run out.
WITHOUT_LIVE_PREPAY = {
    TradeState.SUCCESS: "paid",
    TradeState.REFUND: "paid",
    TradeState.CLOSED: "closed",
    TradeState.REVOKED: "closed",
    TradeState.PAYERROR: "failed",
    TradeState.CREATED: "expired",
    TradeState.NOTPAY: "expired",
    TradeState.USERPAYING: "expired",
}


def order_in(state: TradeState) -> Order:
    paid = {"success_time": clock.now()} if WITHOUT_LIVE_PREPAY[state] == "paid" else {}
    return OrderFactory(trade_state=state.value, **paid)


@pytest.mark.parametrize("state", TradeState)
@pytest.mark.parametrize("is_live", [True, False])
def test_every_state_has_a_word_for_the_customer(state: TradeState, is_live: bool) -> None:
    order = order_in(state)
    life = timedelta(hours=1 if is_live else -1)
    now = clock.now()
    prepay = PrepayFactory(order=order, created_at=now - timedelta(hours=2), expires_at=now + life)
    expected = WITHOUT_LIVE_PREPAY[state]
    if expected == "expired" and is_live:
        expected = "waiting"
    status = services.payment_status(order)
    assert status.status == expected
    if expected in {"waiting", "expired"}:
        assert status.expires_at == prepay.expires_at
        assert status.as_dict() == {
            "status": expected,
            "expires_at": prepay.expires_at.isoformat(),
        }
    else:
        assert status.as_dict() == {"status": expected, "expires_at": None}


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        pytest.param({}, "waiting", id="never placed"),
        pytest.param({"placing_until": 1, "placed_at": 0, "next_check_at": 1}, "waiting", id="now"),
        pytest.param({"placing_until": 1, "placed_at": 0, "err_code": "X"}, "waiting", id="again"),
        pytest.param({"placed_at": -9, "next_check_at": 1}, "waiting", id="outcome unknown"),
        pytest.param(
            {"placed_at": -9, "next_check_at": 1, "err_code": "X"}, "waiting", id="then refused"
        ),
        pytest.param({"placed_at": -9, "err_code": "NOAUTH"}, "failed", id="refused"),
        pytest.param({"placed_at": -999}, "failed", id="WeChat Pay does not know it"),
        pytest.param({"trade_type": "MICROPAY", "err_code": "X"}, "failed", id="a code refused"),
        pytest.param({"trade_type": "MICROPAY", "next_check_at": 1}, "waiting", id="a code sent"),
        pytest.param({"time_expire": -1}, "expired", id="its own time is over"),
        pytest.param({"placed_at": -9, "err_code": "X", "time_expire": -1}, "expired", id="both"),
    ],
)
def test_an_order_that_was_never_accepted_has_no_code_that_could_expire(
    columns: dict[str, Any], status: str
) -> None:
    now = clock.now()
    moments = {
        name: now + timedelta(minutes=value) if isinstance(value, int) else value
        for name, value in columns.items()
    }
    order = OrderFactory(trade_state="CREATED", **moments)
    assert services.payment_status(order).as_dict() == {"status": status, "expires_at": None}


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        pytest.param({"trade_type": "MICROPAY", "placing_until": 1}, "waiting", id="a call waits"),
        pytest.param({"trade_type": "MICROPAY", "next_check_at": 1}, "waiting", id="left to ask"),
        pytest.param({"trade_type": "MICROPAY", "next_check_at": -1}, "waiting", id="due"),
        pytest.param({"trade_type": "MICROPAY"}, "expired", id="asked for no more"),
        pytest.param({"trade_type": "NATIVE", "placing_until": 1}, "waiting", id="placed again"),
        pytest.param({"trade_type": "NATIVE", "placing_until": -1}, "expired", id="was placed"),
        pytest.param({"trade_type": "NATIVE", "next_check_at": 1}, "expired", id="on schedule"),
    ],
)
@pytest.mark.parametrize("state", ["NOTPAY", "USERPAYING"])
def test_what_a_call_has_in_hand_is_not_expired(
    state: str, columns: dict[str, Any], status: str
) -> None:
    now = clock.now()
    moments = {
        name: now + timedelta(minutes=value) if isinstance(value, int) else value
        for name, value in columns.items()
    }
    order = OrderFactory(trade_state=state, placed_at=now - timedelta(hours=3), **moments)
    assert services.payment_status(order).as_dict() == {"status": status, "expires_at": None}


def test_a_code_that_is_being_replaced_is_not_expired() -> None:
    now = clock.now()
    order = OrderFactory(trade_state="NOTPAY", placing_until=now + timedelta(seconds=20))
    before = now - timedelta(hours=3)
    PrepayFactory(order=order, created_at=before, expires_at=before + timedelta(hours=2))
    assert services.payment_status(order) == services.PaymentStatus("waiting")


def test_it_takes_one_query_at_most(django_assert_num_queries: Any) -> None:
    waiting, paid = order_in(TradeState.NOTPAY), order_in(TradeState.SUCCESS)
    with django_assert_num_queries(1):
        services.payment_status(waiting)
    with django_assert_num_queries(0):
        services.payment_status(paid)


def drawn(payment: object) -> str:
    source = Template("{% load wxpay %}[{% wxpay_qr payment %}]")
    return source.render(Context({"payment": payment}))


def test_the_tag_draws_a_checkout_a_prepay_and_an_address_alike() -> None:
    prepay = PrepayFactory(order=OrderFactory(), code_url="weixin://wxpay/bizpayurl?pr=a")
    by_hand = services.Checkout(prepay.order, prepay, {})
    code = drawn(prepay)
    assert code.count("<svg ") == 1
    assert f'role="img" aria-label="{gettext("QR code: scan it with WeChat to pay.")}"' in code
    assert code == drawn(by_hand) == drawn(prepay.code_url) == f"[{by_hand.qr_svg}]"
    assert drawn(prepay) != drawn("weixin://wxpay/bizpayurl?pr=b")


@pytest.mark.parametrize("payment", ["", None, 5, Prepay(code_url="")])
def test_where_there_is_no_code_the_tag_draws_nothing(payment: object) -> None:
    assert drawn(payment) == "[]"


def test_what_is_drawn_passes_a_strict_policy_and_holds_no_text_of_the_address() -> None:
    code = services.qr_svg('weixin://wxpay/"><script>alert(1)</script>')
    assert "script" not in code
    assert "style=" not in code
    assert " on" not in code
