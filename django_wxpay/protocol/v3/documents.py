"""The JSON codec of APIv3: one object in UTF-8, read strictly or with marks.

Read strictly, a document with anything that parsers do not read alike is refused whole: NaN,
members that occur twice, deep nesting, texts that no database stores. In what WeChat Pay has
signed each of these is a mark on its member, because the rest of the document still holds:
a payment must not be lost over the name of a coupon. Either way a document of too many octets
or values is refused before it is parsed.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge
from django_wxpay.protocol.json_bounds import MOST_VALUES, has_too_many_values

LARGEST_BODY: Final = 1024 * 1024
DEEPEST: Final = 32
# MariaDB keeps no JSON of more than 32 levels, and what is kept of an event has some around it.
DEEPEST_KEPT: Final = 30

# NUL and half a character: JSON writes them, and no database stores them.
UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
# As many digits as the largest integer of 64 bits has; to read some thousands takes long.
_LONGEST_INTEGER: Final = 19


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The mark that stands in the place of a value; ``why`` follows the name of its member."""

    why: str


def read_object(body: bytes, *, limit: int = LARGEST_BODY) -> dict[str, Any]:
    """Return the JSON object that ``body`` is.

    Raises ``MessageTooLarge`` over ``limit`` bytes and ``MalformedMessage`` for everything
    else that is not such a document; neither repeats what was in it.
    """
    _check_size(body, limit)
    content = _parsed(body)
    if not isinstance(content, dict):
        raise MalformedMessage("the document is not a JSON object")
    _check_holdings(content)
    return content


def read_with_marks(body: bytes, *, limit: int = LARGEST_BODY) -> dict[str, Any]:
    """Return the JSON object that a signed ``body`` is, ``Unreadable`` where it cannot be read.

    Octets that are no UTF-8 stand as halves of characters. The strict readers of ``reading``
    refuse both, the optional ones leave out the marks. Raises ``MessageTooLarge`` over ``limit``
    bytes and ``MalformedMessage`` for what is no JSON object at all.
    """
    _check_size(body, limit)
    try:
        content = _MARKING.decode(
            body.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")
        )
    except (ValueError, RecursionError):
        raise MalformedMessage("not a JSON document") from None
    if not isinstance(content, dict):
        raise MalformedMessage("the document is not a JSON object")
    return content


def check_marks(content: dict[str, Any]) -> None:
    """Raise ``MalformedMessage`` if not everything in a document with marks could be read.

    Texts may hold what no database stores. Also raised for nesting deeper than ``DEEPEST_KEPT``
    levels, the innermost values included.
    """
    layer: list[Any] = [content]
    for _ in range(DEEPEST_KEPT):
        layer = [held for holder in layer for held in _values(holder)]
        marks = [each for each in layer if isinstance(each, Unreadable)]
        if marks:
            raise MalformedMessage(f"a member of the resource {marks[0].why}")
        if not layer:
            return
    raise MalformedMessage(f"nested deeper than {DEEPEST_KEPT} levels")


def write_object(content: dict[str, Any]) -> bytes:
    """Return ``content`` as compact JSON in UTF-8, its members in the order they have."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def _check_size(body: bytes, limit: int) -> None:
    if len(body) > limit:
        raise MessageTooLarge(f"the document is larger than {limit} bytes")
    if has_too_many_values(body):
        raise MalformedMessage(f"the document holds more than {MOST_VALUES} values")


def _parsed(body: bytes) -> Any:
    try:
        return _STRICT.decode(body.decode())
    except MalformedMessage:
        raise
    except (ValueError, RecursionError):
        raise MalformedMessage("not a JSON document in UTF-8") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedMessage("a member occurs more than once")
    return members


def _marked_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    members = {}
    for name, value in pairs:
        members[name] = Unreadable("occurs more than once") if name in members else value
    return members


def _marked_constant(name: str) -> Unreadable:
    return Unreadable(f"is {name}, which is not JSON")


def _marked_float(text: str) -> float | Unreadable:
    number = float(text)
    return Unreadable("is a number larger than any") if math.isinf(number) else number


def _marked_integer(text: str) -> int | Unreadable:
    if len(text) > _LONGEST_INTEGER and len(text.lstrip("-")) > _LONGEST_INTEGER:
        return Unreadable("is a number of too many digits")
    return int(text)


def _refuse_constant(name: str) -> None:
    raise MalformedMessage(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise MalformedMessage("a number larger than any")
    return number


def _whole(text: str) -> int:
    # How many digits Python itself refuses is a setting of the project's, and may be none.
    if len(text) > _LONGEST_INTEGER and len(text.lstrip("-")) > _LONGEST_INTEGER:
        raise MalformedMessage("a number of too many digits")
    return int(text)


# Made once: ``json.loads`` would make one anew for each document.
_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_whole,
)
_MARKING: Final = json.JSONDecoder(
    object_pairs_hook=_marked_members,
    parse_constant=_marked_constant,
    parse_float=_marked_float,
    parse_int=_marked_integer,
)


def _check_holdings(content: dict[str, Any]) -> None:
    layer: list[Any] = [content]
    for _ in range(DEEPEST):
        layer = [held for holder in layer for held in _held(holder)]
        if not layer:
            return
    raise MalformedMessage(f"nested deeper than {DEEPEST} levels")


def _values(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _held(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, str) and UNSTORABLE.search(value):
        raise MalformedMessage("a text holds what no text may: NUL or half a character")
