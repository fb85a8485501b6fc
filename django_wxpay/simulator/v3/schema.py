"""How a JSON body is held against a schema: strictly, as the gateway does it.

A node says what one value has to be and, with ``problem``, what is wrong with a given one
and where. An undocumented member is an error, and so is null (protocol-v3 section 1.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as member
from typing import Any, Final, Protocol

from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.rules import Rule
from django_wxpay.protocol.times import parse_rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class V3Problem:
    """What is wrong with a request, as an error answer of protocol-v3 section 7.1 tells it.

    ``field`` is a JSON pointer into the body, or the plain name of a query parameter.
    """

    field: str
    issue: str
    code: str = "PARAM_ERROR"
    location: str = "body"
    value: Any = member(default=None, repr=False)

    @property
    def detail(self) -> dict[str, Any]:
        """The ``detail`` member of the answer."""
        names = ("field", "value", "issue", "location")
        return {name: getattr(self, name) for name in names}


class Node(Protocol):
    """One place in a schema."""

    def problem(self, value: object, at: str) -> V3Problem | None:
        """Say what is wrong with ``value``, which stands at the pointer ``at``."""
        ...


@dataclass(frozen=True, slots=True)
class TextNode:
    """A string that keeps a rule."""

    rule: Rule

    def problem(self, value: object, at: str) -> V3Problem | None:
        if not isinstance(value, str):
            return _wrong(at, "not a string", value)
        problem = self.rule.problem(value)
        return _wrong(at, problem, value) if problem else None


@dataclass(frozen=True, slots=True)
class WholeNode:
    """A whole number, and no string of digits."""

    least: int = 0

    def problem(self, value: object, at: str) -> V3Problem | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return _wrong(at, "not an integer", value)
        if not self.least <= value <= LARGEST:
            return _wrong(at, f"not from {self.least} to {LARGEST}", value)
        return None


@dataclass(frozen=True, slots=True)
class BoolNode:
    """True or false."""

    def problem(self, value: object, at: str) -> V3Problem | None:
        return None if isinstance(value, bool) else _wrong(at, "not a boolean", value)


@dataclass(frozen=True, slots=True)
class ListNode:
    """An array of at least one."""

    item: Node

    def problem(self, value: object, at: str) -> V3Problem | None:
        if not isinstance(value, list) or not value:
            return _wrong(at, "not an array of at least one", value)
        problems = (self.item.problem(item, f"{at}/{index}") for index, item in enumerate(value))
        return next((problem for problem in problems if problem), None)


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """An object with the members of ``required``, any of ``optional``, and no other.

    Of the names in ``one_of`` at least one has to be there.
    """

    required: Mapping[str, Node]
    optional: Mapping[str, Node] = member(default_factory=dict)
    one_of: tuple[str, ...] = ()

    def problem(self, value: object, at: str) -> V3Problem | None:
        if not isinstance(value, dict) or not value:
            return _wrong(at, "not an object with members", value)
        for name in self.required:
            if name not in value:
                return _wrong(f"{at}/{name}", "missing", None)
        if self.one_of and not any(name in value for name in self.one_of):
            return _wrong(f"{at}/{self.one_of[0]}", f"one of {', '.join(self.one_of)}", None)
        problems = (self._member(name, held, at) for name, held in value.items())
        return next((problem for problem in problems if problem), None)

    def _member(self, name: str, value: object, at: str) -> V3Problem | None:
        node = self.required.get(name) or self.optional.get(name)
        here = f"{at}/{name}"
        return node.problem(value, here) if node else _wrong(here, "undocumented member", value)


@dataclass(frozen=True, slots=True)
class Rfc3339:
    """A rule: a time with an offset."""

    text: str = "a time of RFC 3339"

    def problem(self, value: str) -> str:
        try:
            parse_rfc3339(value)
        except ValueError:
            return "not a time of that form"
        return ""


RFC3339: Final[Rule] = Rfc3339()


def _wrong(at: str, issue: str, value: object) -> V3Problem:
    return V3Problem(field=at, issue=issue, value=value)
