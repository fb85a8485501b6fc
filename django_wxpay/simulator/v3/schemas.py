"""Parts of JSON Schema documents that several bodies of APIv3 are made of.

A record is closed, and a text has a rule of the protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.rules import Rule, Text
from django_wxpay.protocol.times import parse_rfc3339
from django_wxpay.protocol.v3.fields import ID
from django_wxpay.protocol.v3.json_fields import BASIC_DESCRIBED, BASIC_PLANE

Schema = dict[str, Any]
Members = dict[str, Schema]


def text(rule: Rule) -> Schema:
    """Return the schema of a text with a rule."""
    return {"type": "string", "rule": rule}


def short(longest: int) -> Schema:
    """Return the schema of a text of the basic plane, at most ``longest`` characters."""
    return text(Text(max=longest, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED))


def word(*words: str) -> Schema:
    """Return the schema of a text that is one of ``words``."""
    return {"type": "string", "enum": words}


def whole(least: int = 0) -> Schema:
    """Return the schema of a whole number of at least ``least``."""
    return {"type": "integer", "minimum": least, "maximum": LARGEST}


def items(item: Schema) -> Schema:
    """Return the schema of a list of at least one ``item``."""
    return {"type": "array", "minItems": 1, "items": item}


def record(required: Members, optional: Members | None = None, **more: Any) -> Schema:
    """Return the schema of an object that has no other members."""
    return {
        "type": "object",
        "minProperties": 1,
        "required": list(required),
        **more,
        # The gateway refuses a member that it does not know (protocol-v3 section 1.4).
        "additionalProperties": False,
        "properties": required | (optional or {}),
    }


@dataclass(frozen=True, slots=True)
class _Rfc3339:
    text: str = "a time of RFC 3339"

    def problem(self, value: str) -> str:
        try:
            parse_rfc3339(value)
        except ValueError:
            return "not a time of that form"
        return ""


@dataclass(frozen=True, slots=True)
class _OneValue:
    text: str = "a text of at most 1000 characters, a whole number, true or false"

    def problem(self, value: Any) -> str:
        if isinstance(value, str):
            return _FURTHER_TEXT.problem(value)
        is_one = isinstance(value, int) and abs(value) <= LARGEST
        return "" if is_one else f"not {self.text}"


_FURTHER_TEXT: Final = Text(max=1000, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED)
# Of a member whose type no document has.
ONE_VALUE: Final[Schema] = {"rule": _OneValue()}
TIME: Final = text(_Rfc3339())
_ID: Final = text(ID)

MERCHANT: Final[dict[Mode, Members]] = {
    Mode.COMMON: {"mchid": _ID},
    Mode.INSTITUTIONAL: {"sp_mchid": _ID, "sub_mchid": _ID},
}
APPID: Final = {Mode.COMMON: {"appid": _ID}, Mode.INSTITUTIONAL: {"sp_appid": _ID}}
SUB_APPID: Final[dict[Mode, Members]] = {
    Mode.COMMON: {},
    Mode.INSTITUTIONAL: {"sub_appid": _ID},
}
# A text that is encrypted for WeChat Pay (protocol-v3 section 9).
SEALED: Final = text(Text(max=1024, alphabet="[0-9A-Za-z+/=]", described="base64"))
# Real-name payment: two texts, each encrypted for WeChat Pay (protocol-v3 section 9).
IDENTITY: Final = record(
    {
        "type": word(
            *("IDCARD", "HONGKONG_MACAO", "HONGKONG_MACAO_RESIDENT"),
            *("TAIWAN_RESIDENT", "FOREIGN_RESIDENT", "OVERSEA_PASSPORT"),
        ),
        "number": SEALED,
        "name": SEALED,
    }
)
