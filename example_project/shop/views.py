"""The customer's pages: choose a tea, pay, wait, take the receipt. There is no login."""

from __future__ import annotations

from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from django_wxpay import services
from django_wxpay.exceptions import OutcomeUnknown, Refused
from example_project.shop.catalogue import TEAS, tea_called
from example_project.shop.models import Purchase
from example_project.shop.paying import check_out, order_of, phone_page, qr_code

# Scripts, styles and pictures come from this site's own files and from nowhere else.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def _page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    response = render(request, template, context, status=status)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@require_GET
def teas(request: HttpRequest) -> HttpResponse:
    return _page(request, "shop/teas.html", {"teas": TEAS})


@require_POST
def buy(request: HttpRequest, slug: str) -> HttpResponse:
    tea = tea_called(slug)
    if tea is None:
        raise Http404
    in_wechat = request.POST.get("way") == Purchase.Way.JSAPI
    purchase = Purchase.objects.create(
        tea=tea.slug,
        title=str(tea.name),
        total_fee=tea.total_fee,
        way=Purchase.Way.JSAPI if in_wechat else Purchase.Way.NATIVE,
    )
    return redirect("shop:pay", purchase.reference)


@never_cache
@require_GET
def pay(request: HttpRequest, reference: str) -> HttpResponse:
    """Show how to pay. Opened again, it shows the same order, with no second call."""
    purchase = get_object_or_404(Purchase, reference=reference)
    if purchase.paid_at:
        return redirect("shop:receipt", reference)
    try:
        checkout = check_out(purchase, customer_ip=request.META["REMOTE_ADDR"])
    except (Refused, OutcomeUnknown) as error:
        return _trouble(request, purchase, error)
    prepay = checkout.prepay
    context = {
        "purchase": purchase,
        "tea": tea_called(purchase.tea),
        "order": checkout.order,
        "prepay": prepay,
        "parameters": checkout.parameters,
        "qr_code": qr_code(prepay.code_url) if prepay.code_url else "",
        "phone_page": phone_page(prepay, back=request.build_absolute_uri()),
    }
    return _page(request, "shop/pay.html", context)


def _trouble(
    request: HttpRequest,
    purchase: Purchase,
    error: Refused | OutcomeUnknown,
) -> HttpResponse:
    purchase.refresh_from_db()
    if purchase.paid_at:  # refused because it is paid, which the refusal made us ask about
        return redirect("shop:receipt", purchase.reference)
    refusal = error if isinstance(error, Refused) else None
    context = {"purchase": purchase, "refusal": refusal}
    return _page(request, "shop/trouble.html", context, status=503)


@never_cache
@require_GET
def state(_request: HttpRequest, reference: str) -> JsonResponse:
    """Answer the waiting page's question whether the purchase is paid."""
    purchase = get_object_or_404(Purchase, reference=reference)
    return JsonResponse({"paid": purchase.paid_at is not None})


@require_POST
def check(request: HttpRequest, reference: str) -> HttpResponse:
    """Ask WeChat Pay itself, for a customer whose notification has not come."""
    purchase = get_object_or_404(Purchase, reference=reference)
    order = order_of(purchase)
    if order is not None and not purchase.paid_at:
        try:
            services.query_order(order)
        except (Refused, OutcomeUnknown) as error:
            return _trouble(request, purchase, error)
    return redirect("shop:pay", reference)


@never_cache
@require_GET
def receipt(request: HttpRequest, reference: str) -> HttpResponse:
    purchase = get_object_or_404(Purchase, reference=reference)
    if not purchase.paid_at:
        return redirect("shop:pay", reference)
    context = {
        "purchase": purchase,
        "tea": tea_called(purchase.tea),
        "order": order_of(purchase),
    }
    return _page(request, "shop/receipt.html", context)
