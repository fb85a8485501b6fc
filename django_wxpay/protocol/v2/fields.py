"""The wire fields of v2 requests and the rule of each (protocol-v2 sections 3, 5 and 6).

The rows act on wire text: the client checks what it is about to send, the simulator what has
arrived. Where sources disagree, the narrower reading is taken (protocol-v2 section 13). In the
two JSON parameters names that the protocol does not know are allowed, for merchants may add
their own (protocol-v2 sections 3.3 and 3.5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from django_wxpay.protocol.errors import InvalidOrder, InvalidRefund
from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.money import CURRENCIES
from django_wxpay.protocol.request_fields import MISSING, Field, check_fields
from django_wxpay.protocol.rules import (
    WRITABLE,
    IpAddress,
    JsonObject,
    OneOf,
    PaymentCode,
    Text,
    Time14,
    Url,
    Whole,
    parse_object,
)
from django_wxpay.protocol.sentences import sentence as _

_ID: Final = Text(max=32, alphabet="[0-9A-Za-z_-]", described=_("letters, digits, - and _"))
_NONCE: Final = Text(max=32, alphabet="[0-9A-Za-z]", described=_("letters and digits"))
_SIGN: Final = Text(min=32, max=64, alphabet="[0-9A-F]", described=_("upper-case hexadecimal"))
_OPENID: Final = Text(max=128, alphabet="[0-9A-Za-z_-]", described=_("letters, digits, - and _"))
_SHORT: Final = Text(max=32)
_NUMBER: Final = Text(
    min=6, max=32, alphabet=r"[0-9A-Za-z_\-|*]", described=_("letters, digits, - _ | and *")
)
_BODY: Final = Text(
    max=127,
    unit="bytes",
    alphabet="[\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]",
    described=_("no control characters, no characters outside the basic plane (emoji)"),
)
_ATTACH: Final = Text(
    max=127, unit="bytes", alphabet=WRITABLE, described=_("characters that XML can carry")
)
_VERSION: Final = OneOf(frozenset({"1.0"}))
_USER_TYPES: Final = frozenset(
    "IDCARD HONGKONG_MACAO HONGKONG_MACAO_RESIDENT TAIWAN_RESIDENT FOREIGN_RESIDENT "
    "OVERSEA_PASSPORT".split()
)
_TRADE_TYPES: Final = frozenset({"JSAPI", "NATIVE", "APP", "MWEB"})

_GOODS_ID: Final = re.compile("[0-9A-Za-z_-]{1,32}")
_CODE: Final = re.compile("[0-9]{1,16}")
_GOODS_TEXTS: Final = {
    "wxpay_goods_id": 32,
    "goods_name": 256,
    "goods_category": 32,
    "body": 1000,
    # Documented without a length, so it may take all that there is for the detail.
    "category": 6000,
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
    """Return what is wrong with a parsed ``detail``, or "" (protocol-v2 section 3.3)."""
    goods = detail.get("goods_detail")
    if not isinstance(goods, list) or not goods:
        return _("goods_detail is not a list of at least one line")
    if "cost_price" in detail and not _is_whole(detail["cost_price"], 0):
        return _("cost_price is not a whole number")
    problems = [_text_problem(detail, {"receipt_id": 32}), *map(_line_problem, goods)]
    return next(filter(None, problems), "")


def scene_problem(scene: Mapping[str, Any]) -> str:
    """Return what is wrong with a parsed ``scene_info``, or "" (protocol-v2 section 3.5)."""
    problems = [_text_problem(scene, _FLAT_STORE_TEXTS)]
    if "store_info" in scene:
        problems.append(_store_problem(scene["store_info"]))
    if "h5_info" in scene:
        problems.append(_h5_problem(scene["h5_info"]))
    return next(filter(None, problems), "")


def _line_problem(line: object) -> str:
    if not isinstance(line, dict):
        return _("a line of goods_detail is not an object")
    goods_id = line.get("goods_id")
    if not isinstance(goods_id, str) or not _GOODS_ID.fullmatch(goods_id):
        return _("goods_id is not 1 to 32 letters, digits, - or _")
    if not _is_whole(line.get("quantity"), 1):
        return _("quantity is not a whole number of at least 1")
    if not _is_whole(line.get("price"), 0):
        return _("price is not a whole number of minor units")
    code = line.get("merchant_category_code", 0)
    # Documented as a number. Its codes have four digits, which only a text keeps: "0742".
    if not _is_whole(code, 0) and not (isinstance(code, str) and _CODE.fullmatch(code)):
        return _("merchant_category_code is not a whole number")
    return _text_problem(line, _GOODS_TEXTS)


def _store_problem(store: object) -> str:
    if not isinstance(store, dict):
        return _("store_info is not an object")
    if not store.get("id"):
        return _("store_info has no id")
    return _text_problem(store, _STORE_TEXTS)


def _h5_problem(h5: object) -> str:
    if not isinstance(h5, dict):
        return _("h5_info is not an object")
    if h5.get("type") not in _H5_TYPES:
        return _("the type of h5_info is not Wap, IOS or Android")
    return _text_problem(h5, _H5_TEXTS)


def _text_problem(holder: Mapping[str, Any], lengths: Mapping[str, int]) -> str:
    for name, longest in lengths.items():
        value = holder.get(name, "")
        if not isinstance(value, str) or len(value) > longest:
            return _(
                "%(name)s is not text of at most %(longest)s characters", name=name, longest=longest
            )
    return ""


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


_COMMON_ROWS: Final[dict[str, Field]] = {
    "appid": Field(_ID, required=True),
    "mch_id": Field(_ID, required=True),
    "sub_appid": Field(_ID, institutional=True),
    "sub_mch_id": Field(_ID, required=True, institutional=True),
    "nonce_str": Field(_NONCE, required=True),
    "sign": Field(_SIGN, required=True),
    "sign_type": Field(OneOf(frozenset(SignType))),
}

UNIFIEDORDER_RULES: Final[dict[str, Field]] = {
    **_COMMON_ROWS,
    "device_info": Field(_SHORT),
    "version": Field(_VERSION),
    "body": Field(_BODY, required=True),
    "detail": Field(JsonObject(max=6000, described=_("the goods sold"), checker=detail_problem)),
    "attach": Field(_ATTACH),
    "out_trade_no": Field(_NUMBER, required=True),
    "fee_type": Field(OneOf(CURRENCIES)),
    "total_fee": Field(Whole(min=1), required=True),
    "spbill_create_ip": Field(IpAddress(), required=True),
    "time_start": Field(Time14()),
    "time_expire": Field(Time14()),
    "goods_tag": Field(_SHORT),
    "notify_url": Field(Url(max=256), required=True),
    "trade_type": Field(OneOf(_TRADE_TYPES), required=True),
    "product_id": Field(_SHORT),
    "limit_pay": Field(OneOf(frozenset({"no_credit"}))),
    "openid": Field(_OPENID),
    "sub_openid": Field(_OPENID, institutional=True),
    "receipt": Field(OneOf(frozenset({"Y"}))),
    "profit_sharing": Field(OneOf(frozenset({"Y", "N"}))),
    "scene_info": Field(
        JsonObject(max=256, described=_("the store, or the H5 page or app"), checker=scene_problem)
    ),
    "fingerprint": Field(Text(max=128)),
    "user_type": Field(OneOf(_USER_TYPES)),
    "user_creid": Field(_SHORT),
    "user_truename": Field(Text(max=64)),
}

ORDERQUERY_RULES: Final[dict[str, Field]] = {
    **_COMMON_ROWS,
    "transaction_id": Field(_ID),
    "out_trade_no": Field(_NUMBER),
    "version": Field(_VERSION),
}

CLOSEORDER_RULES: Final[dict[str, Field]] = {
    **_COMMON_ROWS,
    "out_trade_no": Field(_NUMBER, required=True),
}

MICROPAY_RULES: Final[dict[str, Field]] = {
    **_COMMON_ROWS,
    "device_info": Field(_SHORT),
    "version": Field(_VERSION),
    "body": Field(_BODY, required=True),
    "detail": UNIFIEDORDER_RULES["detail"],
    "attach": Field(_ATTACH),
    "out_trade_no": Field(_NUMBER, required=True),
    "total_fee": Field(Whole(min=1), required=True),
    "fee_type": Field(OneOf(CURRENCIES)),
    "spbill_create_ip": Field(IpAddress(), required=True),
    "goods_tag": Field(_SHORT),
    "limit_pay": UNIFIEDORDER_RULES["limit_pay"],
    "time_start": Field(Time14()),
    "time_expire": Field(Time14()),
    "receipt": UNIFIEDORDER_RULES["receipt"],
    "profit_sharing": UNIFIEDORDER_RULES["profit_sharing"],
    "deposit": Field(OneOf(frozenset({"Y", "N"}))),
    "scene_info": UNIFIEDORDER_RULES["scene_info"],
    "auth_code": Field(PaymentCode(), required=True),
}

REVERSE_RULES: Final[dict[str, Field]] = {
    **_COMMON_ROWS,
    "transaction_id": Field(_ID),
    "out_trade_no": Field(_NUMBER),
}

AUTHCODETOOPENID_RULES: Final[dict[str, Field]] = {
    **_COMMON_ROWS,
    "auth_code": Field(PaymentCode(), required=True),
}

# Longer than other numbers, and with one character more (protocol-v2 section 6.4).
REFUND_NUMBER: Final = Text(
    max=64, alphabet=r"[0-9A-Za-z_\-|*@]", described=_("letters, digits, - _ | * and @")
)
REFUND_REASON: Final = Text(max=80, alphabet=WRITABLE, described=_("characters that XML can carry"))

REFUND_RULES: Final[dict[str, Field]] = {
    **_COMMON_ROWS,
    "transaction_id": Field(_ID),
    "out_trade_no": Field(_NUMBER),
    "out_refund_no": Field(REFUND_NUMBER, required=True),
    "total_fee": Field(Whole(min=1), required=True),
    "refund_fee": Field(Whole(min=1), required=True),
    "refund_fee_type": Field(OneOf(CURRENCIES)),
    "refund_desc": Field(REFUND_REASON),
    "refund_account": Field(
        OneOf(frozenset({"REFUND_SOURCE_UNSETTLED_FUNDS", "REFUND_SOURCE_RECHARGE_FUNDS"}))
    ),
    "notify_url": Field(Url(max=256)),
    "op_user_id": Field(_SHORT),
    "device_info": Field(_SHORT),
}

REFUNDQUERY_RULES: Final[dict[str, Field]] = {
    **_COMMON_ROWS,
    "refund_id": Field(_ID),
    "out_refund_no": Field(REFUND_NUMBER),
    "transaction_id": Field(_ID),
    "out_trade_no": Field(_NUMBER),
    "offset": Field(Whole()),
}

# A refund is looked up by the first of these that is named (protocol-v2 section 6.5).
REFUND_KEYS: Final = ("refund_id", "out_refund_no", "transaction_id", "out_trade_no")


def check_unifiedorder(
    fields: Mapping[str, str], *, mode: Mode, leaving_out: frozenset[str] = frozenset()
) -> None:
    """Raise ``InvalidOrder`` for what is no unifiedorder of ``mode`` (protocol-v2 section 3.1)."""
    check_fields(UNIFIEDORDER_RULES, fields, mode=mode, leaving_out=leaving_out)
    if fields.get("sub_openid") and not fields.get("sub_appid"):
        raise InvalidOrder("sub_appid", MISSING, _("sub_openid needs the sub_appid it belongs to"))
    check = _BY_TRADE_TYPE.get(fields.get("trade_type", ""))
    if check is not None:
        check(fields, mode)


def check_orderquery(fields: Mapping[str, str], *, mode: Mode) -> None:
    """Raise ``InvalidOrder`` for what is no orderquery of ``mode`` (protocol-v2 section 5.1)."""
    check_fields(ORDERQUERY_RULES, fields, mode=mode)
    if not fields.get("transaction_id") and not fields.get("out_trade_no"):
        raise InvalidOrder("out_trade_no", MISSING, _("transaction_id or out_trade_no"))


def check_closeorder(fields: Mapping[str, str], *, mode: Mode) -> None:
    """Raise ``InvalidOrder`` for what is no closeorder of ``mode`` (protocol-v2 section 6.1)."""
    check_fields(CLOSEORDER_RULES, fields, mode=mode)


def check_micropay(
    fields: Mapping[str, str], *, mode: Mode, leaving_out: frozenset[str] = frozenset()
) -> None:
    """Raise ``InvalidOrder`` for what is no micropay of ``mode`` (protocol-v2 section 6.2)."""
    check_fields(MICROPAY_RULES, fields, mode=mode, leaving_out=leaving_out)


def check_reverse(fields: Mapping[str, str], *, mode: Mode) -> None:
    """Raise ``InvalidOrder`` for what is no reverse of ``mode`` (protocol-v2 section 6.3)."""
    check_fields(REVERSE_RULES, fields, mode=mode)
    if not fields.get("transaction_id") and not fields.get("out_trade_no"):
        raise InvalidOrder("out_trade_no", MISSING, _("transaction_id or out_trade_no"))


def check_authcodetoopenid(fields: Mapping[str, str], *, mode: Mode) -> None:
    """Raise ``InvalidOrder`` for what is no authcodetoopenid (protocol-v2 section 6.8)."""
    check_fields(AUTHCODETOOPENID_RULES, fields, mode=mode)


def check_refund(
    fields: Mapping[str, str], *, mode: Mode, leaving_out: frozenset[str] = frozenset()
) -> None:
    """Raise ``InvalidRefund`` for what is no refund of ``mode`` (protocol-v2 section 6.4)."""
    check_fields(REFUND_RULES, fields, mode=mode, leaving_out=leaving_out, error=InvalidRefund)
    if not fields.get("transaction_id") and not fields.get("out_trade_no"):
        raise InvalidRefund("out_trade_no", MISSING, _("transaction_id or out_trade_no"))


def check_refundquery(fields: Mapping[str, str], *, mode: Mode) -> None:
    """Raise ``InvalidRefund`` for what is no refundquery of ``mode`` (protocol-v2 section 6.5)."""
    check_fields(REFUNDQUERY_RULES, fields, mode=mode, error=InvalidRefund)
    if not any(fields.get(name) for name in REFUND_KEYS):
        raise InvalidRefund(
            "out_refund_no", MISSING, _("one of %(words)s", words=", ".join(REFUND_KEYS))
        )


def _check_jsapi(fields: Mapping[str, str], mode: Mode) -> None:
    if fields.get("openid"):
        return
    if mode is Mode.COMMON:
        raise InvalidOrder("openid", MISSING, _("JSAPI needs the payer's openid"))
    if not fields.get("sub_openid"):
        raise InvalidOrder("openid", MISSING, _("JSAPI needs the payer's openid or sub_openid"))


def _check_native(fields: Mapping[str, str], _mode: Mode) -> None:
    if not fields.get("product_id"):
        raise InvalidOrder("product_id", MISSING, _("NATIVE needs a product_id"))


def _check_mweb(fields: Mapping[str, str], _mode: Mode) -> None:
    scene = parse_object(fields.get("scene_info", "")) or {}
    if "h5_info" not in scene:
        raise InvalidOrder("scene_info", _("no h5_info"), _("MWEB needs scene_info with h5_info"))


_BY_TRADE_TYPE: Final[dict[str, Callable[[Mapping[str, str], Mode], None]]] = {
    TradeType.JSAPI: _check_jsapi,
    TradeType.NATIVE: _check_native,
    TradeType.MWEB: _check_mweb,
}
