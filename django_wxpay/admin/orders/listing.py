"""Order of the order list, and its totals: each as far as it costs the same at any size.

The list is in the order of time, and an index has it. Another order is that of an index as well, or
it is that of the rows which the filters leave, if these are few enough to be sorted.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext

from django_wxpay.admin import base
from django_wxpay.admin.orders.attention import AttentionOrderList
from django_wxpay.admin.orders.filters import ListFilter, time_asked
from django_wxpay.admin.orders.searching import MOST
from django_wxpay.protocol.money import format_amount
from django_wxpay.services.orders.totals import Total, totals

# The link that asks for totals where they are not given unasked.
ADD_UP: Final = "add_up"
# A search sets it on the request where it may have found more.
SEARCH_IS_CUT: Final = "wxpay_search_is_cut"
_PAID: Final = "success_time"
# By the column that a person sorts by, the columns of the index that has this order.
_INDEXED: Final[dict[str, tuple[str, ...]]] = {
    "created_at": ("created_at", "id"),
    _PAID: ("success_time", "id"),
    "total_fee": ("total_fee", "fee_type", "-created_at", "id"),
}
# They leave few rows, as a rule.
_NARROWING: Final = frozenset({"attention", "paid", "paid_from", "paid_to", "refunded"})


class OrderList(AttentionOrderList):
    """The list of orders. ``notes`` are sentences above it; ``totals`` what it comes to.

    ``found`` are all rows that the filters find, newest first: a sort may have to leave some out.
    """

    # The column that it is sorted by, and whether the largest stands first.
    sorted_by: tuple[str, bool]

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        asked: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in asked.items() if name != ADD_UP}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        self.notes = [note for spec in self.filter_specs if (note := getattr(spec, "note", ""))]
        self.is_search_cut: bool = getattr(request, SEARCH_IS_CUT, False)
        if self.is_search_cut:
            sentence = gettext(
                "The search shows up to %(most)d orders of each kind, and there may be more: "
                "search for a longer number, or choose a day or a merchant."
            )
            self.notes.append(sentence % {"most": MOST})
        self.time = time_asked(request)
        self.found = rows.order_by(f"-{self.time}", "-id")
        column, is_backwards = self._order_asked()
        return self._in_order(rows, column, is_backwards=is_backwards)

    def _order_asked(self) -> tuple[str, bool]:
        """Return the column that a person has chosen first, and whether backwards."""
        first = str(self.params.get("o", "")).partition(".")[0]
        place = first.removeprefix("-")
        if place.isascii() and place.isdigit() and int(place[:4]) < len(self.list_display):
            column = self.get_ordering_field(self.list_display[int(place[:4])])
            if column in _INDEXED:
                return column, first.startswith("-")
        return self.time, True

    def _in_order(self, rows: QuerySet[Any], column: str, *, is_backwards: bool) -> QuerySet[Any]:
        self.sorted_by = column, is_backwards
        is_in_index = column == self.time or not self.is_filtered
        leaves_some_out = column == _PAID and self.time != _PAID
        if leaves_some_out:
            # Databases do not agree where a time that is not there stands.
            rows = rows.filter(success_time__isnull=False)
        if not is_in_index and rows.order_by()[: base.FARTHEST + 1].count() > base.FARTHEST:
            sentence = gettext("More than %(most)s orders: narrow the filter to sort them.")
            self.notes.append(sentence % {"most": f"{base.FARTHEST:,}"})
            self.sorted_by = self.time, True
            return self.found
        if leaves_some_out:
            self.notes.append(
                gettext("Sorted by payment: orders without a time of payment are left out.")
            )
        if is_in_index:
            return rows.order_by(*_along(_INDEXED[column], is_backwards=is_backwards))
        # Not by the column itself: a database may walk along its index past all other rows.
        value = Coalesce(column, column)
        return rows.order_by(value.desc() if is_backwards else value.asc(), "-id")

    @property
    def is_filtered(self) -> bool:
        return bool(self.get_filters_params() or self.query)

    @property
    def is_cut(self) -> bool:
        """Whether a filter or a search finds rows up to a number, and there may be more."""
        return self.is_search_cut or any(
            spec.is_cut for spec in self.filter_specs if isinstance(spec, ListFilter)
        )

    def get_ordering_field_columns(self) -> dict[int, Any]:
        column, is_backwards = self.sorted_by
        for place, shown in enumerate(self.list_display):
            if self.get_ordering_field(shown) == column:
                return {place: "desc" if is_backwards else "asc"}
        return {}

    @cached_property
    def adds_up(self) -> bool:
        """Whether totals are shown: they were asked for, or a filter leaves few orders."""
        asked = self.get_filters_params()
        is_of_a_time = any(name.startswith("created_at__") for name in asked)
        return ADD_UP in self.params or bool(self.query or _NARROWING & {*asked}) or is_of_a_time

    @property
    def add_up_address(self) -> str:
        return self.get_query_string({ADD_UP: "yes"})

    @cached_property
    def totals(self) -> list[Total] | None:
        """What the found orders come to; None where they are too many."""
        return totals(self.found, most=base.FARTHEST)

    def total_rows(self) -> list[tuple[str, int, int, str, str]]:
        """Return a row of the table for each currency."""
        return [
            (
                each.fee_type,
                each.orders,
                each.payments,
                format_amount(each.paid, each.fee_type),
                format_amount(each.refunded, each.fee_type),
            )
            for each in self.totals or ()
        ]

    @property
    def too_many(self) -> str:
        sentence = gettext("More than %(most)s orders: narrow the filter to add them up.")
        return sentence % {"most": f"{base.FARTHEST:,}"}


def _along(columns: tuple[str, ...], *, is_backwards: bool) -> list[str]:
    """Return the order of an index, or of the same index from its end."""
    if not is_backwards:
        return list(columns)
    return [each[1:] if each.startswith("-") else f"-{each}" for each in columns]
