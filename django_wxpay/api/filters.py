"""Which rows a list returns: exact filters, each of them served by an index.

A name that is no filter is refused, because a misspelt filter that returned everything
would look like an answer.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from django_wxpay.api.fields import MomentAsked
from django_wxpay.models.choices import (
    NotificationOutcomes,
    RefundStatuses,
    ReportStatuses,
    TradeStates,
    TradeTypes,
)

# What a key column holds; a larger number would break in the database.
_LARGEST_KEY: Final = 2**63 - 1


class Period(serializers.Serializer[Any]):
    """From a moment on, and up to another one which is not included."""

    created_after = MomentAsked(required=False, source="created_at__gte")
    created_before = MomentAsked(required=False, source="created_at__lt")


class OrderFilter(Period):
    merchant = serializers.CharField(required=False)
    out_trade_no = serializers.CharField(required=False)
    transaction_id = serializers.CharField(required=False)
    reference = serializers.CharField(required=False)
    trade_state = serializers.ChoiceField(TradeStates.choices, required=False)
    trade_type = serializers.ChoiceField(TradeTypes.choices, required=False)


class NotificationFilter(Period):
    merchant = serializers.CharField(required=False)
    out_trade_no = serializers.CharField(required=False)
    transaction_id = serializers.CharField(required=False)
    outcome = serializers.ChoiceField(NotificationOutcomes.choices, required=False)


class RefundFilter(Period):
    merchant = serializers.CharField(required=False)
    order = serializers.IntegerField(required=False, min_value=1, max_value=_LARGEST_KEY)
    out_refund_no = serializers.CharField(required=False)
    refund_id = serializers.CharField(required=False)
    refund_status = serializers.ChoiceField(RefundStatuses.choices, required=False)


class ApiReportFilter(Period):
    merchant = serializers.CharField(required=False)
    host = serializers.CharField(required=False)
    out_trade_no = serializers.CharField(required=False)
    failure = serializers.CharField(required=False)
    report_status = serializers.ChoiceField(ReportStatuses.choices, required=False)


class LatencyFilter(serializers.Serializer[Any]):
    """Hours are counted whole, in UTC: those that the time from one to the other touches."""

    created_after = MomentAsked(required=False)
    created_before = MomentAsked(required=False)
    merchant = serializers.CharField(required=False)
    interface_url = serializers.CharField(required=False)
    host = serializers.CharField(required=False)


class ExactFilters(BaseFilterBackend):
    """Applies the view's ``filter_serializer_class``, whose sources are lookups."""

    def filter_queryset(
        self,
        request: Request,
        queryset: QuerySet[Any],
        view: APIView,
    ) -> QuerySet[Any]:
        """Return the rows asked for; nonsense is a 400 keyed by its name."""
        return queryset.filter(**asked(request, view.filter_serializer_class))  # type: ignore[attr-defined]


def asked(request: Request, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the lookups that the address asks for."""
    # A plain dict, because a form's rules would take "" for absent and return everything.
    filters = kind(data=request.query_params.dict())
    ours = {*filters.fields, "cursor", "page_size", api_settings.URL_FORMAT_OVERRIDE}
    errors: dict[str, Any] = {}
    for name, values in request.query_params.lists():
        if name not in ours:
            errors[name] = [_("There is no such filter.")]
        elif len(values) > 1:
            errors[name] = [_("This is asked for more than once.")]
    if not filters.is_valid():
        errors |= filters.errors
    if errors:
        raise ValidationError(errors)
    return dict(filters.validated_data)
