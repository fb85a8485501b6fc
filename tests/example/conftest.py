"""A customer in front of the shop, and the simulated WeChat Pay behind it."""

from __future__ import annotations

import pytest
from django.test import Client

from django_wxpay.models import Order
from django_wxpay.testing import SimulatedWXPay
from example_project.shop.models import Purchase


class Customer:
    """Somebody with a browser; what they have bought last is at hand."""

    def __init__(self, browser: Client) -> None:
        self.browser = browser

    def buy(self, tea: str = "longjing", way: str = "NATIVE") -> Purchase:
        """Press the button below a tea, and end on the pay page."""
        answer = self.browser.post(f"/buy/{tea}/", {"way": way}, follow=True)
        assert answer.status_code == 200
        assert answer.resolver_match.view_name == "shop:pay"
        return Purchase.objects.latest("id")

    def sees(self, address: str, status: int = 200) -> str:
        """Open a page and return its text."""
        answer = self.browser.get(address, follow=True)
        assert answer.status_code == status
        return answer.content.decode()

    def is_told(self, purchase: Purchase) -> bool:
        """Ask what the waiting pay page asks every second."""
        return self.status(purchase) == "paid"

    def status(self, purchase: Purchase) -> str:
        """Return the word that the waiting pay page gets."""
        return self.browser.get(f"/pay/{purchase.reference}/state/").json()["status"]


def order_behind(purchase: Purchase) -> Order:
    return Order.objects.get(reference=purchase.reference)


@pytest.fixture
def customer(
    transactional_db: None,
    client: Client,
    wxpay_simulator: SimulatedWXPay,
) -> Customer:
    return Customer(client)
