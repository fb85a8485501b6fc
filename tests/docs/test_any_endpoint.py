"""The samples of docs/any-endpoint.md, run as they are printed against the simulator."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import ApiReport, Order
from django_wxpay.protocol.times import BEIJING
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from example_project.accounts import ACCOUNTS
from tests.docs.markdown import blocks, text_of

PAGE = text_of("docs/any-endpoint.md")
SAMPLES = blocks(PAGE, "python")
PHONE = "13800138000"


@pytest.fixture
def shop(settings: Any) -> Any:
    merchants = {"default": ACCOUNTS["v3", "mainland"], "v2": ACCOUNTS["v2", "mainland"]}
    settings.WXPAY = {"NOTIFY_BASE_URL": "https://shop.example.com", "MERCHANTS": merchants}
    with simulated_wxpay() as simulated:
        yield simulated


def paid(shop: SimulatedWXPay) -> Order:
    placed = services.checkout(
        trade_type="NATIVE", body="Tea", total_fee=100, product_id="tea", profit_sharing="Y"
    ).order
    shop.pay(placed)
    placed.refresh_from_db()
    return placed


@pytest.mark.django_db(transaction=True)
def test_the_samples_do_what_they_say(shop: SimulatedWXPay) -> None:
    order = paid(shop)
    services.checkout(
        merchant="v2",
        trade_type="NATIVE",
        body="Tea",
        total_fee=100,
        out_trade_no="basket-1",
        product_id="tea",
    )
    complained = shop.simulator.complain(order.mch_id, order.out_trade_no, phone=PHONE)
    before = ApiReport.objects.count()
    names: dict[str, Any] = {
        "order": order,
        "openid": order.payer_openid,
        "png": b"\x89PNG\r\n",
        "day": f"{shop.simulator.now().astimezone(BEIJING):%Y-%m-%d}",
    }
    for sample in SAMPLES:
        exec(compile(sample, "docs/any-endpoint.md", "exec"), names)  # noqa: S102 - our own page
    assert names["phone"] == PHONE
    assert "<svg" in names["code"]
    seen = services.call(
        "default",
        "GET",
        "/v3/merchant-service/complaints-v2/{complaint_id}",
        params={"complaint_id": complained["complaint_id"]},
    )
    assert isinstance(seen, dict)
    assert seen["complaint_state"] == "PROCESSED"
    kept = ApiReport.objects.order_by("-id")[: ApiReport.objects.count() - before]
    assert all(row.failure == "" and row.http_status < 300 for row in kept)
    # However many numbers they name, they are few interfaces.
    assert not any(number in row.interface_url for row in kept for number in ("share-1", "bonus1"))


def test_every_recipe_is_there() -> None:
    for name in ("profit sharing", "transfers", "combined orders", "complaints"):
        assert f"\n## Recipe: {name}\n" in PAGE
    assert len(SAMPLES) == 11
