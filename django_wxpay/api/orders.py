"""Orders over HTTP: placed, listed, shown, asked about, closed, and handed to the paying client."""

from __future__ import annotations

from http import HTTPStatus
from io import BytesIO
from typing import Any

import segno
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from django_wxpay import services
from django_wxpay.api.base import SafeJSONParser, WXPayView
from django_wxpay.api.error_bodies import WXPayCallErrorSerializer, WXPayErrorSerializer
from django_wxpay.api.inputs import (
    WXPayCodeInputSerializer,
    WXPayOrderInputSerializer,
    WXPayQueryInputSerializer,
    bare_address,
)
from django_wxpay.api.lists import ExactFilters, OrderFilter
from django_wxpay.api.pages import NewestOrders
from django_wxpay.api.serializers import WXPayOrderSerializer, WXPayPlacedOrderSerializer
from django_wxpay.models import Order, Prepay
from django_wxpay.protocol.facts import TradeState, TradeType
from django_wxpay.protocol.states import OPEN
from django_wxpay.services.refunds.balances import balances

CALL_ERRORS = {
    422: WXPayCallErrorSerializer,
    502: WXPayCallErrorSerializer,
    504: WXPayCallErrorSerializer,
}


class OrderView(WXPayView):
    permission_to_read = "view_order"
    # In three queries, however many orders there are.
    queryset = Order.objects.prefetch_related("prepays", "promotions")
    serializer_class: type[BaseSerializer[Any]] = WXPayOrderSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        # Filled by the first field that asks.
        return {**super().get_serializer_context(), "balances": {}}

    def shown(self, order: Order) -> dict[str, Any]:
        """Return ``order`` as it stands now, whatever was in memory."""
        context = self.get_serializer_context()
        fresh = self.get_queryset().get(pk=order.pk)
        return dict(WXPayOrderSerializer(fresh, context=context).data)


@extend_schema(methods=["GET"], parameters=[OrderFilter])
@extend_schema(
    methods=["POST"],
    request=WXPayOrderInputSerializer,
    responses={
        201: WXPayPlacedOrderSerializer,
        200: WXPayPlacedOrderSerializer,
        409: WXPayErrorSerializer,
        **CALL_ERRORS,
    },
)
class OrderList(OrderView, ListAPIView[Order]):
    """All orders, newest first; or a new one, placed at WeChat Pay."""

    permission_to_write = "add_order"
    filter_backends = (ExactFilters,)
    filter_serializer_class = OrderFilter
    pagination_class = NewestOrders

    def get_queryset(self) -> QuerySet[Order]:
        # The long texts, which no list shows, stay in the database.
        return super().get_queryset().defer("detail", "scene_info")

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return the page; attention and balances are read for all of it at once."""
        page = super().paginate_queryset(queryset)
        self._known = {
            "attention": services.attention_of(page or ()),
            "balances": balances(page or ()),
        }
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), **getattr(self, "_known", {})}

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return WXPayOrderInputSerializer if self.request.method == "POST" else self.serializer_class

    def post(self, request: Request) -> Response:
        """Place an order. The same request again, after any outcome, gets the same prepay."""
        posted = WXPayOrderInputSerializer(data=request.data)
        posted.is_valid(raise_exception=True)
        fields = dict(posted.validated_data)
        if fields["trade_type"] != TradeType.MWEB and not fields.get("spbill_create_ip"):
            fields["spbill_create_ip"] = caller_address(request)
        self.order, created = services.get_or_create_order(**fields)
        prepay = services.unified_order(self.order)
        parameters = services.payment_parameters(prepay)
        body = {**self.shown(self.order), "parameters": parameters}
        return Response(body, status=HTTPStatus.CREATED if created else HTTPStatus.OK)


def caller_address(request: Request) -> str:
    """Return the address of whoever calls, "" over a Unix socket."""
    # No header is looked at: the caller is the shop's back end, and knows the payer's address
    # better than any proxy.
    return bare_address(request.META.get("REMOTE_ADDR") or "")


@extend_schema(
    request=WXPayCodeInputSerializer,
    responses={
        201: WXPayOrderSerializer,
        200: WXPayOrderSerializer,
        409: WXPayErrorSerializer,
        **CALL_ERRORS,
    },
)
class OrderPayByCode(OrderView):
    """A payment by code (Quick Pay), from the scan to its end."""

    permission_to_read = ""
    permission_to_write = "add_order"

    def post(self, request: Request) -> Response:
        """Charge the code, and answer when the sale is decided; that may take a minute and more.

        The same request again, after any outcome, goes on with the same sale.
        """
        posted = WXPayCodeInputSerializer(data=request.data)
        posted.is_valid(raise_exception=True)
        fields = dict(posted.validated_data)
        fields["spbill_create_ip"] = fields.get("spbill_create_ip") or caller_address(request)
        sale = services.open_sale(**fields)
        self.order = sale.order
        body = self.shown(services.complete_sale(sale))
        return Response(body, status=HTTPStatus.CREATED if sale.is_new else HTTPStatus.OK)


@extend_schema(responses={200: WXPayOrderSerializer})
class OrderDetail(OrderView, RetrieveAPIView[Order]):
    """One order."""


@extend_schema(
    request={"application/json": WXPayQueryInputSerializer},
    responses={
        200: WXPayOrderSerializer,
        **CALL_ERRORS,
    },
)
class OrderQuery(OrderView):
    """The present state of one order, asked of WeChat Pay."""

    permission_to_read = ""
    permission_to_write = "change_order"
    # A POST without a body often comes as an empty form, and a form can hold this one field.
    parser_classes = (SafeJSONParser, FormParser, MultiPartParser)

    def post(self, request: Request, **_kwargs: str) -> Response:
        """Ask WeChat Pay how the order stands, and settle what it answers."""
        self.order = self.get_object()
        context = {"merchant": self.order.merchant}
        posted = WXPayQueryInputSerializer(data=request.data, context=context)
        posted.is_valid(raise_exception=True)
        return Response(self.shown(services.query_order(self.order, **posted.validated_data)))


@extend_schema(
    request=None,
    responses={200: WXPayOrderSerializer, **CALL_ERRORS},
)
class OrderClose(OrderView):
    """The end of one order."""

    permission_to_read = ""
    permission_to_write = "change_order"

    def post(self, _request: Request, **_kwargs: str) -> Response:
        """Close the order, so that it can no longer be paid."""
        self.order = self.get_object()
        return Response(self.shown(services.close_order(self.order)))


@extend_schema(
    request=None,
    responses={200: WXPayOrderSerializer, 409: WXPayErrorSerializer, **CALL_ERRORS},
)
class OrderReverse(OrderView):
    """The end of one payment by code, with the money back."""

    permission_to_read = ""
    permission_to_write = "change_order"

    def post(self, _request: Request, **_kwargs: str) -> Response:
        """Close the unpaid sale, or send the money of the paid one back."""
        self.order = self.get_object()
        return Response(self.shown(services.reverse_order(self.order)))


def payable(order: Order) -> Prepay:
    """Return what ``order`` can be paid with now; where there is nothing, that is a 404."""
    if TradeState(order.trade_state) not in OPEN:
        raise NotFound(_("This order is over: %s.") % order.get_trade_state_display())
    newest = next(iter(order.prepays.all()), None)
    if newest is None or not newest.is_live(timezone.now()):
        raise NotFound(_("There is no live prepay; post the order again to get one."))
    return newest


@extend_schema(responses={200: dict[str, str]})
class OrderParameters(OrderView):
    """The paying client's parameters, freshly signed."""

    def get(self, _request: Request, **_kwargs: str) -> Response:
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
    responses={(200, "image/svg+xml"): OpenApiTypes.STR},
)
class OrderQRCode(OrderView):
    """The code_url of a NATIVE order as a picture; other orders have none."""

    renderer_classes = (SVGRenderer, JSONRenderer)

    def get(self, _request: Request, **_kwargs: str) -> HttpResponse:
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
        # An error is JSON, whatever was asked for: a picture cannot hold it.
        if isinstance(response, Response):
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)
