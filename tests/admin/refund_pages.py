"""Refunds in the admin as a person makes them: pages, fields and buttons, against a simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.test import Client

from django_wxpay import services
from django_wxpay.models import Order, Refund
from django_wxpay.simulator import Options
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from example_project.accounts import ACCOUNTS
from tests.admin.conftest import ADMIN
from tests.protocol.v3 import keys
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID

CERTIFIED = {"CLIENT_CERT": keys.MERCHANT_CERTIFICATE, "CLIENT_KEY": keys.MERCHANT_KEY}
V2 = {"APPID": APPID, "MCH_ID": MCH_ID, "API_KEY": API_KEY, "HOSTS": ["http://v2.test"]}
V3 = ACCOUNTS["v3", "mainland"] | {"HOSTS": ["http://v3.test"]}


def merchants(**more: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with a v2 merchant that may refund, and one of v3."""
    accounts = {"default": V2 | CERTIFIED, "v3": V3, **more}
    return {"NOTIFY_BASE_URL": "https://shop.example.com", "MERCHANTS": accounts}


@contextmanager
def simulator() -> Iterator[SimulatedWXPay]:
    with simulated_wxpay(Options(refund_interval_s=0)) as wxpay:
        yield wxpay


def paid(wxpay: SimulatedWXPay, total_fee: int = 10_000, *, merchant: str = "default") -> Order:
    """Return an order that the customer has paid at the simulator."""
    order = services.checkout(
        merchant=merchant, trade_type="NATIVE", body="Tea", total_fee=total_fee, product_id="TEA"
    ).order
    wxpay.pay(order)
    order.refresh_from_db()
    assert order.is_paid
    return order


def at(row: Any, verb: str = "change") -> str:
    return f"{ADMIN}/{type(row).__name__.lower()}/{row.pk}/{verb}/"


def text(client: Client, row: Any, verb: str = "change") -> str:
    answer = client.get(at(row, verb))
    assert answer.status_code == 200
    return answer.content.decode()


def opened(client: Client, order: Order) -> dict[str, str]:
    """Open the empty form and return its fields, as a browser would post them."""
    answer = client.get(at(order, "refund"))
    assert answer.status_code == 200
    form = answer.context["form"]
    return {field.html_name: field.value() or "" for field in form}


def send(client: Client, order: Order, fields: Mapping[str, str], **more: str) -> Any:
    """Answer the question with yes, and follow to the page that it leads to."""
    return client.post(at(order, "refund"), {**fields, "step": "send", **more}, follow=True)


def refund(client: Client, order: Order, amount: str) -> Refund:
    """Refund through every page, and return the refund."""
    fields = opened(client, order) | {"refund_fee": amount}
    send(client, order, fields)
    return Refund.objects.get(out_refund_no=fields["out_refund_no"])


def messages(answer: Any) -> list[tuple[str, str]]:
    return [(each.level_tag, str(each)) for each in answer.context["messages"]]
