"""What the paying client is handed: its parameters, or a QR code to look at."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import segno
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from django_wxpay import services
from django_wxpay.api.serializers.errors import WXPayErrorSerializer
from django_wxpay.api.views.orders import OrderView
from django_wxpay.models import Order, Prepay
from django_wxpay.protocol.facts import TradeState
from django_wxpay.protocol.states import OPEN


def payable(order: Order) -> Prepay:
    """Return what ``order`` can be paid with now; where there is nothing, that is a 404."""
    if TradeState(order.trade_state) not in OPEN:
        raise NotFound(_("This order is over: %s.") % order.get_trade_state_display())
    newest = next(iter(order.prepays.all()), None)
    if newest is None or not newest.is_live(timezone.now()):
        raise NotFound(_("There is no live prepay; post the order again to get one."))
    return newest


@extend_schema(responses={200: dict[str, str], 404: WXPayErrorSerializer})
class OrderParameters(OrderView):
    """The paying client's parameters, freshly signed."""

    def get(self, _request: Request, **_kwargs: int) -> Response:
        """Return them with a new timestamp and nonce; nothing is sent to WeChat Pay."""
        return Response(services.payment_parameters(payable(self.get_object())))


def qr_code(text: str) -> bytes:
    """Return ``text`` as an SVG document, dark on light whatever the page around it is."""
    picture = BytesIO()
    # Medium correction survives a scratched screen; four light modules are the standard.
    segno.make_qr(text, error="m").save(
        picture,
        kind="svg",
        scale=8,
        border=4,
        dark="#000",
        light="#fff",
    )
    return picture.getvalue()


class SVGRenderer(BaseRenderer):
    """Lets a client ask for ``image/svg+xml`` alone; the view draws, so nothing is rendered."""

    media_type = "image/svg+xml"
    format = "svg"


@extend_schema(
    responses={(200, "image/svg+xml"): OpenApiTypes.STR, 404: WXPayErrorSerializer},
)
class OrderQRCode(OrderView):
    """The code_url of a NATIVE order as a picture; other orders have none."""

    renderer_classes = (SVGRenderer, JSONRenderer)

    def get(self, _request: Request, **_kwargs: int) -> HttpResponse:
        """Draw it."""
        prepay = payable(self.get_object())
        if not prepay.code_url:
            raise NotFound(_("Only NATIVE orders have a QR code."))
        return HttpResponse(qr_code(prepay.code_url), content_type="image/svg+xml")

    def finalize_response(
        self,
        request: Request,
        response: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Tell of an error in JSON, for a picture cannot say it."""
        if isinstance(response, Response):
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)
