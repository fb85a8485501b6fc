"""What the two JSON parameters may hold: ``detail`` and ``scene_info``.

Each checker takes the parsed object and returns the first problem in a sentence, or "".
Names the sheet does not know are let through: merchants may add their own (protocol-v2
sections 3.3 and 3.5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_GOODS_ID: Final = re.compile("[0-9A-Za-z_-]{1,32}")
_GOODS_TEXTS: Final = {
    "wxpay_goods_id": 32,
    "goods_name": 256,
    "goods_category": 32,
    "body": 1000,
    "category": 32,
}
_STORE_TEXTS: Final = {"id": 32, "name": 64, "area_code": 6, "address": 128}
_FLAT_STORE_TEXTS: Final = {"store_id": 32, "store_name": 64}
# A tuple, because what is looked up in it may be anything JSON holds.
_H5_TYPES: Final = ("Wap", "IOS", "Android")
_H5_TEXTS: Final = {
    "wap_url": 256,
    "wap_name": 256,
    "app_name": 256,
    "bundle_id": 256,
    "package_name": 256,
}


def detail_problem(detail: Mapping[str, Any]) -> str:
    """Say what is wrong with a parsed ``detail`` (protocol-v2 section 3.3)."""
    goods = detail.get("goods_detail")
    if not isinstance(goods, list) or not goods:
        return "goods_detail is not a list of at least one line"
    if "cost_price" in detail and not _is_whole(detail["cost_price"], 0):
        return "cost_price is not a whole number"
    problems = [_text_problem(detail, {"receipt_id": 32}), *map(_line_problem, goods)]
    return next(filter(None, problems), "")


def scene_problem(scene: Mapping[str, Any]) -> str:
    """Say what is wrong with a parsed ``scene_info`` (protocol-v2 section 3.5)."""
    problems = [_text_problem(scene, _FLAT_STORE_TEXTS)]
    if "store_info" in scene:
        problems.append(_store_problem(scene["store_info"]))
    if "h5_info" in scene:
        problems.append(_h5_problem(scene["h5_info"]))
    return next(filter(None, problems), "")


def _line_problem(line: object) -> str:
    if not isinstance(line, dict):
        return "a line of goods_detail is not an object"
    goods_id = line.get("goods_id")
    if not isinstance(goods_id, str) or not _GOODS_ID.fullmatch(goods_id):
        return "goods_id is not 1 to 32 letters, digits, - or _"
    if not _is_whole(line.get("quantity"), 1):
        return "quantity is not a whole number of at least 1"
    if not _is_whole(line.get("price"), 0):
        return "price is not a whole number of minor units"
    if "merchant_category_code" in line and not _is_whole(line["merchant_category_code"], 0):
        return "merchant_category_code is not a whole number"
    return _text_problem(line, _GOODS_TEXTS)


def _store_problem(store: object) -> str:
    if not isinstance(store, dict):
        return "store_info is not an object"
    if not store.get("id"):
        return "store_info has no id"
    return _text_problem(store, _STORE_TEXTS)


def _h5_problem(h5: object) -> str:
    if not isinstance(h5, dict):
        return "h5_info is not an object"
    if h5.get("type") not in _H5_TYPES:
        return "the type of h5_info is not Wap, IOS or Android"
    return _text_problem(h5, _H5_TEXTS)


def _text_problem(holder: Mapping[str, Any], lengths: Mapping[str, int]) -> str:
    for name, longest in lengths.items():
        value = holder.get(name, "")
        if not isinstance(value, str) or len(value) > longest:
            return f"{name} is not text of at most {longest} characters"
    return ""


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
