"""Arguments of the control plane, out of JSON or a form, and the errors that name one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from django_wxpay.simulator.http.messages import BODY_LIMIT, Request

_FORM: Final = "application/x-www-form-urlencoded"


class ControlError(ValueError):
    """A refusal of the control plane: a ``code`` for programs and a sentence for a person."""

    def __init__(self, code: str, detail: str, *, status: int = 400) -> None:
        self.code = code
        self.detail = detail
        self.status = status
        super().__init__(detail)


class Arguments:
    """Named values, each of which must be asked for by the name it was given under.

    Identifiers may be written as text where they come from a form.
    """

    def __init__(self, values: Mapping[str, Any], *, form: bool = False) -> None:
        self._values = dict(values)
        self._form = form

    def text(self, name: str, default: str | None = None) -> str:
        """Take a text; without a default it must be there."""
        value = self._take(name, default)
        if not isinstance(value, str) or not value.isprintable():
            raise _wrong(name, "is not a text")
        return value

    def whole(self, name: str, default: int | None = None, *, most: int) -> int | None:
        """Take a whole number from 0 to ``most``."""
        value = self.number(name, default, most=most)
        if value is None or value == int(value):
            return None if value is None else int(value)
        raise _wrong(name, "is not a whole number")

    def number(self, name: str, default: float | None = None, *, most: float) -> float | None:
        """Take a number from 0 to ``most``."""
        value = self._values.pop(name, default)
        if self._form and isinstance(value, str):
            value = _number(value)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise _wrong(name, "is not a number")
        if not 0 <= value <= most:
            raise _wrong(name, f"is not between 0 and {most}")
        return value

    def flag(self, name: str) -> bool | None:
        """Take a yes or no, None when it is not there."""
        value = self._values.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise _wrong(name, "is neither true nor false")
        return value

    def objects(self, name: str) -> list[dict[str, Any]]:
        """Take a list of objects, empty when it is not there."""
        value = self._values.pop(name, ())
        if not isinstance(value, list | tuple) or not all(isinstance(v, Mapping) for v in value):
            raise _wrong(name, "is not a list of objects")
        return [dict(item) for item in value]

    def inner(self, name: str) -> Arguments | None:
        """Take an object, None when it is not there or is no object."""
        value = self._values.get(name)
        if not isinstance(value, Mapping):
            return None
        return Arguments(self._values.pop(name))

    def members(self, name: str) -> dict[str, Any]:
        """Take an object as it is; it must be there."""
        value = self._values.pop(name, None)
        if not isinstance(value, Mapping):
            raise _wrong(name, "is not an object")
        return dict(value)

    def holds(self, name: str) -> bool:
        """Return whether a value was given under ``name`` and is not taken yet."""
        return name in self._values

    def finish(self) -> None:
        """Refuse every argument that was not taken."""
        for name in self._values:
            raise _wrong(name, "is not an argument here")

    def _take(self, name: str, default: str | None) -> object:
        value = self._values.pop(name, default)
        if value is None:
            raise _wrong(name, "is missing")
        return value


def read_arguments(request: Request) -> Arguments:
    """Return the arguments in a request's body; ``ControlError`` when it cannot be read."""
    if len(request.body) > BODY_LIMIT:
        raise ControlError("invalid", "the body is too large")
    try:
        text = request.body.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ControlError("invalid", "the body is not UTF-8") from None
    if is_form(request):
        return Arguments({k: v for k, v in parse_qsl(text) if v}, form=True)
    try:
        values = json.loads(text or "{}")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ControlError("invalid", "the body is not a JSON object")
    return Arguments(values)


def is_form(request: Request) -> bool:
    """Say whether a page's form was sent."""
    # curl sends JSON under the type of a form, unless it is given another.
    return request.content_type == _FORM and not request.body.lstrip().startswith(b"{")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _wrong(name: str, problem: str) -> ControlError:
    return ControlError("invalid", f"{name} {problem}")
