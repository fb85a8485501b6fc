"""The rules of a parameter, which read the text as it stands on the wire.

Each has a ``text``, the rule in a sentence for a person, and ``problem(value)``: what is wrong
with a value, or "". No problem quotes the value, as that may be a name or an openid.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

from django_wxpay.protocol.json_bounds import has_too_many_values
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.times import parse_t14

SchemaChecker = Callable[[dict[str, Any]], str]

# What XML 1.0 can carry at all; a tighter alphabet replaces it.
WRITABLE: Final = "[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_LONGEST_JSON: Final = 64 * 1024
_PAYMENT_CODE_LENGTH: Final = 18
ONE_LINE: Final = "[\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


class Rule(Protocol):
    """One rule about one text."""

    @property
    def text(self) -> str: ...

    def problem(self, value: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text between ``min`` and ``max`` long, of one ``alphabet`` (a character class)."""

    max: int
    min: int = 1
    unit: Literal["chars", "bytes"] = "chars"
    alphabet: str = ONE_LINE
    described: str = "printable characters on one line"

    @property
    def text(self) -> str:
        unit = "bytes of UTF-8" if self.unit == "bytes" else "characters"
        length = f"{self.min} to {self.max}" if self.min < self.max else f"exactly {self.max}"
        return f"{length} {unit}: {self.described}"

    def problem(self, value: str) -> str:
        if not re.fullmatch(f"{self.alphabet}*", value):
            return "a character that is not allowed"
        length = len(value.encode()) if self.unit == "bytes" else len(value)
        if not self.min <= length <= self.max:
            return f"{length} {self.unit} long"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole number in decimal digits: no sign, no separators, no decimals, no leading zeros."""

    min: int = 0
    max: int = LARGEST

    @property
    def text(self) -> str:
        return f"a whole number from {self.min} to {self.max}, in digits only"

    def problem(self, value: str) -> str:
        if not re.fullmatch("0|[1-9][0-9]{0,17}", value):
            return "not a whole number in plain digits"
        if int(value) < self.min:
            return f"less than {self.min}"
        return f"more than {self.max}" if int(value) > self.max else ""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words, case-sensitive."""

    words: frozenset[str]

    @property
    def text(self) -> str:
        return "one of " + ", ".join(sorted(self.words))

    def problem(self, value: str) -> str:
        return "" if value in self.words else "not one of the words known"


@dataclass(frozen=True, slots=True)
class Time14:
    """A moment in Beijing time, ``yyyyMMddHHmmss``."""

    text: str = "14 digits yyyyMMddHHmmss, Beijing time"

    def problem(self, value: str) -> str:
        try:
            parse_t14(value)
        except ValueError:
            return "not a time of that form"
        return ""


@dataclass(frozen=True, slots=True)
class IpAddress:
    """An IPv4 or IPv6 address, without a zone."""

    text: str = "an IPv4 or IPv6 address"

    def problem(self, value: str) -> str:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            return "not an IP address"
        return "an IPv6 zone means nothing elsewhere" if "%" in value else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An absolute http(s) address without query string or fragment."""

    max: int

    @property
    def text(self) -> str:
        return f"an absolute http(s) address of at most {self.max} characters, no query string"

    def problem(self, value: str) -> str:
        if len(value) > self.max:
            return f"{len(value)} characters long"
        if not re.fullmatch("[!-~]+", value):
            return "a character that an address cannot hold"
        if "?" in value or "#" in value:
            return "it has a query string or a fragment"
        return "" if _is_absolute(value) else "not an absolute http(s) address"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonObject:
    """A JSON object as text; ``checker`` returns what is wrong with its members."""

    max: int
    described: str
    checker: SchemaChecker

    @property
    def text(self) -> str:
        return f"a JSON object of at most {self.max} characters: {self.described}"

    def problem(self, value: str) -> str:
        if len(value) > self.max:
            return f"{len(value)} characters long"
        if not re.fullmatch(f"{WRITABLE}*", value):
            return "a character that is not allowed"
        content = parse_object(value)
        return "not a JSON object" if content is None else self.checker(content)


@dataclass(frozen=True, slots=True)
class PaymentCode:
    """The code that a payer shows to be scanned (protocol-v2 section 6.2)."""

    text: str = "18 digits that begin with 10 to 15, or with 160"

    def problem(self, value: str) -> str:
        if not re.fullmatch("[0-9]*", value):
            return "a character that is not a digit"
        if len(value) != _PAYMENT_CODE_LENGTH:
            return f"{len(value)} digits long"
        return "" if re.match("1[0-5]|160", value) else "not the beginning of a payment code"


def parse_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that ``text`` is, or None for anything else.

    One that is longer than a whole message of v2, or of too many values, is nothing either.
    """
    if len(text) > _LONGEST_JSON or has_too_many_values(text):
        return None
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
