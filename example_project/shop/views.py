"""The customer's pages: choose a tea, pay, wait, take the receipt. There is no login."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from django_wxpay import services
from django_wxpay.exceptions import OrderClosed, OutcomeUnknown, Refused
from django_wxpay.models import Order
from example_project.shop.catalogue import TEAS, tea_called, yuan
from example_project.shop.models import Purchase
from example_project.shop.paying import cashier, check_out, order_of, phone_page, way_of

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
    way = request.POST.get("way", "")
    purchase = Purchase.objects.create(
        tea=tea.slug,
        title=str(tea.name),
        total_fee=tea.total_fee,
        way=way if way in Purchase.Way else way_of(request.headers.get("User-Agent", "")),
    )
    return redirect("shop:pay", purchase.reference)


@never_cache
@require_GET
def pay(request: HttpRequest, reference: str) -> HttpResponse:
    """Show how to pay. Opened again, it shows the same order, with no second call."""
    purchase = get_object_or_404(Purchase, reference=reference)
    order = order_of(purchase)
    if _is_paid(purchase, order):
        return redirect("shop:receipt", reference)
    try:
        checkout = check_out(purchase, customer_ip=request.META["REMOTE_ADDR"])
    except (Refused, OutcomeUnknown) as error:
        return _trouble(request, purchase, error)
    prepay, back = checkout.prepay, request.build_absolute_uri()
    context = {
        "purchase": purchase,
        "tea": tea_called(purchase.tea),
        "checkout": checkout,
        "prepay": prepay,
        "cashier": cashier(prepay, back=back),
        "phone_page": phone_page(prepay, back=back),
        # "Asked just now" is true of the first look at the page.
        "asked_at": timezone.now() if "asked" in request.GET else None,
    }
    return _page(request, "shop/pay.html", context)


def _is_paid(purchase: Purchase, order: Order | None) -> bool:
    # The money is the customer's proof, whether or not the shop's receiver has run since.
    return purchase.paid_at is not None or (order is not None and order.is_paid)


def _trouble(
    request: HttpRequest,
    purchase: Purchase,
    error: Refused | OutcomeUnknown,
) -> HttpResponse:
    # Refused because it is paid, which the refusal made us ask about.
    if _is_paid(purchase, order_of(purchase)):
        return redirect("shop:receipt", purchase.reference)
    context = {
        "purchase": purchase,
        "is_closed": isinstance(error, OrderClosed),
        "refusal": error if isinstance(error, Refused) else None,
        # The person in front of the demonstration is its developer; a customer is told nothing
        # that only a developer can mend.
        "is_demonstration": bool(settings.SIMULATOR_URL),
    }
    status = 410 if context["is_closed"] else 503
    return _page(request, "shop/trouble.html", context, status=status)


@never_cache
@require_GET
def state(_request: HttpRequest, reference: str) -> JsonResponse:
    """Answer the waiting page's question how the payment stands."""
    purchase = get_object_or_404(Purchase, reference=reference)
    order = order_of(purchase)
    if order is None:
        return JsonResponse(services.PaymentStatus(services.CustomerStatus.WAITING).as_dict())
    # Its notification may be lost. This asks WeChat Pay at most once in ten seconds, and a
    # receiver of the shop's marks the purchase.
    services.check_order(order)
    return JsonResponse(services.payment_status(order).as_dict())


@require_POST
def check(request: HttpRequest, reference: str) -> HttpResponse:
    """Ask WeChat Pay itself, for a customer whose notification has not come."""
    purchase = get_object_or_404(Purchase, reference=reference)
    order = order_of(purchase)
    if order is not None and not _is_paid(purchase, order):
        try:
            services.query_order(order)
        except (Refused, OutcomeUnknown) as error:
            return _trouble(request, purchase, error)
    return redirect(f"{reverse('shop:pay', args=[reference])}?asked")


@never_cache
@require_GET
def receipt(request: HttpRequest, reference: str) -> HttpResponse:
    purchase = get_object_or_404(Purchase, reference=reference)
    order = order_of(purchase)
    if not _is_paid(purchase, order):
        return redirect("shop:pay", reference)
    refunded = order.refunded_fee if order is not None else 0
    context = {
        "purchase": purchase,
        "tea": tea_called(purchase.tea),
        "order": order,
        "refunded": yuan(refunded) if refunded else "",
    }
    return _page(request, "shop/receipt.html", context)
