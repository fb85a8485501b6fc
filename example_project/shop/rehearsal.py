"""One order from the shelf to the receipt, headless.

The customer, WeChat Pay and the shop speak real HTTP with one another; what is looked up
in the database is only what a shop keeper would look up. Every wait has an end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import requests

from django_wxpay import conf, services
from django_wxpay.models import Notification, Order
from example_project.shop.catalogue import TEAS
from example_project.shop.models import Purchase

_TIMEOUT_S: Final = 10.0
_STEP_S: Final = 0.05


class DidNotHappen(Exception):
    """A step that had to happen did not; the text says which, in one sentence."""


def rehearse(*, shop: str, simulator: str, patience_s: float = 20.0) -> Iterator[tuple[str, str]]:
    """Yield the name and result of each step; raise ``DidNotHappen`` where one is missing."""
    customer = requests.Session()
    customer.trust_env = False
    page = _choose_a_tea(customer, shop)
    purchase = Purchase.objects.latest("id")
    order = Order.objects.filter(out_trade_no=purchase.reference).first()
    if order is None:
        raise DidNotHappen("The shop opened its pay page without an order behind it.")
    merchant = conf.merchant(order.merchant)
    yield "merchant", f"{order.mch_id}, {merchant.api}, {merchant.region}"
    yield "order", f"{order.out_trade_no}, {order.body}, {order.amount}, {order.trade_state}"

    prepay = order.prepays.first()
    if prepay is None or not prepay.code_url or "<svg" not in page.text:
        raise DidNotHappen("The pay page shows no QR code.")
    yield "QR link", prepay.code_url

    paid_at = time.monotonic()
    _pay(customer, simulator, order)
    yield "payment", "the customer paid on the simulated phone"

    _wait_until_paid(customer, f"{page.url}state/", patience_s)
    seconds = time.monotonic() - paid_at
    notification = Notification.objects.filter(order=order).first()
    if notification is None:
        raise DidNotHappen("The shop says paid, but no notification was stored.")
    yield "notification", f"{notification.outcome}, {seconds:.2f} s after the payment"

    order = services.query_order(order)
    if not order.is_paid:
        raise DidNotHappen(f"Asked about the order, WeChat Pay says {order.trade_state}.")
    yield "query", f"{order.trade_state}, transaction {order.transaction_id}"

    receipt = _ok(customer.get(f"{shop}/receipt/{purchase.reference}/", timeout=_TIMEOUT_S))
    if order.transaction_id not in receipt.text:
        raise DidNotHappen("The receipt does not show the transaction.")
    yield "receipt", receipt.url

    runs = services.run_jobs()
    for run in runs:
        if not run.succeeded:
            raise DidNotHappen(f"A job of the worker failed: {run}.")
    done = [str(run.result) for run in runs if any(run.result.counts.values())]
    yield "worker", ", ".join(done) or "nothing to do"


def _choose_a_tea(customer: requests.Session, shop: str) -> requests.Response:
    _ok(customer.get(f"{shop}/", timeout=_TIMEOUT_S))
    form = {"way": "NATIVE", "csrfmiddlewaretoken": customer.cookies["csrftoken"]}
    address = f"{shop}/buy/{TEAS[0].slug}/"
    return _ok(customer.post(address, data=form, timeout=_TIMEOUT_S))


def _pay(customer: requests.Session, simulator: str, order: Order) -> None:
    command = {"mch_id": order.mch_id, "out_trade_no": order.out_trade_no}
    _ok(customer.post(f"{simulator}/_simulator/pay", json=command, timeout=_TIMEOUT_S))


def _wait_until_paid(customer: requests.Session, state_url: str, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while _ok(customer.get(state_url, timeout=_TIMEOUT_S)).json()["status"] != "paid":
        if time.monotonic() > deadline:
            raise DidNotHappen(f"No notification arrived within {patience_s:.0f} s.")
        time.sleep(_STEP_S)


def _ok(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        raise DidNotHappen(f"{answer.url} answered {answer.status_code}.")
    return answer
