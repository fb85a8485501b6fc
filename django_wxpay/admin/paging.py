"""Pages of a ledger that may hold ten million rows: counted up to a point, and no further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

if TYPE_CHECKING:
    PaginatorBase = Paginator[Any]
else:
    PaginatorBase = Paginator

# Nobody turns more pages than this; what is older is found by search and filters.
FARTHEST = 10_000


class NewestPaginator(PaginatorBase):
    """Counts up to ``FARTHEST`` rows, so that no page has to count the whole table."""

    @cached_property
    def count(self) -> int:
        """Return how many rows can be paged through."""
        # In no order: with one, some databases walk the whole table along it to count a few rows.
        rows: Any = self.object_list
        return int(rows.order_by()[:FARTHEST].count())
