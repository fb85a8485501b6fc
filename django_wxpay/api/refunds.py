"""Refunds over HTTP: made, listed, shown, asked about, and paid out otherwise where they stick."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from django_wxpay import services
from django_wxpay.api.base import WXPayView
from django_wxpay.api.error_bodies import WXPayErrorSerializer, WXPayRefundErrorSerializer
from django_wxpay.api.inputs import WXPayAbnormalRefundInputSerializer, WXPayRefundInputSerializer
from django_wxpay.api.lists import ExactFilters, RefundFilter
from django_wxpay.api.serializers import WXPayRefundSerializer
from django_wxpay.models import Order, Refund

_CALL_ERRORS = {
    422: WXPayRefundErrorSerializer,
    502: WXPayRefundErrorSerializer,
    504: WXPayRefundErrorSerializer,
}


class RefundView(WXPayView):
    permission_to_read = "view_refund"
    queryset = Refund.objects.select_related("order")
    serializer_class = WXPayRefundSerializer

    def asked(self) -> Refund:
        """Return the refund of the address; an error of a call about it names its order."""
        refund: Refund = self.get_object()
        self.order = refund.order
        self.out_refund_no = refund.out_refund_no
        return refund


@extend_schema(parameters=[RefundFilter])
class RefundList(RefundView, ListAPIView[Refund]):
    """All refunds, newest first."""

    filter_backends = (ExactFilters,)
    filter_serializer_class = RefundFilter
    queryset = Refund.objects.all()


@extend_schema(responses={200: WXPayRefundSerializer})
class RefundDetail(RefundView, RetrieveAPIView[Refund]):
    """One refund."""

    queryset = Refund.objects.all()


@extend_schema(
    request=WXPayRefundInputSerializer,
    responses={
        201: WXPayRefundSerializer,
        200: WXPayRefundSerializer,
        409: WXPayErrorSerializer,
        **_CALL_ERRORS,
    },
)
class OrderRefunds(WXPayView):
    """A new refund of one order."""

    permission_to_write = "add_refund"
    queryset = Order.objects.all()
    serializer_class = WXPayRefundSerializer

    def post(self, request: Request, **_kwargs: str) -> Response:
        """Refund some or all of an order. The same number and amount again is the same refund."""
        self.order = self.get_object()
        posted = WXPayRefundInputSerializer(data=request.data)
        posted.is_valid(raise_exception=True)
        refund, created = services.get_or_create_refund(self.order, **posted.validated_data)
        status = HTTPStatus.CREATED if created else HTTPStatus.OK
        return Response(_shown(refund), status=status)


@extend_schema(request=None, responses={200: WXPayRefundSerializer, **_CALL_ERRORS})
class RefundQuery(RefundView):
    """The present status of one refund, asked of WeChat Pay."""

    permission_to_read = ""
    permission_to_write = "change_refund"

    def post(self, _request: Request, **_kwargs: str) -> Response:
        """Ask WeChat Pay how the refund stands, and settle what it answers."""
        return Response(_shown(services.query_refund(self.asked())))


@extend_schema(
    request=WXPayAbnormalRefundInputSerializer,
    responses={200: WXPayRefundSerializer, **_CALL_ERRORS},
)
class RefundAbnormal(RefundView):
    """The way out of a refund that is ABNORMAL: another account (APIv3, mainland)."""

    permission_to_read = ""
    # Who may say where money goes is who may refund.
    permission_to_write = "add_refund"

    def post(self, request: Request, **_kwargs: str) -> Response:
        """Have the money paid to the payer's card, or to the merchant's own account."""
        refund = self.asked()
        posted = WXPayAbnormalRefundInputSerializer(data=request.data)
        posted.is_valid(raise_exception=True)
        fields = posted.validated_data
        return Response(_shown(services.apply_abnormal_refund(refund, **fields)))


def _shown(refund: Refund) -> dict[str, Any]:
    return dict(WXPayRefundSerializer(refund).data)
