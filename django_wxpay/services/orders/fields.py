"""The arguments of an order as a caller gives them: the typed faces of ``OrderTerms``."""

# No postponed annotations here: from those, no class can tell at run time what is Required.
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Required, TypedDict


class SaleFields(TypedDict, total=False):
    """The arguments of a payment by code, but for the code (protocol-v2 section 6.2).

    As those of ``OrderFields``; ``spbill_create_ip`` is the till's own address.
    """

    merchant: str
    reference: str | int
    appid: str | None
    sub_appid: str | None
    sub_mch_id: str | None
    out_trade_no: str | None
    body: Required[str]
    total_fee: Required[int]
    fee_type: str
    spbill_create_ip: str
    device_info: str
    version: str
    detail: str | Mapping[str, Any]
    attach: str
    time_start: datetime | str | None
    time_expire: datetime | str | None
    goods_tag: str
    limit_pay: str
    receipt: str
    profit_sharing: str
    scene_info: str | Mapping[str, Any]


class CodePayFields(SaleFields, total=False):
    """The arguments of ``pay_by_code``: those of the sale, and the 18 digits that were scanned."""

    auth_code: Required[str]


class OrderFields(TypedDict, total=False):
    """unifiedorder's fields under their own names, ``merchant`` and ``reference``.

    ``total_fee`` is in the minor unit of ``fee_type`` (default CNY). Times are aware datetimes
    or 14 digits of Beijing time. ``spbill_create_ip`` should be the payer's address: MWEB
    insists, elsewhere it is 127.0.0.1 if absent. ``reference`` is the shop's own order number;
    an int is its digits. Source: protocol-v2 sections 3.1 to 3.5.
    """

    merchant: str
    reference: str | int
    appid: str | None
    sub_appid: str | None
    sub_mch_id: str | None
    out_trade_no: str | None
    trade_type: Required[str]
    body: Required[str]
    total_fee: Required[int]
    fee_type: str
    spbill_create_ip: str
    device_info: str
    version: str
    detail: str | Mapping[str, Any]
    attach: str
    time_start: datetime | str | None
    time_expire: datetime | str | None
    goods_tag: str
    product_id: str
    limit_pay: str
    openid: str
    sub_openid: str
    receipt: str
    profit_sharing: str
    scene_info: str | Mapping[str, Any]
    fingerprint: str
    user_type: str
    user_creid: str
    user_truename: str
