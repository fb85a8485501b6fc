"""The seam between the shop and django_wxpay: a purchase becomes a WeChat Pay order."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings

from django_wxpay import services
from django_wxpay.models import Order, Prepay
from example_project.shop.models import Purchase

# Inside WeChat a shop learns its customer's openid from WeChat's login; this one plays it.
CUSTOMER_OPENID: Final = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
# What a payment from a phone's browser has to say of the site.
_SCENE: Final = {
    "h5_info": {"type": "Wap", "wap_url": "https://tea.example.com", "wap_name": "Cloud & Leaf"}
}


def check_out(purchase: Purchase, *, customer_ip: str) -> services.Checkout:
    """Take ``purchase`` to WeChat Pay, or find it there: asked again it is the same order."""
    return services.checkout(
        trade_type=purchase.way,
        out_trade_no=purchase.reference,
        reference=purchase.reference,
        body=purchase.title,
        total_fee=purchase.total_fee,
        product_id=purchase.tea,
        openid=CUSTOMER_OPENID if purchase.way == Purchase.Way.JSAPI else "",
        spbill_create_ip=customer_ip,
        scene_info=_SCENE if purchase.way == Purchase.Way.MWEB else "",
    )


def way_of(user_agent: str) -> Purchase.Way:
    """Return the way to pay that suits a browser: nobody scans a code with the phone it is on."""
    if "MicroMessenger" in user_agent:
        return Purchase.Way.JSAPI
    return Purchase.Way.MWEB if "Mobile" in user_agent else Purchase.Way.NATIVE


def cashier(prepay: Prepay, *, back: str) -> str:
    """Return the address of WeChat's cashier for a phone's browser, which leads ``back``."""
    return f"{prepay.mweb_url}&{urlencode({'redirect_url': back})}" if prepay.mweb_url else ""


def order_of(purchase: Purchase) -> Order | None:
    """Return the WeChat Pay order of ``purchase``, if it has come that far."""
    return Order.objects.filter(merchant="default", out_trade_no=purchase.reference).first()


def phone_page(prepay: Prepay, *, back: str) -> str:
    """Return where the simulator lets a person pay ``prepay`` and come ``back``; "" without one."""
    if not settings.SIMULATOR_URL:
        return ""
    scanned = parse_qs(urlsplit(prepay.code_url).query).get("pr", [prepay.prepay_id])[0]
    return (
        f"{settings.SIMULATOR_URL}/_simulator/phone/{scanned}?{urlencode({'redirect_url': back})}"
    )
