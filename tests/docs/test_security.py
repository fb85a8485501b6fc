"""The sample of docs/security.md that forgets a customer, run as it is printed."""

from __future__ import annotations

import pytest

from django_wxpay import services
from django_wxpay.models import Notification, Order, Refund
from django_wxpay.testing import SimulatedWXPay
from tests.docs.markdown import blocks, section, text_of

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


def place(number: str) -> Order:
    return services.checkout(
        trade_type="JSAPI", body="Tea", total_fee=100, openid=OPENID, out_trade_no=number
    ).order


@pytest.mark.django_db(transaction=True)
def test_a_customer_is_forgotten_and_the_money_stays(wxpay_simulator: SimulatedWXPay) -> None:
    wxpay_simulator.pay(place("basket-1"))
    open_order = place("basket-2")
    given_up = services.close_order(place("basket-3"))
    of_a_provider = Order.objects.filter(out_trade_no="basket-1")
    of_a_provider.update(payer_sub_openid=OPENID, user_truename="张三")
    first = services.create_refund(of_a_provider.get(), refund_fee=10, out_refund_no="claim-1")
    services.query_refund(first)
    Refund.objects.update(user_received_account="招商银行信用卡0403")
    (sample,) = blocks(section(text_of("docs/security.md"), "6. Personal data"), "python")
    exec(compile(sample, "docs/security.md", "exec"), {"openid": OPENID})  # noqa: S102 - our own page

    paid = Order.objects.get(out_trade_no="basket-1")
    rows = [
        *Order.objects.filter(pk__in=[paid.pk, given_up.pk]).values_list(),
        *Notification.objects.filter(order=paid).values_list(),
        *Refund.objects.filter(order=paid).values_list(),
    ]
    assert len(rows) == 4
    assert [word for word in (OPENID, "张三", "0403") if word in str(rows)] == []
    refund = services.create_refund(paid, refund_fee=40)
    assert (refund.refund_fee, paid.is_paid) == (40, True)
    wxpay_simulator.pay(open_order)
    open_order.refresh_from_db()
    assert (open_order.openid, open_order.is_paid) == (OPENID, True)
