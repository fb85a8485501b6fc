"""Which wire fields a request may carry, and the rule of each (protocol-v2 sections 3, 5.1, 6.1).

The rows act on wire text, so that the client holds them against what it is about to send
and the simulator against what has arrived. Where the sheet's sources disagree, the
narrower reading is taken (section 13).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.money import CURRENCIES
from django_wxpay.protocol.request_fields import MISSING, Field, check_fields
from django_wxpay.protocol.rules import (
    WRITABLE,
    IpAddress,
    JsonObject,
    OneOf,
    Text,
    Time14,
    Url,
    Whole,
    parse_object,
)
from django_wxpay.protocol.v2.json_fields import detail_problem, scene_problem

_ID: Final = Text(max=32, alphabet="[0-9A-Za-z_-]", described="letters, digits, - and _")
_NONCE: Final = Text(max=32, alphabet="[0-9A-Za-z]", described="letters and digits")
_SIGN: Final = Text(min=32, max=64, alphabet="[0-9A-F]", described="upper-case hexadecimal")
_OPENID: Final = Text(max=128, alphabet="[0-9A-Za-z_-]", described="letters, digits, - and _")
_SHORT: Final = Text(max=32)
_NUMBER: Final = Text(
    min=6, max=32, alphabet=r"[0-9A-Za-z_\-|*]", described="letters, digits, - _ | and *"
)
_BODY: Final = Text(
    max=127,
    unit="bytes",
    alphabet="[\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]",
    described="no control characters, no characters outside the basic plane (emoji)",
)
_ATTACH: Final = Text(
    max=127, unit="bytes", alphabet=WRITABLE, described="characters that XML can carry"
)
_VERSION: Final = OneOf(frozenset({"1.0"}))
_USER_TYPES: Final = frozenset(
    "IDCARD HONGKONG_MACAO HONGKONG_MACAO_RESIDENT TAIWAN_RESIDENT FOREIGN_RESIDENT "
    "OVERSEA_PASSPORT".split()
)
_TRADE_TYPES: Final = frozenset({"JSAPI", "NATIVE", "APP", "MWEB"})

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
    "detail": Field(JsonObject(max=6000, described="the goods sold", checker=detail_problem)),
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
        JsonObject(max=256, described="the store, or the H5 page or app", checker=scene_problem)
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


def check_unifiedorder(
    fields: Mapping[str, str], *, mode: Mode, leaving_out: frozenset[str] = frozenset()
) -> None:
    """Raise ``InvalidOrder`` unless ``fields`` are a unifiedorder of ``mode``.

    Source: protocol-v2 section 3.1.
    """
    check_fields(UNIFIEDORDER_RULES, fields, mode=mode, leaving_out=leaving_out)
    if fields.get("sub_openid") and not fields.get("sub_appid"):
        raise InvalidOrder("sub_appid", MISSING, "sub_openid needs the sub_appid it belongs to")
    check = _BY_TRADE_TYPE.get(fields.get("trade_type", ""))
    if check is not None:
        check(fields, mode)


def check_orderquery(fields: Mapping[str, str], *, mode: Mode) -> None:
    """Raise ``InvalidOrder`` unless ``fields`` are an orderquery of ``mode``.

    Source: protocol-v2 section 5.1.
    """
    check_fields(ORDERQUERY_RULES, fields, mode=mode)
    if not fields.get("transaction_id") and not fields.get("out_trade_no"):
        raise InvalidOrder("out_trade_no", MISSING, "transaction_id or out_trade_no")


def check_closeorder(fields: Mapping[str, str], *, mode: Mode) -> None:
    """Raise ``InvalidOrder`` unless ``fields`` are a closeorder of ``mode``.

    Source: protocol-v2 section 6.1.
    """
    check_fields(CLOSEORDER_RULES, fields, mode=mode)


def _check_jsapi(fields: Mapping[str, str], mode: Mode) -> None:
    if fields.get("openid"):
        return
    if mode is Mode.COMMON:
        raise InvalidOrder("openid", MISSING, "JSAPI needs the payer's openid")
    if not fields.get("sub_openid"):
        raise InvalidOrder("openid", MISSING, "JSAPI needs the payer's openid or sub_openid")


def _check_native(fields: Mapping[str, str], _mode: Mode) -> None:
    if not fields.get("product_id"):
        raise InvalidOrder("product_id", MISSING, "NATIVE needs a product_id")


def _check_mweb(fields: Mapping[str, str], _mode: Mode) -> None:
    scene = parse_object(fields.get("scene_info", "")) or {}
    if "h5_info" not in scene:
        raise InvalidOrder("scene_info", "no h5_info", "MWEB needs scene_info with h5_info")


_BY_TRADE_TYPE: Final[dict[str, Callable[[Mapping[str, str], Mode], None]]] = {
    TradeType.JSAPI: _check_jsapi,
    TradeType.NATIVE: _check_native,
    TradeType.MWEB: _check_mweb,
}
