"""A month in which a fifth of all calls fails: at its end, every bill agrees with the orders."""

from __future__ import annotations

import random
from io import StringIO
from typing import Any, Final

import pytest
from django.core.management import CommandError, call_command

from django_wxpay import services
from django_wxpay.exceptions import OutcomeUnknown, WXPayError
from django_wxpay.models import Discrepancy, Fee, Order, Refund
from django_wxpay.protocol.states import PAID
from django_wxpay.services import clock
from tests.services.bills.test_with_simulator import Shop, shop

__all__ = ["shop"]
pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]

DAYS: Final = 30
SOLD_A_DAY: Final = 3
IN_TROUBLE: Final = 0.2
OF_CALLS: Final = ("http_502", "systemerror", "systemerror_after", "html", "empty", "reset_after")


def in_trouble(chance: random.Random) -> bool:
    return chance.random() < IN_TROUBLE


def sell_and_pay(shop: Shop, chance: random.Random) -> None:
    if in_trouble(chance):
        shop.wxpay.inject(chance.choice(OF_CALLS), operation="unifiedorder")
    try:
        order = shop.sell(total_fee=chance.randint(1, 9_999), pays=False)
    except (OutcomeUnknown, WXPayError):
        return
    if in_trouble(chance):
        shop.wxpay.inject("lost")
    if chance.random() < 0.9:
        shop.wxpay.pay(order)


def refund_some(shop: Shop, chance: random.Random) -> None:
    for order in Order.objects.filter(trade_state="SUCCESS").order_by("id"):
        if chance.random() > 0.1:
            continue
        if in_trouble(chance):
            shop.wxpay.inject(chance.choice(OF_CALLS), operation="refund")
        try:
            services.create_refund(order, refund_fee=chance.randint(1, order.total_fee))
        except WXPayError:
            continue


def reconciled(**options: Any) -> tuple[int, str]:
    """Return the exit code of ``wxpay_reconcile``, and what it wrote."""
    out = StringIO()
    try:
        call_command("wxpay_reconcile", stdout=out, stderr=out, **options)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


@pytest.mark.parametrize("shop", [("v2", "mainland"), ("v3", "global")], indirect=True)
def test_a_month_of_trouble_ends_without_an_open_difference(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(13)  # noqa: S311 - the same month each time
    monkeypatch.setattr(clock, "now", lambda: shop.now)
    for _ in range(DAYS):
        for _ in range(SOLD_A_DAY):
            sell_and_pay(shop, chance)
        refund_some(shop, chance)
        shop.wait_until(12)
    # The faults that found no call yet would strike the reconciling, and some may.
    for fault in chance.choices(OF_CALLS, k=5):
        shop.wxpay.inject(fault, operation="orderquery")
        shop.wxpay.inject(fault, operation="downloadbill")
    for _ in range(4):
        code, written = reconciled(days=31)
        if code == 0:
            break
    assert code == 0, written
    assert not Discrepancy.objects.filter(status="OPEN").exists()

    trades = {each["out_trade_no"]: each for each in shop.wxpay.ledger()["trades"]}
    paid_there = {no for no, each in trades.items() if each["trade_state"] in PAID}
    paid_here = {order.out_trade_no for order in Order.objects.filter(trade_state__in=PAID)}
    assert len(paid_there) > DAYS
    assert paid_here == paid_there
    refunded_there = {each["out_refund_no"] for each in shop.wxpay.ledger()["refunds"]}
    refunded_here = Refund.objects.filter(refund_status="SUCCESS", refund_id__isnull=False)
    assert set(refunded_here.values_list("out_refund_no", flat=True)) == refunded_there
    assert len(refunded_there) > 3
    assert Fee.objects.filter(order__isnull=False).count() == len(paid_there)
    assert Fee.objects.filter(refund__isnull=False).count() == len(refunded_there)
    # Once more it changes nothing.
    assert reconciled(days=31)[0] == 0
    assert Fee.objects.count() == len(paid_there) + len(refunded_there)
