"""The JSON codec of APIv3: one object in UTF-8 that every parser reads alike.

NaN and infinities, members that occur twice, deep nesting and texts that no database stores are
refused here, before anything reads the document.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge

LARGEST_BODY: Final = 1024 * 1024
DEEPEST: Final = 32

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def read_object(body: bytes, *, limit: int = LARGEST_BODY) -> dict[str, Any]:
    """Return the JSON object that ``body`` is.

    Raises ``MessageTooLarge`` over ``limit`` bytes and ``MalformedMessage`` for everything
    else that is not such a document; neither repeats what was in it.
    """
    if len(body) > limit:
        raise MessageTooLarge(f"the document is larger than {limit} bytes")
    content = _parsed(body)
    if not isinstance(content, dict):
        raise MalformedMessage("the document is not a JSON object")
    _check_holdings(content)
    return content


def write_object(content: dict[str, Any]) -> bytes:
    """Return ``content`` as compact JSON in UTF-8, its members in the order they have."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode(),
            object_pairs_hook=_members,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except MalformedMessage:
        raise
    except (ValueError, RecursionError):
        raise MalformedMessage("not a JSON document in UTF-8") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedMessage("a member occurs more than once")
    return members


def _refuse_constant(name: str) -> None:
    raise MalformedMessage(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise MalformedMessage("a number larger than any")
    return number


def _check_holdings(content: dict[str, Any]) -> None:
    layer: list[Any] = [content]
    for _ in range(DEEPEST):
        layer = [held for holder in layer for held in _held(holder)]
        if not layer:
            return
    raise MalformedMessage(f"nested deeper than {DEEPEST} levels")


def _held(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, str) and _UNSTORABLE.search(value):
        raise MalformedMessage("a text holds what no text may: NUL or half a character")
