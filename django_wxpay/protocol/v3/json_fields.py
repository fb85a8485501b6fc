"""Translation of the two JSON parameters, ``detail`` and ``scene_info``, to a v3 body.

Orders have v2's names (protocol-v2 sections 3.3 and 3.5); both families of APIv3 have names of
their own (protocol-v3 sections 3.2 and 4.2), which the tables hold. The gateway refuses members
it does not know, so one without a place is an error here, never dropped in silence. A line of
goods is the one exception: WeChat Pay gives it new members again and again, and one that no
table names is carried as it is, for the gateway to judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Region
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.rules import OneOf, Rule, Text
from django_wxpay.protocol.sentences import sentence as _

# No control characters, and nothing of four bytes in UTF-8 (protocol-v3 section 1.4).
BASIC_PLANE: Final = "[\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]"
BASIC_DESCRIBED: Final = _("characters of the basic plane (no emoji) on one line")

Reader = Callable[[Any, Region], Any]

_FURTHER_NAME: Final = re.compile("[a-z][a-z0-9_]{0,31}")
# As long as the longest text of a line that has a documented length (protocol-v2 section 3.3).
_FURTHER_TEXT: Final = Text(max=1000, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED)


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


def placing_members(members: object, region: Region) -> dict[str, Any]:
    """Return the members of a placing that an order has no column for, checked.

    They are ``payer.identity`` (of ``type``, ``number`` and ``name``, which are not sealed yet),
    ``subsidy_info`` and ``settle_info.subsidy_amount``, of mainland alone (protocol-v3 section
    4.2). Raises ``InvalidOrder`` naming ``members``, with no value in it.
    """
    try:
        return _translated(_mapping(members), _PLACING, region)
    except ValueError as error:
        raise InvalidOrder("members", str(error)) from None


def _mapping(content: object) -> Mapping[str, Any]:
    if not isinstance(content, Mapping) or not content:
        raise ValueError(_("not an object with members"))
    return content


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
    content: Mapping[str, Any],
    members: Mapping[str, Member],
    region: Region,
    *,
    carries_further: bool = False,
) -> dict[str, Any]:
    translated: dict[str, Any] = {}
    for name, value in content.items():
        member = members.get(name)
        if member is None and carries_further and _is_further(name, members):
            translated[name] = _read(_FURTHER, name, value, region)
            continue
        there = member.name(region) if member else None
        if member is None or there is None:
            raise ValueError(_("%(name)s has no place in APIv3 of this region", name=name[:32]))
        if there in translated:
            raise ValueError(_("%(name)s repeats another member", name=name))
        translated[there] = _read(member, name, value, region)
    for name, member in members.items():
        if member.required and name not in content:
            raise ValueError(_("%(name)s is missing", name=name))
    return translated


def _is_further(name: str, members: Mapping[str, Member]) -> bool:
    """Return whether ``name`` is nobody's: neither ours nor what ours is called on the wire."""
    taken = {there for each in members.values() for there in (each.mainland, each.overseas)}
    return bool(_FURTHER_NAME.fullmatch(name)) and name not in taken


def _read(member: Member, name: str, value: object, region: Region) -> Any:
    try:
        return member.read(value, region)
    except ValueError as error:
        raise ValueError(_("%(name)s: %(problem)s", name=name, problem=str(error))) from None


def _text(rule: Rule) -> Reader:
    def read(value: object, _region: Region) -> str:
        if not isinstance(value, str):
            raise ValueError(_("not text"))
        if problem := rule.problem(value):
            raise ValueError(_("%(problem)s (rule: %(text)s)", problem=problem, text=rule.text))
        return value

    return read


def _whole(least: int) -> Reader:
    def read(value: object, _region: Region) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(_("not a whole number"))
        if not least <= value <= LARGEST:
            raise ValueError(_("not from %(least)s to %(largest)s", least=least, largest=LARGEST))
        return value

    return read


def _further(value: object, region: Region) -> str | int | bool:
    """Read a member that no table names: one value, and no list or object of them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(_text(_FURTHER_TEXT)(value, region))
    if not isinstance(value, int):
        raise ValueError(_("not a text, a whole number, true or false"))
    return int(_whole(-LARGEST)(value, region))


def _object(members: Mapping[str, Member], *, carries_further: bool = False) -> Reader:
    translate = partial(_translated, members=members, carries_further=carries_further)

    def read(value: object, region: Region) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(_("not an object"))
        return translate(value, region=region)

    return read


def _list(members: Mapping[str, Member], *, carries_further: bool = False) -> Reader:
    read_one = _object(members, carries_further=carries_further)

    def read(value: object, region: Region) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not value:
            raise ValueError(_("not a list of at least one line"))
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
    Text(max=32, alphabet="[0-9A-Za-z_-]", described=_("letters, digits, - and _"))
)

_LINE: Final = {
    "goods_id": Member(_GOODS_ID, "merchant_goods_id", "goods_id", required=True),
    "wxpay_goods_id": Member(_short(32), "wechatpay_goods_id", "wxpay_goods_id"),
    "goods_name": Member(_short(256), "goods_name", "goods_name"),
    "quantity": Member(_whole(1), "quantity", "quantity", required=True),
    "price": Member(_whole(0), "unit_price", "price", required=True),
    # v2 alone has these (protocol-v2 section 3.3).
    "goods_category": Member(_short(32), None, None),
    "body": Member(_short(256), None, None),
}
_FURTHER: Final = Member(_further, None, None)
_DETAIL: Final = {
    "cost_price": Member(_whole(0), "cost_price", "cost_price"),
    "receipt_id": Member(_short(32), "invoice_id", "receipt_id"),
    "goods_detail": Member(
        _list(_LINE, carries_further=True), "goods_detail", "goods_detail", required=True
    ),
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
_IDENTITY_TYPES: Final = frozenset(
    {
        *("IDCARD", "HONGKONG_MACAO", "HONGKONG_MACAO_RESIDENT"),
        *("TAIWAN_RESIDENT", "FOREIGN_RESIDENT", "OVERSEA_PASSPORT"),
    }
)
# Short enough to be sealed: 64 characters of the basic plane are at most 192 bytes.
_IDENTITY: Final = {
    "type": Member(_text(OneOf(_IDENTITY_TYPES)), "type", None, required=True),
    "number": Member(_short(64), "number", None, required=True),
    "name": Member(_short(64), "name", None, required=True),
}
_PLAN: Final = {
    "subsidy_installment_num": Member(_whole(0), "subsidy_installment_num", None),
    "subsidy_percent": Member(_whole(0), "subsidy_percent", None),
}
_SUBSIDY: Final = {
    "subsidy_period_type": Member(_short(64), "subsidy_period_type", None),
    "subsidy_plan": Member(_list(_PLAN), "subsidy_plan", None),
}
_PLACING: Final = {
    "payer": Member(
        _object({"identity": Member(_object(_IDENTITY), "identity", None, required=True)}),
        "payer",
        None,
    ),
    "subsidy_info": Member(
        _object({"subsidy_detail": Member(_list(_SUBSIDY), "subsidy_detail", None, required=True)}),
        "subsidy_info",
        None,
    ),
    "settle_info": Member(
        _object({"subsidy_amount": Member(_whole(0), "subsidy_amount", None, required=True)}),
        "settle_info",
        None,
    ),
}
