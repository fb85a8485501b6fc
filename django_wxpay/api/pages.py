"""Pages of lists: cursors, newest first, and never offsets, for a list grows at its head.

A cursor names its row by both columns of the order, and each order is that of an index.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param

from django_wxpay.api.fields import asked_key, parse_iso

# A time as Python writes it.
_POSITION: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?\+00:00"
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The names of the period of a payment.
_PAID_PERIOD: Final = frozenset({"paid_after", "paid_before"})


@dataclass(frozen=True, slots=True)
class Place:
    """A row by the two columns of the order, and whether the page ends before it.

    The framework's cursor has the first of them alone. It counts rows of one value: up to a
    thousand, after which the list would end, and it loses some on the way back. A thousand
    merchants have as many bills of a day.
    """

    position: date | None
    key: int | None
    is_backwards: bool


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

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the page, and keep where the ones beside it begin."""
        self.request = request
        self.address = request.build_absolute_uri()
        self.page_size = self.get_page_size(request)
        ordering = self.get_ordering(request, queryset, view)
        self.column = ordering[0].removeprefix("-")
        place = self._asked(request)
        is_backwards = place is not None and place.is_backwards
        order = (self.column, "id") if is_backwards else ordering
        found = list(self._beyond(place, queryset).order_by(*order)[: self.page_size + 1])
        has_more, self.page = len(found) > self.page_size, found[: self.page_size]
        if is_backwards:
            self.page.reverse()
        is_from_inside = place is not None and place.position is not None
        self.has_previous = has_more if is_backwards else is_from_inside
        self.has_next = is_from_inside if is_backwards else has_more
        self.display_page_controls = self.has_previous or self.has_next
        return self.page

    def _beyond(self, place: Place | None, rows: QuerySet[Any]) -> QuerySet[Any]:
        if place is None or place.position is None:
            return rows
        way = "gte" if place.is_backwards else "lte"
        # A range of the index, and then those of the same moment. An OR of both would be two
        # ranges to SQLite, which it sorts.
        rows = rows.filter(**{f"{self.column}__{way}": place.position})
        back = "lte" if place.is_backwards else "gte"
        return rows.exclude(**{self.column: place.position, f"pk__{back}": place.key})

    def get_next_link(self) -> str | None:
        """Return the address of the page after this one; after an empty one the first page's."""
        if not self.has_next:
            return None
        if not self.page:
            return str(remove_query_param(self.address, self.cursor_query_param))
        return self._link(self._at(self.page[-1], is_backwards=False))

    def get_previous_link(self) -> str | None:
        """Return the address of the page before this one; before an empty one the last page's."""
        if not self.has_previous:
            return None
        last = Place(None, None, is_backwards=True)
        return self._link(self._at(self.page[0], is_backwards=True) if self.page else last)

    def _at(self, row: Any, *, is_backwards: bool) -> Place:
        return Place(getattr(row, self.column), row.pk, is_backwards=is_backwards)

    def _link(self, place: Place) -> str:
        return str(replace_query_param(self.address, self.cursor_query_param, _written(place)))

    def _asked(self, request: Request) -> Place | None:
        """Return the place asked for; one that we cannot have written is a 400."""
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        place = self._read(text)
        # Base64 skips what it does not know, so "!!!" would be the first page.
        if place is None or _written(place) != text:
            raise ValidationError({"cursor": [_("This is no cursor of ours.")]})
        return place

    def _read(self, text: str) -> Place | None:
        try:
            parts = dict(parse_qsl(b64decode(text.encode("ascii")).decode("ascii")))
        except ValueError:
            return None
        is_backwards = parts.get("r") == "1"
        if "p" not in parts:
            return Place(None, None, is_backwards=True) if is_backwards else None
        # A database breaks at what is no time.
        position, key = self._position(parts["p"]), asked_key(parts.get("k", ""))
        if position is None or key is None:
            return None
        return Place(position, key, is_backwards=is_backwards)

    def _position(self, text: str) -> date | None:
        moment = parse_iso(text) if _POSITION.fullmatch(text) else None
        return moment and moment.astimezone(UTC)


def _written(place: Place) -> str:
    parts: dict[str, Any] = {"r": 1} if place.is_backwards else {}
    if place.position is not None:
        parts |= {"p": place.position, "k": place.key}
    return b64encode(urlencode(parts).encode()).decode()


class NewestOrders(NewestFirst):
    """The same for orders; those of a period of payment by that payment, the latest first.

    Each order is that of the index which has the range, so that a day long ago costs its own rows.
    """

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        if _PAID_PERIOD.isdisjoint(request.query_params):
            return tuple(super().get_ordering(request, queryset, view))
        return ("-success_time", "-id")


class NewestDays(NewestFirst):
    """The same for bills, by their days: the index follows them, and not ``created_at``."""

    ordering = ("-bill_date", "-id")

    def _position(self, text: str) -> date | None:
        noon = parse_iso(f"{text}T12:00:00Z") if _DAY.fullmatch(text) else None
        return noon and noon.date()
