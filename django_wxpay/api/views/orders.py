"""Orders over HTTP: placed, listed and shown."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from django_wxpay import services
from django_wxpay.api.base import WXPayView
from django_wxpay.api.filters import ExactFilters, OrderFilter
from django_wxpay.api.parsers import SafeJSONParser
from django_wxpay.api.serializers.errors import WXPayCallErrorSerializer, WXPayErrorSerializer
from django_wxpay.api.serializers.order_input import WXPayOrderInputSerializer
from django_wxpay.api.serializers.orders import WXPayOrderSerializer, WXPayPlacedOrderSerializer
from django_wxpay.api.serializers.query_input import WXPayQueryInputSerializer
from django_wxpay.models import Order

CALL_ERRORS = {
    422: WXPayCallErrorSerializer,
    502: WXPayCallErrorSerializer,
    504: WXPayCallErrorSerializer,
}


class OrderView(WXPayView):
    """What every route under ``orders/`` shares."""

    permission_to_read = "view_order"
    # In three queries, however many orders there are.
    queryset = Order.objects.prefetch_related("prepays", "promotions")
    serializer_class: type[BaseSerializer[Any]] = WXPayOrderSerializer

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
        400: WXPayErrorSerializer,
        409: WXPayErrorSerializer,
        **CALL_ERRORS,
    },
)
class OrderList(OrderView, ListAPIView[Order]):
    """All orders, newest first; or a new one, placed at WeChat Pay."""

    permission_to_write = "add_order"
    filter_backends = (ExactFilters,)
    filter_serializer_class = OrderFilter

    def get_queryset(self) -> QuerySet[Order]:
        """Leave the long texts, which no list shows, in the database."""
        return super().get_queryset().defer("detail", "scene_info")

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """Return what is shown, or what may be posted."""
        return WXPayOrderInputSerializer if self.request.method == "POST" else self.serializer_class

    def post(self, request: Request) -> Response:
        """Place an order. The same request again, after any outcome, gets the same prepay."""
        asked = WXPayOrderInputSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        fields = dict(asked.validated_data)
        fields["spbill_create_ip"] = fields.get("spbill_create_ip") or request.META["REMOTE_ADDR"]
        self.order, created = services.get_or_create_order(**fields)
        prepay = services.unified_order(self.order)
        parameters = services.payment_parameters(prepay)
        body = {**self.shown(self.order), "parameters": parameters}
        return Response(body, status=201 if created else 200)


@extend_schema(responses={200: WXPayOrderSerializer, 404: WXPayErrorSerializer})
class OrderDetail(OrderView, RetrieveAPIView[Order]):
    """One order."""


@extend_schema(
    request={"application/json": WXPayQueryInputSerializer},
    responses={
        200: WXPayOrderSerializer,
        400: WXPayErrorSerializer,
        404: WXPayErrorSerializer,
        **CALL_ERRORS,
    },
)
class OrderQuery(OrderView):
    """WeChat Pay's present word on one order."""

    permission_to_read = ""
    permission_to_write = "change_order"
    # A POST without a body often comes as an empty form, and a form can say this much.
    parser_classes = (SafeJSONParser, FormParser, MultiPartParser)

    def post(self, request: Request, **_kwargs: int) -> Response:
        """Ask WeChat Pay how the order stands, and settle what it answers."""
        self.order = self.get_object()
        context = {"merchant": self.order.merchant}
        asked = WXPayQueryInputSerializer(data=request.data, context=context)
        asked.is_valid(raise_exception=True)
        return Response(self.shown(services.query_order(self.order, **asked.validated_data)))


@extend_schema(
    request=None,
    responses={200: WXPayOrderSerializer, 404: WXPayErrorSerializer, **CALL_ERRORS},
)
class OrderClose(OrderView):
    """The end of one order."""

    permission_to_read = ""
    permission_to_write = "change_order"

    def post(self, _request: Request, **_kwargs: int) -> Response:
        """Close the order, so that nobody can pay it any more."""
        self.order = self.get_object()
        return Response(self.shown(services.close_order(self.order)))
