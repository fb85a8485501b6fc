"""Translation of the two JSON parameters, ``detail`` and ``scene_info``, to a v3 body.

Orders have v2's names (protocol-v2 sections 3.3 and 3.5); both families of APIv3 have names of
their own (protocol-v3 sections 3.2 and 4.2), which the tables hold. The gateway refuses members
it does not know, so one without a place is an error here, never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django_wxpay.protocol.merchants import Region
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.rules import OneOf, Rule, Text

# No control characters, and nothing of four bytes in UTF-8 (protocol-v3 section 1.4).
BASIC_PLANE: Final = "[\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]"
BASIC_DESCRIBED: Final = "characters of the basic plane (no emoji) on one line"

Reader = Callable[[Any, Region], Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One member: what it is called in each family (None: it has no place there)."""

    read: Reader
    mainland: str | None
    overseas: str | None
    required: bool = False

    def name(self, region: Region) -> str | None:
        return self.mainland if region is Region.MAINLAND else self.overseas


def detail_of(content: Mapping[str, Any], region: Region) -> dict[str, Any]:
    """Return a parsed ``detail`` as the gateway of ``region`` takes it.

    Raises ``ValueError`` with a sentence about what is wrong that quotes no value.
    """
    return _translated(content, _DETAIL, region)


def scene_of(content: Mapping[str, Any], region: Region) -> dict[str, Any]:
    """Return a parsed ``scene_info`` as the gateway of ``region`` takes it; else ``ValueError``."""
    return _translated(content, _SCENE, region)


def detail_problem(content: Mapping[str, Any], region: Region) -> str:
    """Return what is wrong with a parsed ``detail``, or ""."""
    return _problem(detail_of, content, region)


def scene_problem(content: Mapping[str, Any], region: Region) -> str:
    """Return what is wrong with a parsed ``scene_info``, or ""."""
    return _problem(scene_of, content, region)


def _problem(
    translate: Callable[[Mapping[str, Any], Region], dict[str, Any]],
    content: Mapping[str, Any],
    region: Region,
) -> str:
    try:
        translate(content, region)
    except ValueError as error:
        return str(error)
    return ""


def _translated(
    content: Mapping[str, Any], members: Mapping[str, Member], region: Region
) -> dict[str, Any]:
    translated: dict[str, Any] = {}
    for name, value in content.items():
        member = members.get(name)
        there = member.name(region) if member else None
        if member is None or there is None:
            raise ValueError(f"{name[:32]} has no place in APIv3 of this region")
        if there in translated:
            raise ValueError(f"{name} repeats another member")
        translated[there] = _read(member, name, value, region)
    for name, member in members.items():
        if member.required and name not in content:
            raise ValueError(f"{name} is missing")
    return translated


def _read(member: Member, name: str, value: object, region: Region) -> Any:
    try:
        return member.read(value, region)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _text(rule: Rule) -> Reader:
    def read(value: object, _region: Region) -> str:
        if not isinstance(value, str):
            raise ValueError("not text")
        if problem := rule.problem(value):
            raise ValueError(f"{problem} (rule: {rule.text})")
        return value

    return read


def _whole(least: int) -> Reader:
    def read(value: object, _region: Region) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("not a whole number")
        if not least <= value <= LARGEST:
            raise ValueError(f"not from {least} to {LARGEST}")
        return value

    return read


def _object(members: Mapping[str, Member]) -> Reader:
    def read(value: object, region: Region) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("not an object")
        return _translated(value, members, region)

    return read


def _list(members: Mapping[str, Member]) -> Reader:
    read_one = _object(members)

    def read(value: object, region: Region) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not value:
            raise ValueError("not a list of at least one line")
        return [read_one(item, region) for item in value]

    return read


def _h5_type(value: object, region: Region) -> str:
    word = _text(OneOf(frozenset(_H5_TYPES)))(value, region)
    return _H5_TYPES[word]


def _short(longest: int) -> Reader:
    return _text(Text(max=longest, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED))


# Ours -> the wire's: Apple is written in v2's way above.
_H5_TYPES: Final = {"Wap": "Wap", "IOS": "iOS", "Android": "Android"}

_GOODS_ID: Final = _text(
    Text(max=32, alphabet="[0-9A-Za-z_-]", described="letters, digits, - and _")
)

_LINE: Final = {
    "goods_id": Member(_GOODS_ID, "merchant_goods_id", "goods_id", required=True),
    "wxpay_goods_id": Member(_short(32), "wechatpay_goods_id", "wxpay_goods_id"),
    "goods_name": Member(_short(256), "goods_name", "goods_name"),
    "quantity": Member(_whole(1), "quantity", "quantity", required=True),
    "price": Member(_whole(0), "unit_price", "price", required=True),
}
_DETAIL: Final = {
    "cost_price": Member(_whole(0), "cost_price", "cost_price"),
    "receipt_id": Member(_short(32), "invoice_id", "receipt_id"),
    "goods_detail": Member(_list(_LINE), "goods_detail", "goods_detail", required=True),
}
_STORE: Final = {
    "id": Member(_short(32), "id", "id", required=True),
    "name": Member(_short(256), "name", "name"),
    "area_code": Member(_short(32), "area_code", None),
    "address": Member(_short(512), "address", "address"),
}
_H5: Final = {
    "type": Member(_h5_type, "type", None, required=True),
    "wap_url": Member(_short(128), "app_url", None),
    "wap_name": Member(_short(64), "app_name", None),
    "app_name": Member(_short(64), "app_name", None),
    "bundle_id": Member(_short(128), "bundle_id", None),
    "package_name": Member(_short(128), "package_name", None),
}
_SCENE: Final = {
    "store_info": Member(_object(_STORE), "store_info", "store_info"),
    "h5_info": Member(_object(_H5), "h5_info", None),
}
