"""What a row's page has besides its fields: buttons, tables of what belongs to it, a timeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

# The rest of a long list is one click away.
NEWEST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """``asks_first`` leads to a page with a question; the others post at once."""

    label: Any
    url: str
    asks_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One entry of a timeline: when, what, and the sentences that belong to it."""

    at: datetime
    title: Any
    notes: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table, or a timeline, under a heading; falsy when there is nothing to show."""

    title: Any
    columns: tuple[Any, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    more: Any = ""

    def __bool__(self) -> bool:
        return bool(self.rows or self.timeline)
