"""Readers of one member of a JSON object: strict where money or identity hangs on it.

The gateway leaves out what it has no value for, or sends null (protocol-v3 section 1.4); both
are absence here. In the strict readers a value of another type than documented is a
``MalformedMessage`` that names the member and repeats nothing of it. The ``optional_`` readers
are for members that only describe, so they leave out what cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.times import parse_rfc3339

Members = Mapping[str, Any]


def text(holder: Members, *names: str) -> str:
    """Return the text under the first of ``names`` that has one, else ""."""
    for name in names:
        value = holder.get(name)
        if value is not None and not isinstance(value, str):
            raise MalformedMessage(f"{name} is not text")
        if value:
            return value
    return ""


def integer(holder: Members, name: str, *, most: int = LARGEST) -> int | None:
    """Return the whole number from 0 to ``most`` under ``name``, None if there is none."""
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedMessage(f"{name} is not a whole number")
    if not 0 <= value <= most:
        raise MalformedMessage(f"{name} is less than 0 or more than {most}")
    return value


def child(holder: Members, name: str) -> Members:
    """Return the object under ``name``, empty if there is none."""
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedMessage(f"{name} is not an object")
    return value


def moment(holder: Members, name: str) -> datetime | None:
    """Return the time under ``name``, None if there is none."""
    value = text(holder, name)
    try:
        return parse_rfc3339(value) if value else None
    except ValueError:
        raise MalformedMessage(f"{name} is not a time of RFC 3339") from None


def objects(holder: Members, *names: str) -> list[dict[str, Any]]:
    """Return the objects in the first of ``names`` that is a list, without its other items."""
    lists = (holder.get(name) for name in names)
    first = next((value for value in lists if isinstance(value, list)), [])
    return [item for item in first if isinstance(item, dict)]


def optional_text(holder: Members, *names: str) -> str:
    values = (holder.get(name) for name in names)
    return next((value for value in values if value and isinstance(value, str)), "")


def optional_integer(holder: Members, *names: str) -> int | None:
    """Return the number under the first of ``names`` that has a readable one."""
    for name in names:
        try:
            number = integer(holder, name)
        except MalformedMessage:
            continue
        if number is not None:
            return number
    return None
