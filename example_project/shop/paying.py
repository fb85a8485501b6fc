"""The seam between the shop and django_wxpay: a purchase becomes a WeChat Pay order."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import segno
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from django_wxpay import services
from django_wxpay.models import Order, Prepay
from example_project.shop.models import Purchase

# Inside WeChat a shop learns its customer's openid from WeChat's login; this one plays it.
CUSTOMER_OPENID: Final = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


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
    )


def order_of(purchase: Purchase) -> Order | None:
    """Return the WeChat Pay order of ``purchase``, if it has come that far."""
    return Order.objects.filter(merchant="default", out_trade_no=purchase.reference).first()


def qr_code(code_url: str) -> SafeString:
    """Draw ``code_url`` as SVG for the page."""
    drawing = segno.make(code_url, error="m").svg_inline(border=2, omitsize=True, svgclass="qr")
    return mark_safe(drawing)  # noqa: S308 - segno draws modules; no text of anybody's is in it


def phone_page(prepay: Prepay, *, back: str) -> str:
    """Return where the simulator lets a person pay ``prepay`` and come ``back``; "" without one."""
    if not settings.SIMULATOR_URL:
        return ""
    scanned = parse_qs(urlsplit(prepay.code_url).query).get("pr", [prepay.prepay_id])[0]
    return (
        f"{settings.SIMULATOR_URL}/_simulator/phone/{scanned}?{urlencode({'redirect_url': back})}"
    )
