"""Filters of lists: exact, and each served by an index.

An unknown name is refused, because a misspelt filter that returned everything would look like an
answer.
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

from django_wxpay.api.fields import (
    DayAsked,
    KeyAsked,
    MomentAsked,
    TextAsked,
    unknown_names,
)
from django_wxpay.models.choices import (
    REFUND_STATUSES,
    TRADE_STATES,
    TRADE_TYPES,
    Attentions,
    BillKinds,
    BillStatuses,
    DiscrepancyKinds,
    DiscrepancyStatuses,
    NotificationOutcomes,
    ReportStatuses,
)
from django_wxpay.services.attention.cases import among, needing

# The rows of these keys alone.
_KEYS: Final = "pk__in"
# They are read for each page, and as many take tens of milliseconds.
MOST_NEEDING: Final = 10_000
# The answer has it where a filter has found as many, and there may be more.
FOUND_UP_TO: Final = "Wxpay-Found-Up-To"


class AttentionAsked(serializers.ChoiceField):
    """A reason for which orders need a person, read as the keys of these orders."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Attentions.choices, **options)

    def to_internal_value(self, data: Any) -> Any:
        return needing([Attentions(super().to_internal_value(data))], most=MOST_NEEDING)


class Period(serializers.Serializer[Any]):
    """From a moment on, and up to another one which is not included."""

    created_after = MomentAsked(required=False, source="created_at__gte")
    created_before = MomentAsked(required=False, source="created_at__lt")


class OrderFilter(Period):
    merchant = TextAsked(required=False)
    out_trade_no = TextAsked(required=False)
    transaction_id = TextAsked(required=False)
    reference = TextAsked(required=False)
    trade_state = serializers.ChoiceField(list(TRADE_STATES), required=False)
    trade_type = serializers.ChoiceField(list(TRADE_TYPES), required=False)
    attention = AttentionAsked(required=False, source=_KEYS)
    paid_after = MomentAsked(required=False, source="success_time__gte")
    paid_before = MomentAsked(required=False, source="success_time__lt")


class NotificationFilter(Period):
    merchant = TextAsked(required=False)
    out_trade_no = TextAsked(required=False)
    transaction_id = TextAsked(required=False)
    event_type = TextAsked(required=False)
    outcome = serializers.ChoiceField(NotificationOutcomes.choices, required=False)


class RefundFilter(Period):
    merchant = TextAsked(required=False)
    order = KeyAsked(required=False)
    out_refund_no = TextAsked(required=False)
    refund_id = TextAsked(required=False)
    refund_status = serializers.ChoiceField(list(REFUND_STATUSES), required=False)


class ApiReportFilter(Period):
    merchant = TextAsked(required=False)
    host = TextAsked(required=False)
    out_trade_no = TextAsked(required=False)
    failure = TextAsked(required=False)
    report_status = serializers.ChoiceField(ReportStatuses.choices, required=False)


class BillFilter(serializers.Serializer[Any]):
    merchant = TextAsked(required=False)
    kind = serializers.ChoiceField(BillKinds.choices, required=False)
    status = serializers.ChoiceField(BillStatuses.choices, required=False)
    bill_date = DayAsked(required=False)


class DiscrepancyFilter(Period):
    bill = KeyAsked(required=False)
    kind = serializers.ChoiceField(DiscrepancyKinds.choices, required=False)
    status = serializers.ChoiceField(DiscrepancyStatuses.choices, required=False)
    out_trade_no = TextAsked(required=False)
    transaction_id = TextAsked(required=False)
    out_refund_no = TextAsked(required=False)
    refund_id = TextAsked(required=False)


class LatencyFilter(serializers.Serializer[Any]):
    """Whole hours in UTC: those that the time from one moment to the other touches."""

    created_after = MomentAsked(required=False)
    created_before = MomentAsked(required=False)
    merchant = TextAsked(required=False)
    interface_url = TextAsked(required=False)
    host = TextAsked(required=False)


class ExactFilters(BaseFilterBackend):
    """Applies the view's ``filter_serializer_class``, whose sources are lookups."""

    def filter_queryset(
        self,
        request: Request,
        queryset: QuerySet[Any],
        view: APIView,
    ) -> QuerySet[Any]:
        asked = lookups(request, view.filter_serializer_class)  # type: ignore[attr-defined]
        found = asked.pop(_KEYS, None)
        if found is None:
            return queryset.filter(**asked)
        if found.is_cut:
            view.headers[FOUND_UP_TO] = str(MOST_NEEDING)
        return among(queryset.filter(**asked), found.keys)


def lookups(request: Request, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the lookups that the address asks for; nonsense is a 400 keyed by its name."""
    # A plain dict, because a form's rules would take "" for absent and return everything.
    filters = kind(data=request.query_params.dict())
    known = {*filters.fields, "cursor", "page_size", api_settings.URL_FORMAT_OVERRIDE}
    asked = dict(request.query_params.lists())
    errors = unknown_names(
        (name for name in asked if name not in known), _("There is no such filter.")
    )
    errors |= {
        name: [_("This is asked for more than once.")]
        for name in known & asked.keys()
        if len(asked[name]) > 1
    }
    if not filters.is_valid():
        errors |= filters.errors
    if errors:
        raise ValidationError(errors)
    return dict(filters.validated_data)
