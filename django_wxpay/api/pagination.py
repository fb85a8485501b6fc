"""Pages of a list that grows at its head: newest first, by key and not by offset.

A cursor is the key of the row it stands at, ``(created_at, id)``, so rows that arrive
meanwhile shift nothing, equal times lose nothing, and page ten thousand costs what page
one costs.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView


@dataclass(frozen=True, slots=True)
class Key:
    """Where a page begins: just after this row, or just before it if ``backwards``."""

    created_at: datetime
    id: int
    backwards: bool

    def encode(self) -> str:
        """Return it as it stands in an address."""
        text = json.dumps([self.created_at.isoformat(), self.id, int(self.backwards)])
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Key:
        """Read what ``encode`` wrote; anything else is a ``ValueError``."""
        padded = text + "=" * (-len(text) % 4)
        try:
            moment, row, backwards = json.loads(urlsafe_b64decode(padded.encode("ascii")))
            key = cls(datetime.fromisoformat(moment), int(row), bool(backwards))
            # A moment that some zone cannot express would break in the database.
            key.created_at.astimezone(UTC)
        except (TypeError, OverflowError, RecursionError) as exc:
            raise ValueError("not a cursor") from exc
        if key.created_at.tzinfo is None or not 0 <= key.id < 2**63:
            raise ValueError("not a cursor")
        return key

    def beyond(self) -> Q:
        """Return the condition for the rows on its far side, in a form that an index serves."""
        if self.backwards:
            later = Q(created_at__gt=self.created_at) | Q(id__gt=self.id)
            return Q(created_at__gte=self.created_at) & later
        earlier = Q(created_at__lt=self.created_at) | Q(id__lt=self.id)
        return Q(created_at__lte=self.created_at) & earlier


class NewestFirst(CursorPagination):
    """``results``, ``next`` and ``previous``; for models with ``created_at`` and ``id``."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = ("-created_at", "-id")

    address = ""
    _next: Key | None = None
    _previous: Key | None = None

    def paginate_queryset(
        self,
        queryset: Any,
        request: Request,
        view: APIView | None = None,  # noqa: ARG002 - as every pagination is called
    ) -> list[Any]:
        """Return the rows of the page that ``cursor`` asks for; nonsense is a 400."""
        self.address = request.build_absolute_uri()
        size = self._size(request)
        key = self._key(request)
        rows, more = self._fetch(queryset, key, size)
        if key is not None and key.backwards and not rows:
            key = None
            rows, more = self._fetch(queryset, key, size)
        backwards = key is not None and key.backwards
        if rows and (more or backwards):
            self._next = _key_of(rows[-1], backwards=False)
        if rows and (more if backwards else key is not None):
            self._previous = _key_of(rows[0], backwards=True)
        return rows

    def get_next_link(self) -> str | None:
        """Return the address of the older page."""
        return self._link(self._next)

    def get_previous_link(self) -> str | None:
        """Return the address of the newer page."""
        return self._link(self._previous)

    def _link(self, key: Key | None) -> str | None:
        if key is None:
            return None
        return replace_query_param(self.address, self.cursor_query_param, key.encode())

    def _fetch(
        self,
        queryset: QuerySet[Any],
        key: Key | None,
        size: int,
    ) -> tuple[list[Any], bool]:
        """Return at most ``size`` rows, newest first, and whether there are more that way."""
        if key is None:
            rows = list(queryset.order_by(*self.ordering)[: size + 1])
        elif key.backwards:
            rows = list(queryset.filter(key.beyond()).order_by("created_at", "id")[: size + 1])
        else:
            rows = list(queryset.filter(key.beyond()).order_by(*self.ordering)[: size + 1])
        more = len(rows) > size
        page = rows[:size]
        if key is not None and key.backwards:
            page.reverse()
        return page, more

    def _size(self, request: Request) -> int:
        text = request.query_params.get("page_size")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= self.max_page_size):
            raise ValidationError(
                {"page_size": [_("A whole number from 1 to %d.") % self.max_page_size]},
            )
        return int(text)

    def _key(self, request: Request) -> Key | None:
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        try:
            return Key.decode(text)
        except ValueError:
            raise ValidationError({"cursor": [_("This is no cursor of ours.")]}) from None


def _key_of(row: Any, *, backwards: bool) -> Key:
    return Key(row.created_at, row.pk, backwards)
