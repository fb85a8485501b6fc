"""Readers of one member of a JSON object: strict where money or identity hangs on it.

The gateway leaves out what it has no value for, or sends null (protocol-v3 section 1.4); both
are absence here. In the strict readers a value of another type than documented, or one that
cannot be kept as it is, is a ``MalformedMessage`` that names the member and repeats nothing of
it. The ``optional_`` readers are for members that only describe, so they leave out what cannot
be read, and let texts through as they are: cleaning them is for the columns that keep them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.times import parse_rfc3339
from django_wxpay.protocol.v3.documents import UNSTORABLE, Unreadable

Members = Mapping[str, Any]

# Of an order, a transaction, a merchant or a refund of WeChat Pay's (protocol-v3 section 3.3).
LONGEST_NUMBER: Final = 32


def text(holder: Members, *names: str) -> str:
    """Return the text under the first of ``names`` that has one, else ""."""
    for name in names:
        value = holder.get(name)
        if isinstance(value, str):
            if UNSTORABLE.search(value):
                raise MalformedMessage(f"{name} holds what no text may: NUL or half a character")
            if value:
                return value
        elif value is not None:
            raise _unexpected(name, value, "is not text")
    return ""


def number(holder: Members, *names: str, longest: int = LONGEST_NUMBER) -> str:
    """Return the identifying number under the first of ``names`` that has one, else "".

    One of more than ``longest`` characters is refused: a part of it would be another number.
    """
    value = text(holder, *names)
    if len(value) > longest:
        raise MalformedMessage(f"{names[0]} is longer than {longest} characters")
    return value


def integer(holder: Members, name: str, *, most: int = LARGEST) -> int | None:
    """Return the whole number from 0 to ``most`` under ``name``, None if there is none."""
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unexpected(name, value, "is not a whole number")
    if not 0 <= value <= most:
        raise MalformedMessage(f"{name} is less than 0 or more than {most}")
    return value


def child(holder: Members, name: str) -> Members:
    """Return the object under ``name``, empty if there is none."""
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unexpected(name, value, "is not an object")
    return value


def moment(holder: Members, name: str) -> datetime | None:
    """Return the time under ``name``, None if there is none."""
    value = text(holder, name)
    try:
        return parse_rfc3339(value) if value else None
    except ValueError:
        raise MalformedMessage(f"{name} is not a time of RFC 3339") from None


def _unexpected(name: str, value: object, otherwise: str) -> MalformedMessage:
    """Return the error about a value of another type, which a mark explains better."""
    return MalformedMessage(f"{name} {value.why if isinstance(value, Unreadable) else otherwise}")


def objects(holder: Members, *names: str) -> list[dict[str, Any]]:
    """Return the objects in the first of ``names`` that is a list, without its other items."""
    for name in names:
        value = holder.get(name)
        if isinstance(value, list):
            return [item for item in value if isinstance(item, dict)]
    return []


def optional_child(holder: Members, name: str) -> Members:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def optional_moment(holder: Members, name: str) -> datetime | None:
    try:
        return moment(holder, name)
    except MalformedMessage:
        return None


def optional_number(holder: Members, name: str, *, longest: int = LONGEST_NUMBER) -> str:
    """Return the identifying number under ``name``, "" where it is not whole."""
    try:
        return number(holder, name, longest=longest)
    except MalformedMessage:
        return ""


def optional_text(holder: Members, *names: str) -> str:
    for name in names:
        value = holder.get(name)
        if value and isinstance(value, str):
            return value
    return ""


def optional_integer(holder: Members, *names: str, most: int = LARGEST) -> int | None:
    """Return the number from 0 to ``most`` under the first of ``names`` with a readable one."""
    for name in names:
        value = holder.get(name)
        # A bool is an int too, and no number.
        if type(value) is int and 0 <= value <= most:
            return value
    return None
