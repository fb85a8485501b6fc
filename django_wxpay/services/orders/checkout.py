"""Checkout in one call, and the parameters that the paying client needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

from django.utils.safestring import SafeString

from django_wxpay import conf
from django_wxpay.models import Order, Prepay
from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.v3.client_parameters import SIGN_TYPE
from django_wxpay.services import clock, gateways
from django_wxpay.services.orders.creating import find_or_create, merchant_of
from django_wxpay.services.orders.fields import OrderFields
from django_wxpay.services.orders.leases import longest_call_s
from django_wxpay.services.orders.placing import new_lease, place_under, unified_order
from django_wxpay.services.orders.qr_codes import qr_svg
from django_wxpay.services.transactions import require_no_transaction


@dataclass(frozen=True, slots=True)
class Checkout:
    """A placed order, its prepay, and the paying client's ``parameters``."""

    order: Order
    prepay: Prepay
    parameters: dict[str, str]

    @property
    def qr_svg(self) -> SafeString:
        """The QR code of a NATIVE payment as an inline ``<svg>``; "" for every other one."""
        return qr_svg(self.prepay.code_url)


@conf.same_account()
def checkout(**fields: Unpack[OrderFields]) -> Checkout:
    """Create an order, place it and return what the paying client needs, in one call.

    Takes what ``create_order`` takes and raises what it and ``unified_order`` raise; called
    again with the same ``out_trade_no`` and parameters it returns the same prepay.
    """
    require_no_transaction("checkout")
    alias = merchant_of(fields)
    # A new order is born under the lease of the call that follows.
    lease = new_lease(longest_call_s(alias))
    order, is_new = find_or_create(fields, **lease.columns())
    prepay = place_under(lease, order) if is_new else unified_order(order)
    return Checkout(order, prepay, payment_parameters(prepay))


@conf.same_account()
def payment_parameters(prepay: Prepay) -> dict[str, str]:
    """Return the paying client's parameters, signed now with the order's own sign type.

    JSAPI and mini program: ``appId, timeStamp, nonceStr, package, signType, paySign``; APP:
    ``appid, partnerid, prepayid, package, noncestr, timestamp, sign``; NATIVE: ``code_url``;
    MWEB: ``mweb_url``. Raises ``InvalidOrder`` for a prepay that has expired. Source:
    protocol-v2 section 4.
    """
    if not prepay.is_live(clock.now()):
        raise InvalidOrder("prepay_id", _("has expired"), _("place the order again for a new one"))
    # A prepay is paid under the protocol that granted it, whatever the settings say today.
    api = Api.V3 if prepay.sign_type == SIGN_TYPE else Api.V2
    return gateways.gateway(prepay.order.merchant, api=api).parameters(
        prepay.order.terms(),
        prepay.grant(),
    )
