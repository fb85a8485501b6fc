"""Requests of APIv3 about refunds: the rule of each term, and the bytes to sign and to send.

The families differ in paths and members: a mainland body names neither appid nor mchid, a global
one names both (protocol-v3 sections 3.5, 4.1, 4.4 and 4.7).
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

from django_wxpay.protocol.errors import InvalidRefund
from django_wxpay.protocol.merchants import Merchant, Mode, Region
from django_wxpay.protocol.orders import OrderRef
from django_wxpay.protocol.refunds import (
    AbnormalRefundTerms,
    PayeeAccount,
    RefundRef,
    RefundTerms,
)
from django_wxpay.protocol.request_fields import MISSING, Field, check_fields
from django_wxpay.protocol.rules import Text, Whole
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.v3.documents import write_object
from django_wxpay.protocol.v3.encryption import encrypt_field
from django_wxpay.protocol.v3.fields import CURRENCY, ID, NOTIFY_URL
from django_wxpay.protocol.v3.json_fields import BASIC_DESCRIBED, BASIC_PLANE
from django_wxpay.protocol.v3.keys import PublicKey
from django_wxpay.protocol.v3.requests import GLOBAL_PREFIX, V3Request, identity

REFUND_NUMBER: Final = Text(
    max=64, alphabet=r"[0-9A-Za-z_\-|*@]", described=_("letters, digits, - _ | * and @")
)
REASON: Final = Text(max=80, alphabet=BASIC_PLANE, described=BASIC_DESCRIBED)
_MAINLAND: Final = "/v3/refund/domestic/refunds"
# The page size of a list, which is not documented (protocol-v3 section 3.6).
PAGE: Final = 20

_BANK_TYPE: Final = Text(max=32, alphabet="[0-9A-Z_]", described=_("a code such as ICBC_DEBIT"))


def _rows(region: Region) -> dict[str, Field]:
    return {
        "sub_mch_id": Field(ID, required=True, institutional=True),
        "out_refund_no": Field(REFUND_NUMBER, required=True),
        "refund_desc": Field(REASON),
        "notify_url": Field(NOTIFY_URL[region]),
        "refund_fee": Field(Whole(min=1), required=True),
        "total_fee": Field(Whole(min=1), required=True),
        "fee_type": Field(CURRENCY[region], required=True),
    }


_ROWS: Final = {region: _rows(region) for region in Region}


def check_refund_terms(terms: RefundTerms, *, mode: Mode, region: Region) -> None:
    """Raise ``InvalidRefund``, naming our field, unless ``terms`` keep every rule.

    Source: protocol-v3 sections 3.5 and 4.4.
    """
    values = {name: str(getattr(terms, name, "")) for name in _ROWS[region]}
    values["sub_mch_id"] = terms.order.sub_mch_id
    check_fields(_ROWS[region], values, mode=mode, error=InvalidRefund)


def refund_request(
    terms: RefundTerms, *, merchant: Merchant, prefix: str = GLOBAL_PREFIX
) -> V3Request:
    """Return the request of a refund whose terms passed ``check_refund_terms``."""
    is_global = merchant.region is Region.GLOBAL
    order = terms.order
    body = {
        **(_identity if is_global else _sub_mch_id)(order, merchant),
        **_number(order),
        "out_refund_no": terms.out_refund_no,
        "reason": terms.refund_desc,
        "notify_url": terms.notify_url,
        "amount": {
            "refund": terms.refund_fee,
            "total": terms.total_fee,
            "currency": terms.fee_type,
        },
    }
    return V3Request("POST", _path(merchant, prefix), _written(body))


def refund_query_request(
    ref: RefundRef, *, merchant: Merchant, prefix: str = GLOBAL_PREFIX
) -> V3Request:
    """Return the request that queries one refund by its out_refund_no."""
    number = quote(ref.out_refund_no, safe="*")
    if merchant.region is Region.GLOBAL:
        whose = urlencode(identity(merchant, ref.order.sub_mch_id))
        return V3Request("GET", f"{prefix}/refunds/out-refund-no/{number}?{whose}")
    whose = urlencode(_sub_mch_id(ref.order, merchant))
    return V3Request("GET", f"{_MAINLAND}/{number}" + (f"?{whose}" if whose else ""))


def refund_list_request(
    ref: OrderRef, *, offset: int, merchant: Merchant, prefix: str = GLOBAL_PREFIX
) -> V3Request:
    """Return the request for the refunds of an order from ``offset`` on; global orders alone."""
    query = {
        **identity(merchant, ref.sub_mch_id),
        **_number(ref),
        "offset": offset,
        "count": PAGE,
    }
    return V3Request("GET", f"{prefix}/refunds?{urlencode(query)}")


def check_abnormal_refund(terms: AbnormalRefundTerms) -> None:
    """Raise ``InvalidRefund`` for what apply-abnormal-refund does not take.

    The payer's card needs all three of ``bank_type``, ``bank_account`` and ``real_name``, the
    merchant's own none of them. Source: protocol-v3 section 4.4.
    """
    given = {
        "bank_type": bool(terms.bank_type),
        "bank_account": bool(terms.bank_account),
        "real_name": bool(terms.real_name),
    }
    is_payers = terms.type == PayeeAccount.USER_BANK_CARD
    for name, is_given in given.items():
        if is_payers and not is_given:
            raise InvalidRefund(name, MISSING, _("the payer's card needs it"))
        if is_given and not is_payers:
            raise InvalidRefund(name, _("has no place here"), _("it is for the payer's card alone"))
    if is_payers and (problem := _BANK_TYPE.problem(terms.bank_type)):
        raise InvalidRefund("bank_type", problem, _BANK_TYPE.text)


def abnormal_refund_request(
    terms: AbnormalRefundTerms, *, merchant: Merchant, seal: tuple[str, PublicKey] | None = None
) -> V3Request:
    """Return the request that pays a stuck refund out otherwise; mainland alone.

    ``seal`` are the serial and the key that the payer's name and card are sealed under.
    """
    serial, sealed = "", {}
    if seal is not None:
        serial, key = seal
        sealed = {
            "bank_account": encrypt_field(terms.bank_account, public_key=key),
            "real_name": encrypt_field(terms.real_name, public_key=key),
        }
    body = {
        **_sub_mch_id(terms.refund.order, merchant),
        "out_refund_no": terms.refund.out_refund_no,
        "type": terms.type.value,
        "bank_type": terms.bank_type,
        **sealed,
    }
    target = f"{_MAINLAND}/{quote(terms.refund_id, safe='*')}/apply-abnormal-refund"
    return V3Request("POST", target, _written(body), serial)


def _path(merchant: Merchant, prefix: str) -> str:
    return f"{prefix}/refunds" if merchant.region is Region.GLOBAL else _MAINLAND


def _identity(order: OrderRef, merchant: Merchant) -> dict[str, str]:
    whose = identity(merchant, order.sub_mch_id)
    if merchant.mode is Mode.INSTITUTIONAL:
        return {"sp_appid": order.appid, **whose, "sub_appid": order.sub_appid}
    return {"appid": order.appid, **whose}


def _sub_mch_id(order: OrderRef, merchant: Merchant) -> dict[str, str]:
    is_institution = merchant.mode is Mode.INSTITUTIONAL
    return {"sub_mchid": order.sub_mch_id} if is_institution else {}


def _number(order: OrderRef) -> dict[str, str]:
    # One of both, and the surer one (protocol-v3 section 3.5).
    if order.transaction_id:
        return {"transaction_id": order.transaction_id}
    return {"out_trade_no": order.out_trade_no}


def _written(body: dict[str, Any]) -> bytes:
    return write_object({name: value for name, value in body.items() if value})
