"""Names of promotions in each family of APIv3, whatever names they were given under.

Sources: protocol-v3 section 3.3 for the global names, section 4.3 for the mainland ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django_wxpay.protocol.merchants import Region

Given = Mapping[str, Any]

# One member: every name that it may be given under, the global name, the mainland name.
_MEMBERS: Final = (
    (("promotion_id", "coupon_id"), "promotion_id", "coupon_id"),
    (("name",), "name", "name"),
    (("scope",), "scope", "scope"),
    (("type",), "type", "type"),
    (("amount",), "amount", "amount"),
    (("currency",), "currency", "currency"),
    (("activity_id", "stock_id"), "activity_id", "stock_id"),
    (
        (
            *("wxpay_contribute_amount", "wechatpay_contribute_amount"),
            *("wechatpay_contribute", "wxpay_contribute"),
        ),
        "wxpay_contribute_amount",
        "wechatpay_contribute",
    ),
    (
        ("merchant_contribute_amount", "merchant_contribute"),
        "merchant_contribute_amount",
        "merchant_contribute",
    ),
    (
        ("other_contribute_amount", "other_contribute"),
        "other_contribute_amount",
        "other_contribute",
    ),
    (("goods_detail",), "goods_detail", "goods_detail"),
)
_GOODS: Final = (
    (("goods_id",), "goods_id", "goods_id"),
    (("goods_remark",), "goods_remark", "goods_remark"),
    (("discount_amount",), "discount_amount", "discount_amount"),
    (("quantity",), "quantity", "quantity"),
    (("price", "unit_price"), "price", "unit_price"),
)
_Table = tuple[tuple[tuple[str, ...], str, str], ...]

# Types, funded in advance or not: the global name, the mainland one.
_TYPES: Final = (("COUPON", "CASH"), ("DISCOUNT", "NOCASH"))


def spelled(
    promotions: Iterable[Given], *, region: Region, currency: str, contribution: str
) -> list[dict[str, Any]]:
    """Return ``promotions`` with the names of ``region``.

    ``currency`` is the order's, for those without one. ``contribution`` is ``wxpay`` or
    ``wechatpay``, for the member that the global documents spell in two ways (protocol-v3
    section 11). Unknown members stay unchanged.
    """
    return [
        _promotion({"currency": currency, **given}, region, contribution) for given in promotions
    ]


def _promotion(given: Given, region: Region, contribution: str) -> dict[str, Any]:
    members = _renamed(given, _MEMBERS, region)
    word = _type(given, region)
    if word:
        members["type"] = word
    lines = members.get("goods_detail")
    if isinstance(lines, list):
        members["goods_detail"] = [_goods_line(line, region) for line in lines]
    if contribution == "wechatpay":
        return {name.replace("wxpay_", "wechatpay_"): value for name, value in members.items()}
    return members


def _renamed(given: Given, table: _Table, region: Region) -> dict[str, Any]:
    rest, members = dict(given), {}
    for spellings, overseas, mainland in table:
        for spelling in spellings:
            if spelling in rest:
                members[mainland if region is Region.MAINLAND else overseas] = rest.pop(spelling)
    return members | rest


def _type(given: Given, region: Region) -> str:
    """Return the name of a known type in ``region``, "" for any other."""
    known = [words for words in _TYPES if given.get("type") in words]
    return known[0][region is Region.MAINLAND] if known else ""


def _goods_line(line: Any, region: Region) -> Any:
    # The control plane accepts any JSON here, and it is sent unchanged.
    return _renamed(line, _GOODS, region) if isinstance(line, dict) else line
