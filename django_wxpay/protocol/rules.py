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
from django_wxpay.protocol.sentences import sentence
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.times import parse_t14

SchemaChecker = Callable[[dict[str, Any]], str]

# What XML 1.0 can carry at all; a tighter alphabet replaces it.
WRITABLE: Final = "[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_LONGEST_JSON: Final = 64 * 1024
_PAYMENT_CODE_LENGTH: Final = 18
ONE_LINE: Final = "[\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


# By the unit, and whether the length may be one of several.
_LENGTHS: Final = {
    ("chars", True): _("%(min)d to %(max)d characters: %(described)s"),
    ("chars", False): _("exactly %(max)d characters: %(described)s"),
    ("bytes", True): _("%(min)d to %(max)d bytes of UTF-8: %(described)s"),
    ("bytes", False): _("exactly %(max)d bytes of UTF-8: %(described)s"),
}
_TOO_LONG: Final = {
    "chars": _("%(length)d chars long"),
    "bytes": _("%(length)d bytes long"),
}


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
    described: str = _("printable characters on one line")

    @property
    def text(self) -> str:
        form = _LENGTHS[self.unit, self.min < self.max]
        return sentence(form, min=self.min, max=self.max, described=self.described)

    def problem(self, value: str) -> str:
        if not re.fullmatch(f"{self.alphabet}*", value):
            return _("a character that is not allowed")
        length = len(value.encode()) if self.unit == "bytes" else len(value)
        if not self.min <= length <= self.max:
            return sentence(_TOO_LONG[self.unit], length=length)
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole number in decimal digits: no sign, no separators, no decimals, no leading zeros."""

    min: int = 0
    max: int = LARGEST

    @property
    def text(self) -> str:
        return _(
            "a whole number from %(min)s to %(max)s, in digits only", min=self.min, max=self.max
        )

    def problem(self, value: str) -> str:
        if not re.fullmatch("0|[1-9][0-9]{0,17}", value):
            return _("not a whole number in plain digits")
        if int(value) < self.min:
            return _("less than %(min)s", min=self.min)
        return _("more than %(max)s", max=self.max) if int(value) > self.max else ""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words, case-sensitive."""

    words: frozenset[str]

    @property
    def text(self) -> str:
        return _("one of %(words)s", words=", ".join(sorted(self.words)))

    def problem(self, value: str) -> str:
        return "" if value in self.words else _("not one of the words known")


@dataclass(frozen=True, slots=True)
class Time14:
    """A moment in Beijing time, ``yyyyMMddHHmmss``."""

    text: str = _("14 digits yyyyMMddHHmmss, Beijing time")

    def problem(self, value: str) -> str:
        try:
            parse_t14(value)
        except ValueError:
            return _("not a time of that form")
        return ""


@dataclass(frozen=True, slots=True)
class IpAddress:
    """An IPv4 or IPv6 address, without a zone."""

    text: str = _("an IPv4 or IPv6 address")

    def problem(self, value: str) -> str:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            return _("not an IP address")
        return _("an IPv6 zone means nothing elsewhere") if "%" in value else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An absolute http(s) address without query string or fragment."""

    max: int

    @property
    def text(self) -> str:
        return _(
            "an absolute http(s) address of at most %(max)s characters, no query string",
            max=self.max,
        )

    def problem(self, value: str) -> str:
        if len(value) > self.max:
            return _("%(length)d characters long", length=len(value))
        if not re.fullmatch("[!-~]+", value):
            return _("a character that an address cannot hold")
        if "?" in value or "#" in value:
            return _("it has a query string or a fragment")
        return "" if _is_absolute(value) else _("not an absolute http(s) address")


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonObject:
    """A JSON object as text; ``checker`` returns what is wrong with its members."""

    max: int
    described: str
    checker: SchemaChecker

    @property
    def text(self) -> str:
        return _(
            "a JSON object of at most %(max)s characters: %(described)s",
            max=self.max,
            described=self.described,
        )

    def problem(self, value: str) -> str:
        if len(value) > self.max:
            return _("%(length)d characters long", length=len(value))
        if not re.fullmatch(f"{WRITABLE}*", value):
            return _("a character that is not allowed")
        content = parse_object(value)
        return _("not a JSON object") if content is None else self.checker(content)


@dataclass(frozen=True, slots=True)
class PaymentCode:
    """The code that a payer shows to be scanned (protocol-v2 section 6.2)."""

    text: str = _("18 digits that begin with 10 to 15, or with 160")

    def problem(self, value: str) -> str:
        if not re.fullmatch("[0-9]*", value):
            return _("a character that is not a digit")
        if len(value) != _PAYMENT_CODE_LENGTH:
            return _("%(length)d digits long", length=len(value))
        return "" if re.match("1[0-5]|160", value) else _("not the beginning of a payment code")


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
    raise ValueError(_("%(name)s is not JSON", name=name))


def _is_absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
