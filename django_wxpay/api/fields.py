"""JSON values, as they come and as they go: the same whatever the site's own REST settings are.

The type is judged here and nothing else: ``"100"`` is not an amount, nor is ``1.0`` or ``true``,
and ``5`` is not a text. A number is answered as a number, and a time with its offset.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, MutableMapping
from datetime import date, datetime
from itertools import islice
from typing import Any, ClassVar, Final, TypeVar

from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from django_wxpay.protocol.times import FIRST_YEAR, LAST_YEAR, parse_t14, within_calendar

# What a key column holds; a larger number would break in the database.
LARGEST_KEY: Final = 2**63 - 1

_ASKED_KEY: Final = re.compile("[1-9][0-9]{0,18}")
_LONGEST_ASKED: Final = 256
_ASKED_TEXT: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": _LONGEST_ASKED,
    # PostgreSQL refuses a NUL.
    "pattern": r"^[^\u0000]*$",
}

_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS: Final = rf"^(?!{FIRST_YEAR - 1}|{LAST_YEAR + 1})[1-9][0-9]{{3}}-"
_DATE_TIME: Final = {"type": "string", "format": "date-time", "pattern": _YEARS}
_T14: Final = {"type": "string", "pattern": f"{_YEARS.removesuffix('-')}[0-9]{{10}}$"}

# The key of what is wrong with a posted object as a whole.
NON_FIELD_ERRORS: Final = "non_field_errors"

# How many names that we do not know an answer repeats.
_MOST_NAMED: Final = 5
_LONGEST_NAMED: Final = 64

Row = TypeVar("Row", bound=models.Model)


def unknown_names(names: Iterable[str], problem: Any) -> dict[str, Any]:
    """Return the errors of ``names`` that we do not know: the first few, however many there are."""
    unknown = iter(names)
    errors: dict[str, Any] = {_writable(name): [problem] for name in islice(unknown, _MOST_NAMED)}
    if next(unknown, None) is not None:
        errors[NON_FIELD_ERRORS] = [_("There are more names like these.")]
    return errors


def _writable(name: str) -> str:
    # A lone surrogate in a posted name cannot be encoded, and would be a 500 in the answer.
    return name[:_LONGEST_NAMED].encode(errors="replace").decode()


class Text(serializers.CharField):
    """A JSON string, kept character for character."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A JSON integer; how large it may be is not decided here."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


@extend_schema_field({"oneOf": [{"type": "object"}, {"type": "string"}], "nullable": True})
class JSONDocument(serializers.Field[Any, Any, Any, Any]):
    """A JSON object, or the text of one, which is then kept byte for byte."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("This is neither a JSON object nor the text of one."),
        "characters": _("This holds characters that no text may hold."),
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict | str):
            self.fail("invalid")
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError):
            self.fail("characters")
        return data


@extend_schema_field({"anyOf": [_DATE_TIME, _T14], "nullable": True})
class MomentIn(serializers.Field[Any, Any, Any, Any]):
    """ISO 8601 with an offset, or WeChat Pay's 14 digits of Beijing time."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("This is neither ISO 8601 nor 14 digits of Beijing time."),
        "naive": _("This time has no offset, such as +08:00, and would be a guess."),
    }

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            self.fail("invalid")
        if data.isascii() and data.isdigit():
            return self._beijing(data)
        moment = parse_iso(data)
        if moment is None:
            self.fail("invalid")
        if timezone.is_naive(moment):
            self.fail("naive")
        return moment

    def _beijing(self, text: str) -> datetime:
        try:
            return parse_t14(text)
        except ValueError:
            self.fail("invalid")


def parse_iso(text: str) -> datetime | None:
    """Return the moment ``text`` names, within the calendar unless it is naive; or None."""
    if not (text.isascii() and text.isprintable()):
        # Python reads the digits of other scripts, and passes over a NUL at the end.
        return None
    try:
        moment = parse_datetime(text)
        if moment is None or timezone.is_naive(moment):
            return moment
        return within_calendar(moment)
    except ValueError:
        return None


def asked_key(text: str) -> int | None:
    """Return the key that ``text`` names in plain digits, or None where no row can have it."""
    key = int(text) if _ASKED_KEY.fullmatch(text) else 0
    return key if 0 < key <= LARGEST_KEY else None


class Moment(serializers.DateTimeField):
    """A time in an answer: ISO 8601 with its offset, whatever the site's own format is."""

    def to_representation(self, value: datetime) -> str:
        aware = timezone.make_aware(value) if timezone.is_naive(value) else value
        return timezone.localtime(aware).isoformat()


@extend_schema_field(_ASKED_TEXT)
class TextAsked(serializers.CharField):
    """A text in an address, compared character for character; one longer than any is refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, max_length=_LONGEST_ASKED, **kwargs)


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": LARGEST_KEY})
class KeyAsked(serializers.Field[Any, Any, Any, Any]):
    """A row's key in an address."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": _("No row has this key.")}

    def to_internal_value(self, data: str) -> int:
        key = asked_key(data)
        if key is None:
            self.fail("invalid")
        return key


@extend_schema_field(_DATE_TIME)
class MomentAsked(serializers.Field[Any, Any, Any, Any]):
    """A time in an address: ISO 8601, in this site's zone if it names none; a date is its start."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("This is not a time in ISO 8601.")
    }

    def to_internal_value(self, data: str) -> datetime:
        # A plus sign that was not escaped reaches us as a space.
        moment = parse_iso(data.replace(" ", "+") if "T" in data else data)
        if moment is None:
            self.fail("invalid")
        if timezone.is_aware(moment):
            return moment
        try:
            return within_calendar(timezone.make_aware(moment))
        except ValueError:
            self.fail("invalid")


@extend_schema_field({"type": "string", "format": "date", "pattern": _YEARS})
class DayAsked(serializers.Field[Any, Any, Any, Any]):
    """A day, posted or in an address: ``YYYY-MM-DD``, of the years that every database holds."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("This is not a day written YYYY-MM-DD.")
    }

    def to_internal_value(self, data: Any) -> date:
        noon = parse_iso(f"{data}T12:00:00Z") if isinstance(data, str) else None
        if noon is None or not _DAY.fullmatch(data):
            self.fail("invalid")
        return date.fromisoformat(data)


class RowSerializer(serializers.ModelSerializer[Row]):
    """A row whose large integers stay integers, where the site writes its own as text."""

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.BigAutoField: serializers.IntegerField,
        models.BigIntegerField: serializers.IntegerField,
    }

    def include_extra_kwargs(
        self, kwargs: MutableMapping[str, Any], extra_kwargs: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Keep that a column of choices may be "" where it is only read: the document names it."""
        is_blank = "choices" in kwargs and kwargs.get("allow_blank", False)
        found = super().include_extra_kwargs(kwargs, extra_kwargs)
        if is_blank:
            found["allow_blank"] = True
        return found
