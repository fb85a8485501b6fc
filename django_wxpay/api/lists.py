"""Pages and filters of lists.

A list grows at its head, so pages are cursors, newest first, and never offsets. Filters are exact,
each served by an index. An unknown name is refused, because a misspelt filter that returned
everything would look like an answer.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from django_wxpay.api.fields import (
    DayAsked,
    KeyAsked,
    MomentAsked,
    TextAsked,
    parse_iso,
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
from django_wxpay.services.attention.cases import keys_needing

# A time as Python writes it; PostgreSQL reads no offset of 16 hours or more.
_POSITION: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?"
    r"[+-](0[0-9]|1[0-5]):[0-5][0-9]"
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class NewestFirst(CursorPagination):
    """``results``, ``next`` and ``previous``; for models with ``created_at`` and ``id``."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = ("-created_at", "-id")

    def get_page_size(self, request: Request) -> int:
        """Return the size asked for; nonsense is a 400, where the framework would ignore it."""
        text = request.query_params.get("page_size")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= self.max_page_size):
            raise ValidationError(
                {"page_size": [_("A whole number from 1 to %d.") % self.max_page_size]},
            )
        return int(text)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the two parameters, with the bounds of ``page_size``."""
        cursor, size = super().get_schema_operation_parameters(view)
        bounds = {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [cursor, size | {"schema": size["schema"] | bounds}]

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return the cursor asked for; one that we cannot have written is a 400."""
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            cursor = None
        if not text or cursor is None or not self._is_ours(cursor, text):
            raise ValidationError({"cursor": [_("This is no cursor of ours.")]})
        return cursor

    def _is_ours(self, cursor: Cursor, text: str) -> bool:
        # The framework's base64 skips what it does not know, so "!!!" would be the first page.
        if self.encode_cursor(cursor) != replace_query_param(str(self.base_url), "cursor", text):
            return False
        if cursor.position is None:
            return True
        # The framework hands the position to the database, which breaks at what is no time.
        return self._is_position(str(cursor.position))

    def _is_position(self, position: str) -> bool:
        return bool(_POSITION.fullmatch(position)) and parse_iso(position) is not None


class NewestDays(NewestFirst):
    """The same for bills, by their days: the index follows them, and not ``created_at``."""

    ordering = ("-bill_date", "-id")

    def _is_position(self, position: str) -> bool:
        return bool(_DAY.fullmatch(position)) and parse_iso(f"{position}T12:00:00Z") is not None


class AttentionAsked(serializers.ChoiceField):
    """A reason for which orders need a person, read as the keys of these orders."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Attentions.choices, **options)

    def to_internal_value(self, data: Any) -> Any:
        return keys_needing([Attentions(super().to_internal_value(data))])


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
    attention = AttentionAsked(required=False, source="pk__in")


class NotificationFilter(Period):
    merchant = TextAsked(required=False)
    out_trade_no = TextAsked(required=False)
    transaction_id = TextAsked(required=False)
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
        return queryset.filter(**lookups(request, view.filter_serializer_class))  # type: ignore[attr-defined]


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
