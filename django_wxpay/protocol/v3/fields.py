"""The terms of an order in APIv3, and the rule of each (protocol-v3 sections 3.2, 4.2 and 4.8).

The names are v2's; the limits are those of the family the merchant belongs to. A parameter that
the family has no place for is refused, because the gateway refuses members it does not know, and
nothing is dropped in silence. ``product_id`` is the shop's own number for what NATIVE sells: it
stays with the order and is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.order_checks import TIMES, check_expiry, check_types
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.request_fields import Field, check_fields
from django_wxpay.protocol.rules import (
    IpAddress,
    JsonObject,
    OneOf,
    PaymentCode,
    Rule,
    Text,
    Url,
    Whole,
    parse_object,
)
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.v3.json_fields import (
    BASIC_DESCRIBED,
    BASIC_PLANE,
    detail_problem,
    scene_problem,
)

# The gateway wants one minute (protocol-v3 section 4.2); one more for two clocks that disagree.
SOONEST_EXPIRY: Final = timedelta(minutes=2)

# The pricing currencies of protocol-v3 section 3.2; a contract allows a merchant some of them.
GLOBAL_CURRENCIES: Final = frozenset(
    "CNY HKD GBP USD JPY CAD AUD EUR NZD KRW THB SGD RUB CHF SEK DKK NOK AED TRY MOP TWD CZK MYR "
    "PHP IDR MNT QAR HUF KHR ISK".split()
)
MERCHANT_CATEGORY_CODE: Final[Rule] = Text(
    min=4, max=4, alphabet="[0-9]", described=_("the digits of a code from WeChat Pay's list")
)
ID: Final[Rule] = Text(max=32, alphabet="[0-9A-Za-z_-]", described=_("letters, digits, - and _"))
OPENID: Final[Rule] = Text(
    max=128, alphabet="[0-9A-Za-z_-]", described=_("letters, digits, - and _")
)
SHORT: Final[Rule] = Text(max=32, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED)
DESCRIPTION: Final[Rule] = Text(max=127, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED)
NUMBER: Final[dict[Region, Rule]] = {
    region: Text(
        min=least, max=32, alphabet=r"[0-9A-Za-z_\-|*]", described=_("letters, digits, - _ | and *")
    )
    for region, least in ((Region.MAINLAND, 6), (Region.GLOBAL, 1))
}
ATTACH: Final[dict[Region, Rule]] = {
    region: Text(
        max=most,
        alphabet="[\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]",
        described=_("characters of the basic plane (no emoji)"),
    )
    for region, most in ((Region.MAINLAND, 128), (Region.GLOBAL, 127))
}
NOTIFY_URL: Final[dict[Region, Rule]] = {
    Region.MAINLAND: Url(max=255),
    Region.GLOBAL: Url(max=256),
}
CURRENCY: Final[dict[Region, Rule]] = {
    Region.MAINLAND: OneOf(frozenset({"CNY"})),
    Region.GLOBAL: OneOf(GLOBAL_CURRENCIES),
}

_NOWHERE: Final = ("version", "fingerprint", "user_type", "user_creid", "user_truename")
_PLACELESS: Final[dict[Region, tuple[str, ...]]] = {
    Region.MAINLAND: (*_NOWHERE, "time_start"),
    Region.GLOBAL: (*_NOWHERE, "receipt", "profit_sharing"),
}


def _rows(region: Region) -> dict[str, Field]:
    return {
        "appid": Field(ID, required=True),
        "mch_id": Field(ID, required=True),
        "sub_appid": Field(ID, institutional=True),
        "sub_mch_id": Field(ID, required=True, institutional=True),
        "trade_type": Field(OneOf(frozenset({"JSAPI", "NATIVE", "APP", "MWEB"})), required=True),
        "body": Field(DESCRIPTION, required=True),
        "out_trade_no": Field(NUMBER[region], required=True),
        "total_fee": Field(Whole(min=1), required=True),
        "fee_type": Field(CURRENCY[region], required=True),
        "spbill_create_ip": Field(IpAddress()),
        "notify_url": Field(NOTIFY_URL[region], required=True),
        "device_info": Field(SHORT),
        "detail": Field(
            JsonObject(
                max=6000,
                described=_("the goods sold"),
                checker=partial(detail_problem, region=region),
            )
        ),
        "attach": Field(ATTACH[region]),
        "goods_tag": Field(SHORT),
        "product_id": Field(SHORT),
        "limit_pay": Field(OneOf(frozenset({"no_credit"}))),
        "openid": Field(OPENID),
        "sub_openid": Field(OPENID, institutional=True),
        "receipt": Field(OneOf(frozenset({"Y"}))),
        "profit_sharing": Field(OneOf(frozenset({"Y", "N"}))),
        "scene_info": Field(
            JsonObject(
                max=256,
                described=_("the store, or the page"),
                checker=partial(scene_problem, region=region),
            )
        ),
    }


ROWS: Final = {region: _rows(region) for region in Region}

_NOT_BY_CODE: Final = ("notify_url", "product_id", "openid", "sub_openid")
_CODE_PLACELESS: Final[dict[Region, tuple[str, ...]]] = {
    Region.MAINLAND: (*_PLACELESS[Region.MAINLAND], "time_expire", "limit_pay"),
    Region.GLOBAL: (*_PLACELESS[Region.GLOBAL], "time_start", "time_expire"),
}


def _code_rows(region: Region) -> dict[str, Field]:
    """Return the rows of a payment by code (protocol-v3 sections 3.2 and 4.8)."""
    rows = {name: row for name, row in ROWS[region].items() if name not in _NOT_BY_CODE}
    return rows | {
        "trade_type": Field(OneOf(frozenset({TradeType.MICROPAY.value})), required=True),
        "auth_code": Field(PaymentCode(), required=True),
    }


CODE_ROWS: Final = {region: _code_rows(region) for region in Region}


def check_terms_v3(
    terms: OrderTerms, *, mode: Mode, region: Region, merchant_category_code: str, now: datetime
) -> None:
    """Raise ``InvalidOrder``, naming the field in our vocabulary, unless ``terms`` keep every rule.

    ``merchant_category_code`` is the merchant's own, which global orders must carry; ``now``
    is aware. Source: protocol-v3 sections 3.2 and 4.2.
    """
    check_types(terms)
    _check_places(terms, region)
    check_fields(ROWS[region], _texts(terms), mode=mode)
    _check_payer(terms, mode)
    _check_scene(terms, region)
    if region is Region.GLOBAL:
        _check_category(merchant_category_code)
    check_expiry(terms, now=now, soonest=SOONEST_EXPIRY)


def check_code_v3(
    terms: OrderTerms,
    auth_code: Secret,
    *,
    mode: Mode,
    region: Region,
    merchant_category_code: str,
) -> None:
    """Raise ``InvalidOrder``, naming the field, for what is no payment by code.

    Source: protocol-v3 sections 3.2 (global) and 4.8 (mainland).
    """
    check_types(terms)
    _check_places(terms, region, _CODE_PLACELESS)
    check_fields(CODE_ROWS[region], _texts(terms) | {"auth_code": auth_code.reveal()}, mode=mode)
    scene = parse_object(terms.scene_info) or {}
    if "h5_info" in scene:
        raise InvalidOrder(
            "scene_info", _("h5_info has no place here"), _("h5_info is for MWEB alone")
        )
    if region is Region.GLOBAL:
        _check_category(merchant_category_code)
    elif len(scene.get("store_info", {})) > 1:
        rule = _("mainland Quick Pay over APIv3 takes the id of store_info and nothing else of it")
        raise InvalidOrder("scene_info", _("more of the store than its id"), rule)


def _check_places(
    terms: OrderTerms, region: Region, placeless: Mapping[Region, Sequence[str]] = _PLACELESS
) -> None:
    for name in placeless[region]:
        if getattr(terms, name):
            raise InvalidOrder(
                name,
                _("APIv3 has no place for it (%(region)s orders)", region=region),
                _("leave it out"),
            )


def _texts(terms: OrderTerms) -> dict[str, str]:
    values: dict[str, Any] = {field.name: getattr(terms, field.name) for field in fields_of(terms)}
    return {name: str(value) for name, value in values.items() if name not in TIMES}


def _check_payer(terms: OrderTerms, mode: Mode) -> None:
    if terms.sub_openid and not terms.sub_appid:
        raise InvalidOrder(
            "sub_appid", _("missing"), _("sub_openid needs the sub_appid it belongs to")
        )
    if terms.trade_type != TradeType.JSAPI:
        for name in ("openid", "sub_openid"):
            if getattr(terms, name):
                raise InvalidOrder(
                    name, _("APIv3 names the payer in JSAPI alone"), _("leave it out")
                )
    elif not terms.openid and not terms.sub_openid:
        one = "openid" if mode is Mode.COMMON else "openid or sub_openid"
        raise InvalidOrder("openid", _("missing"), _("JSAPI needs the payer's %(one)s", one=one))


def _check_scene(terms: OrderTerms, region: Region) -> None:
    scene = parse_object(terms.scene_info) or {}
    is_mweb = terms.trade_type == TradeType.MWEB
    if is_mweb and region is Region.MAINLAND and "h5_info" not in scene:
        raise InvalidOrder("scene_info", _("no h5_info"), _("MWEB needs scene_info with h5_info"))
    if not is_mweb and "h5_info" in scene:
        raise InvalidOrder(
            "scene_info", _("h5_info has no place here"), _("h5_info is for MWEB alone")
        )
    # The official examples name the store's id alone, and no browser (protocol-v3
    # section 3.2).
    if is_mweb and region is Region.GLOBAL and "store_info" not in scene:
        rule = _("a global MWEB order needs scene_info with store_info")
        raise InvalidOrder("scene_info", _("no store_info"), rule)
    # Mainland wants the payer's address in every scene_info (protocol-v3 section 4.2).
    has_scene = bool(scene or terms.device_info) and region is Region.MAINLAND
    if (is_mweb or has_scene) and not terms.spbill_create_ip:
        raise InvalidOrder("spbill_create_ip", _("missing"), IpAddress().text)


def _check_category(code: str) -> None:
    if problem := MERCHANT_CATEGORY_CODE.problem(code) if code else "missing":
        rule = _("a global merchant's MERCHANT_CATEGORY_CODE, four digits")
        raise InvalidOrder("merchant_category_code", problem, rule)
