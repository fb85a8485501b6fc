"""Bills and differences over HTTP: fetched, shown, downloaded, compared again, resolved."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from django_wxpay import services
from django_wxpay.api.base import WXPayView
from django_wxpay.api.bill_rows import (
    WXPayBillInputSerializer,
    WXPayBillSerializer,
    WXPayDiscrepancySerializer,
    WXPayReconciliationSerializer,
    WXPayResolveInputSerializer,
)
from django_wxpay.api.error_bodies import WXPayErrorSerializer
from django_wxpay.api.lists import BillFilter, DiscrepancyFilter, ExactFilters
from django_wxpay.api.pages import NewestDays
from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import BillKinds, BillStatuses
from django_wxpay.services.bills.storage import bill_file, file_name

_CALL_ERRORS: Final = {
    422: WXPayErrorSerializer,
    502: WXPayErrorSerializer,
    504: WXPayErrorSerializer,
}
_FETCHED: Final = (BillStatuses.DOWNLOADED, BillStatuses.EMPTY, BillStatuses.RECONCILED)
_GZIP: Final = "application/gzip"


class BillView(WXPayView):
    permission_to_read = "view_bill"
    queryset = Bill.objects.all()
    serializer_class = WXPayBillSerializer


@extend_schema(methods=["GET"], parameters=[BillFilter])
@extend_schema(
    methods=["POST"],
    request=WXPayBillInputSerializer,
    responses={
        201: WXPayBillSerializer,
        200: WXPayBillSerializer,
        409: WXPayErrorSerializer,
        **_CALL_ERRORS,
    },
)
class BillList(BillView, ListAPIView[Bill]):
    """All bills, the latest day first; or one more, fetched from WeChat Pay."""

    permission_to_write = "add_bill"
    filter_backends = (ExactFilters,)
    filter_serializer_class = BillFilter
    pagination_class = NewestDays

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return WXPayBillInputSerializer if self.request.method == "POST" else self.serializer_class

    def post(self, request: Request) -> Response:
        """Fetch the bill of a day. One that is fetched already is answered as it is."""
        posted = WXPayBillInputSerializer(data=request.data)
        posted.is_valid(raise_exception=True)
        asked = posted.validated_data
        status = HTTPStatus.OK if _is_fetched(**asked) else HTTPStatus.CREATED
        bill = services.download_bill(asked.pop("merchant"), **asked)
        return Response(WXPayBillSerializer(bill).data, status=status)


@extend_schema(responses={200: WXPayBillSerializer})
class BillDetail(BillView, RetrieveAPIView[Bill]):
    """One bill."""


class GzipRenderer(BaseRenderer):
    """The form of the file; the view streams it, and nothing is rendered."""

    media_type = _GZIP
    format = "gz"
    charset = None


@extend_schema(responses={(200, _GZIP): OpenApiTypes.BINARY})
class BillDownload(BillView):
    """The original file of one bill, as WeChat Pay gave it, in gzip."""

    renderer_classes = (GzipRenderer, JSONRenderer)

    def get(self, _request: Request, **_kwargs: str) -> Any:
        """Stream the file. A bill without one, such as that of a day without business, is a 404."""
        bill: Bill = self.get_object()
        if not bill.file:
            raise NotFound
        answer = StreamingHttpResponse(bill_file(bill), content_type=_GZIP)
        answer["Content-Disposition"] = f'attachment; filename="{file_name(bill)}"'
        return answer

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        # An error is JSON, whatever was asked for.
        if isinstance(response, Response):
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)


@extend_schema(request=None, responses={200: WXPayReconciliationSerializer, **_CALL_ERRORS})
class BillReconcile(BillView):
    """One bill, compared again with what is here."""

    permission_to_read = ""
    permission_to_write = "change_bill"

    def post(self, _request: Request, **_kwargs: str) -> Response:
        """Compare the bill with the orders and refunds of its day. Doing it again is safe."""
        done = services.reconcile(self.get_object())
        return Response(WXPayReconciliationSerializer(done).data)


def _name_of(user: Any) -> str:
    """Return the name of whoever is logged in; "" for a key or a program, which is no user here."""
    named = getattr(user, "get_username", None)
    return str(named()) if named else ""


def _is_fetched(*, account_type: str, **asked: Any) -> bool:
    # A trade bill is of no account.
    account = account_type if asked["kind"] == BillKinds.FUND_FLOW else ""
    found = Bill.objects.filter(**asked, account_type=account, sub_mch_id="", status__in=_FETCHED)
    return found.exists()


class DiscrepancyView(WXPayView):
    permission_to_read = "view_discrepancy"
    queryset = Discrepancy.objects.all()
    serializer_class = WXPayDiscrepancySerializer


@extend_schema(parameters=[DiscrepancyFilter])
class DiscrepancyList(DiscrepancyView, ListAPIView[Discrepancy]):
    """All differences, newest first."""

    filter_backends = (ExactFilters,)
    filter_serializer_class = DiscrepancyFilter


@extend_schema(responses={200: WXPayDiscrepancySerializer})
class DiscrepancyDetail(DiscrepancyView, RetrieveAPIView[Discrepancy]):
    """One difference, with the values of both sides."""


@extend_schema(request=WXPayResolveInputSerializer, responses={200: WXPayDiscrepancySerializer})
class DiscrepancyResolve(DiscrepancyView):
    """A person's decision about one difference."""

    permission_to_read = ""
    permission_to_write = "change_discrepancy"

    def post(self, request: Request, **_kwargs: str) -> Response:
        """Resolve the difference, with a note of what was found or done."""
        discrepancy = self.get_object()
        posted = WXPayResolveInputSerializer(data=request.data)
        posted.is_valid(raise_exception=True)
        note = posted.validated_data["note"]
        resolved = services.resolve_discrepancy(discrepancy, note=note, by=_name_of(request.user))
        return Response(WXPayDiscrepancySerializer(resolved).data)
