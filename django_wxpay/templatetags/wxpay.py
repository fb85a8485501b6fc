"""Tags for the page that a customer pays on."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from django_wxpay import services
from django_wxpay.models import Prepay

register = template.Library()


@register.simple_tag
def wxpay_qr(payment: object) -> SafeString:
    """Draw the QR code of a ``Checkout``, of a ``Prepay``, or of a ``code_url`` itself.

    Nothing is drawn for a payment without one, which every trade type but NATIVE is.
    """
    prepay = payment.prepay if isinstance(payment, services.Checkout) else payment
    code_url = prepay.code_url if isinstance(prepay, Prepay) else prepay
    return services.qr_svg(code_url if isinstance(code_url, str) else "")
