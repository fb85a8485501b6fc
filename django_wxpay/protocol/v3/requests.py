"""Requests of APIv3: paths by region and mode, and our names mapped to the family's own.

The bytes returned are the bytes to sign and to send, percent-encoded where they are a path.
Sources: protocol-v3 sections 3.1 to 3.4, 4.1 to 4.3, 4.7 and 4.8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Merchant, Mode, Region
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.rules import parse_object
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v3.documents import write_object
from django_wxpay.protocol.v3.json_fields import detail_of, scene_of

# The older fusion-wallet family is the same under "/hk/v3" (protocol-v3 section 1.1).
GLOBAL_PREFIX: Final = "/v3/global"

_NUMBERS: Final = (
    (re.compile("/out-refund-no/[^/]+"), "/out-refund-no/{out_refund_no}"),
    (re.compile("/refunds/id/[^/]+"), "/refunds/id/{refund_id}"),
    (re.compile("/domestic/refunds/[^/]+/"), "/domestic/refunds/{refund_id}/"),
    (re.compile("/domestic/refunds/[^/]+$"), "/domestic/refunds/{out_refund_no}"),
    (re.compile("/out-trade-no/[^/]+"), "/out-trade-no/{out_trade_no}"),
    (re.compile("/id/[^/{]+"), "/id/{transaction_id}"),
)
_MAINLAND: Final = {
    Mode.COMMON: "/v3/pay/transactions",
    # Mainland keeps institutions apart (protocol-v3 section 4.1).
    Mode.INSTITUTIONAL: "/v3/pay/partner/transactions",
}


def transactions_path(region: Region, mode: Mode, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return the path that the orders of this region and mode have in common."""
    return f"{prefix}/transactions" if region is Region.GLOBAL else _MAINLAND[mode]


def create_path(trade_type: str, region: Region, mode: Mode, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return the path an order of ``trade_type`` is sent to; MWEB is ``h5`` in mainland alone."""
    is_h5 = trade_type == TradeType.MWEB and region is Region.MAINLAND
    name = "h5" if is_h5 else trade_type.lower()
    return f"{transactions_path(region, mode, prefix=prefix)}/{name}"


def query_target(ref: OrderRef, merchant: Merchant, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return path and query for asking after an order, by transaction_id where it is known."""
    home = transactions_path(merchant.region, merchant.mode, prefix=prefix)
    by = f"id/{_quoted(ref.transaction_id)}" if ref.transaction_id else _by_number(ref)
    return f"{home}/{by}?{urlencode(identity(merchant, ref.sub_mch_id))}"


def close_target(ref: OrderRef, merchant: Merchant, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return the path that closes an order."""
    home = transactions_path(merchant.region, merchant.mode, prefix=prefix)
    return f"{home}/{_by_number(ref)}/close"


def interface_url(url: str) -> str:
    """Return ``url`` without what names one order, so that calls can be counted together."""
    interface, _, _ = url.partition("?")
    for number, name in _NUMBERS:
        interface = number.sub(name, interface)
    return interface


def certificates_target(region: Region, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return the path of the platform certificates (protocol-v3 section 2.6)."""
    return f"{prefix if region is Region.GLOBAL else '/v3'}/certificates"


def identity(merchant: Merchant, sub_mch_id: str) -> dict[str, str]:
    """Return the one group of members that names the order's owner (protocol-v3 section 3.1)."""
    if merchant.mode is Mode.INSTITUTIONAL:
        return {"sp_mchid": merchant.mch_id, "sub_mchid": sub_mch_id}
    return {"mchid": merchant.mch_id}


def _by_number(ref: OrderRef) -> str:
    return f"out-trade-no/{_quoted(ref.out_trade_no)}"


def _quoted(text: str) -> str:
    return quote(text, safe="*")


@dataclass(frozen=True, slots=True)
class V3Request:
    """One request: ``target`` is path and query, ``body`` the octets, both exactly as sent.

    ``serial`` names the key of WeChat Pay's that parts of the body are sealed under, if any;
    ``signed`` is signed in the place of the body of an upload; ``interface`` is what the call is
    counted by, where the path of ``target`` does not tell.
    """

    method: str
    target: str
    body: bytes = b""
    serial: str = ""
    signed: bytes | None = None
    content_type: str = "application/json"
    interface: str = ""


def place_request(
    terms: OrderTerms,
    *,
    merchant: Merchant,
    prefix: str = GLOBAL_PREFIX,
    members: Mapping[str, Any] | None = None,
    serial: str = "",
) -> V3Request:
    """Return the request that places an order whose terms passed ``check_terms_v3``.

    ``members`` are those of ``placing_members``, sealed under the key that ``serial`` names.
    """
    target = create_path(terms.trade_type, merchant.region, merchant.mode, prefix=prefix)
    body = _create_body(terms, merchant)
    for name, value in (members or {}).items():
        body[name] = {**body.get(name, {}), **value}
    return V3Request("POST", target, write_object(body), serial=serial)


def query_request(ref: OrderRef, *, merchant: Merchant, prefix: str = GLOBAL_PREFIX) -> V3Request:
    """Return the request that queries an order (protocol-v3 sections 3.3 and 4.3)."""
    return V3Request("GET", query_target(ref, merchant, prefix=prefix))


def close_request(ref: OrderRef, *, merchant: Merchant, prefix: str = GLOBAL_PREFIX) -> V3Request:
    """Return the request that closes an unpaid order (protocol-v3 sections 3.4 and 4.1)."""
    body = write_object(identity(merchant, ref.sub_mch_id))
    return V3Request("POST", close_target(ref, merchant, prefix=prefix), body)


def code_request(
    terms: OrderTerms, auth_code: Secret, *, merchant: Merchant, prefix: str = GLOBAL_PREFIX
) -> V3Request:
    """Return the request that charges a payment code, for terms that passed ``check_code_v3``.

    Sources: protocol-v3 sections 3.2 (global) and 4.8 (mainland).
    """
    if merchant.region is Region.GLOBAL:
        target = f"{prefix}/micropay/transactions/pay"
    else:
        target = f"{transactions_path(merchant.region, merchant.mode)}/codepay"
    return V3Request("POST", target, write_object(_code_body(terms, auth_code, merchant)))


def reverse_request(ref: OrderRef, *, merchant: Merchant, prefix: str = GLOBAL_PREFIX) -> V3Request:
    """Return the request that reverses an order (protocol-v3 sections 3.4 and 4.8)."""
    whose: dict[str, Any] = {**identity(merchant, ref.sub_mch_id)}
    if merchant.region is Region.GLOBAL:
        home = f"{prefix}/micropay/transactions"
    else:
        home = transactions_path(merchant.region, merchant.mode)
        # Mainland alone names the appids as well.
        whose |= _appids(ref, merchant)
    return V3Request("POST", f"{home}/{_by_number(ref)}/reverse", write_object(whose))


def certificates_request(merchant: Merchant, *, prefix: str = GLOBAL_PREFIX) -> V3Request:
    """Return the request that fetches the platform certificates (protocol-v3 section 2.6)."""
    return V3Request("GET", certificates_target(merchant.region, prefix=prefix))


def _create_body(terms: OrderTerms, merchant: Merchant) -> dict[str, Any]:
    body = {
        **_identity(terms, merchant),
        "description": terms.body,
        "out_trade_no": terms.out_trade_no,
        "notify_url": terms.notify_url,
        **(_overseas if merchant.region is Region.GLOBAL else _mainland)(terms, merchant),
        "attach": terms.attach,
        "goods_tag": terms.goods_tag,
        "time_expire": to_rfc3339(terms.time_expire) if terms.time_expire else "",
        "amount": {"total": terms.total_fee, "currency": terms.fee_type},
        "payer": _payer(terms, merchant.mode),
        "detail": _detail(terms, merchant.region),
        "scene_info": _scene(terms, merchant.region),
    }
    return {name: value for name, value in body.items() if value not in _NOTHING}


def _code_body(terms: OrderTerms, auth_code: Secret, merchant: Merchant) -> dict[str, Any]:
    is_global = merchant.region is Region.GLOBAL
    body = {
        **_identity(terms, merchant),
        "description": terms.body,
        "out_trade_no": terms.out_trade_no,
        **(_overseas if is_global else _mainland)(terms, merchant),
        "attach": terms.attach,
        "goods_tag": terms.goods_tag,
        "amount": {"total": terms.total_fee, "currency": terms.fee_type},
        "payer": {"auth_code": auth_code.reveal()},
        "detail": _detail(terms, merchant.region),
        "scene_info": _code_scene(terms, merchant.region),
    }
    return {name: value for name, value in body.items() if value not in _NOTHING}


def _code_scene(terms: OrderTerms, region: Region) -> dict[str, Any]:
    # The address is the till's own: no browser takes part (protocol-v3 section 4.8).
    scene = _scene(terms, region)
    scene["device_ip"] = scene.pop("payer_client_ip", "")
    return {name: value for name, value in scene.items() if value}


# Null and empty members are not sent (protocol-v3 section 1.4); false is a value.
_NOTHING: Final[tuple[Any, ...]] = ("", None, {}, [])


def _identity(terms: OrderTerms, merchant: Merchant) -> dict[str, Any]:
    return {**_appids(terms, merchant), **identity(merchant, terms.sub_mch_id)}


def _appids(about: OrderTerms | OrderRef, merchant: Merchant) -> dict[str, str]:
    if merchant.mode is Mode.COMMON:
        return {"appid": about.appid}
    both = {"sp_appid": about.appid, "sub_appid": about.sub_appid}
    return {name: appid for name, appid in both.items() if appid}


def _overseas(terms: OrderTerms, merchant: Merchant) -> dict[str, Any]:
    return {
        "trade_type": terms.trade_type,
        "merchant_category_code": merchant.merchant_category_code,
        "limit_pay": terms.limit_pay,
        "time_start": to_rfc3339(terms.time_start) if terms.time_start else "",
    }


def _mainland(terms: OrderTerms, _merchant: Merchant) -> dict[str, Any]:
    sharing = {"profit_sharing": terms.profit_sharing == "Y"} if terms.profit_sharing else {}
    return {
        "limit_pay": [terms.limit_pay] if terms.limit_pay else [],
        "support_fapiao": True if terms.receipt else None,
        "settle_info": sharing,
    }


def _payer(terms: OrderTerms, mode: Mode) -> dict[str, str]:
    if terms.trade_type != TradeType.JSAPI:
        return {}
    if mode is Mode.COMMON:
        return {"openid": terms.openid}
    both = {"sp_openid": terms.openid, "sub_openid": terms.sub_openid}
    return {name: openid for name, openid in both.items() if openid}


def _detail(terms: OrderTerms, region: Region) -> dict[str, Any]:
    if not terms.detail:
        return {}
    try:
        return detail_of(parse_object(terms.detail) or {}, region)
    except ValueError as error:
        raise InvalidOrder("detail", str(error)) from error


def _scene(terms: OrderTerms, region: Region) -> dict[str, Any]:
    scene = {"payer_client_ip": terms.spbill_create_ip, "device_id": terms.device_info}
    known = {name: value for name, value in scene.items() if value}
    if not terms.scene_info:
        return known
    try:
        return {**known, **scene_of(parse_object(terms.scene_info) or {}, region)}
    except ValueError as error:
        raise InvalidOrder("scene_info", str(error)) from error
