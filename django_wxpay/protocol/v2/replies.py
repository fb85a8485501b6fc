"""Verification and reading of v2 answers (protocol-v2 sections 3.6, 5.2, 6.2 and 6.3).

An answer is verified when its signature, over every field received, is the one our key gives
under the algorithm of our request, and it is about the account that was asked for. Before
that nothing in it is data; a refusal as a whole (return_code FAIL) carries no signature and
is only ever a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django_wxpay.protocol.error_codes import RESULT_FAIL, RETURN_FAIL, refusal
from django_wxpay.protocol.errors import BadAnswer, BadSignature, MalformedMessage
from django_wxpay.protocol.facts import (
    PrepayGrant,
    ReplySummary,
    TradeFact,
    TradeState,
    TradeType,
)
from django_wxpay.protocol.merchants import Merchant, SignType
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v2.signing import verify
from django_wxpay.protocol.v2.trades import read_trade
from django_wxpay.protocol.v2.xml import decode_xml

# The gateway's words (protocol-v2 section 5.3). ACCEPT is a deduction that is still on its way.
_TRADE_STATES: Final[dict[str, TradeState]] = {
    "NOTPAY": TradeState.NOTPAY,
    "USERPAYING": TradeState.USERPAYING,
    "ACCEPT": TradeState.USERPAYING,
    "SUCCESS": TradeState.SUCCESS,
    "REFUND": TradeState.REFUND,
    "CLOSED": TradeState.CLOSED,
    "REVOKED": TradeState.REVOKED,
    "PAYERROR": TradeState.PAYERROR,
}


def read_envelope(
    body: bytes | Mapping[str, str],
    *,
    merchant: Merchant,
    sign_type: SignType,
    appid: str,
    sub_mch_id: str = "",
    signed: bool = True,
) -> dict[str, str]:
    """Return the fields of an answer in which both codes are SUCCESS.

    ``body`` is the answer, or its fields where they have been decoded already. ``sign_type``
    and ``appid`` are the request's, ``sub_mch_id`` as well where it named one.
    ``signed=False`` is for payitil/report, whose answers carry no signature. Raises
    ``Refused`` for a no, ``BadSignature`` for an answer that is not the gateway's or not for
    us, ``BadAnswer`` for what is no answer.
    """
    fields = _decoded(body) if isinstance(body, bytes) else dict(body)
    _check_return_code(fields)
    if signed:
        if not verify(fields, merchant.api_key, sign_type):
            raise BadSignature("the answer's signature is missing or wrong")
        _check_identity(fields, mch_id=merchant.mch_id, appid=appid, sub_mch_id=sub_mch_id)
    _check_result_code(fields)
    return fields


def read_any(
    fields: Mapping[str, str],
    *,
    merchant: Merchant,
    sign_type: SignType,
    about: OrderRef,
    is_signed: bool = True,
) -> dict[str, str]:
    """Return ``fields``, the answer of an interface of which nothing is known.

    Both codes are SUCCESS, or there is no result_code. ``about`` is what the request named.
    ``is_signed=False`` is for interfaces whose answers carry no signature. Raises what
    ``read_envelope`` raises.
    """
    _check_return_code(fields)
    if is_signed and not verify(fields, merchant.api_key, sign_type):
        raise BadSignature("the answer's signature is missing or wrong")
    own = {
        "mch_id": merchant.mch_id,
        "mchid": merchant.mch_id,
        "appid": about.appid,
        "sub_mch_id": about.sub_mch_id,
    }
    for name, ours in own.items():
        if fields.get(name) and ours and fields[name] != ours:
            raise BadSignature(f"the answer is for another {name}")
    if "result_code" in fields:
        _check_result_code(fields)
    return dict(fields)


def summarise(body: bytes | Mapping[str, str]) -> ReplySummary:
    """Return what an answer, or its decoded fields, claim, verified or not; never raises."""
    try:
        fields = decode_xml(body) if isinstance(body, bytes) else body
    except MalformedMessage:
        return ReplySummary()
    return ReplySummary(
        return_code=fields.get("return_code", "")[:16],
        return_msg=fields.get("return_msg", "")[:128],
        result_code=fields.get("result_code", "")[:16],
        err_code=fields.get("err_code", "")[:32],
        err_code_des=fields.get("err_code_des", "")[:128],
    )


def read_unifiedorder(fields: Mapping[str, str], terms: OrderTerms) -> PrepayGrant:
    """Return what ``fields`` of a verified unifiedorder answer grant for ``terms``.

    Raises ``BadAnswer`` if they do not hold what the trade type needs (protocol-v2 section 3.6).
    """
    grant = PrepayGrant(
        prepay_id=fields.get("prepay_id", ""),
        trade_type=fields.get("trade_type", ""),
        code_url=fields.get("code_url", ""),
        mweb_url=fields.get("mweb_url", ""),
    )
    if fault := grant.fault():
        raise BadAnswer(f"the answer's {fault}")
    if grant.trade_type != terms.trade_type:
        raise BadAnswer("the answer is about another trade_type")
    if not grant.prepay_id:
        raise BadAnswer("the answer has no prepay_id")
    if grant.trade_type == TradeType.NATIVE and not grant.code_url:
        raise BadAnswer("the answer has no code_url")
    if grant.trade_type == TradeType.MWEB and not grant.mweb_url:
        raise BadAnswer("the answer has no mweb_url")
    return grant


def read_orderquery(fields: Mapping[str, str], ref: OrderRef) -> TradeFact:
    """Return the fact in ``fields`` of a verified orderquery answer about ``ref``.

    Raises ``BadSignature`` if they are about another order, ``BadAnswer`` for an unknown
    trade_state or a value that cannot be read (protocol-v2 section 5.2).
    """
    if fields.get("out_trade_no") != ref.out_trade_no:
        raise BadSignature("the answer is about another order")
    state = _TRADE_STATES.get(fields.get("trade_state", ""))
    if state is None:
        raise BadAnswer("the answer has no trade_state that we know")
    try:
        return read_trade(fields, source="v2.orderquery", state=state)
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error


def read_micropay(fields: Mapping[str, str], terms: OrderTerms) -> TradeFact:
    """Return the payment in ``fields`` of a verified micropay answer (protocol-v2 section 6.2).

    Raises ``BadSignature`` if they are about another order, ``BadAnswer`` for a success without
    its amount or transaction.
    """
    if fields.get("out_trade_no") != terms.out_trade_no:
        raise BadSignature("the answer is about another order")
    try:
        return read_trade(fields, source="v2.micropay", state=TradeState.SUCCESS)
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error


def read_reverse(fields: Mapping[str, str]) -> bool:
    """Return whether reverse has to be called again, as ``recall`` of a verified answer says.

    Raises ``BadAnswer`` where it says neither Y nor N (protocol-v2 section 6.3).
    """
    recall = fields.get("recall", "")
    if recall not in {"Y", "N"}:
        raise BadAnswer("the answer's recall is neither Y nor N")
    return recall == "Y"


def _decoded(body: bytes) -> dict[str, str]:
    try:
        return decode_xml(body)
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error


def _check_return_code(fields: Mapping[str, str]) -> None:
    code = fields.get("return_code")
    if code == "FAIL":
        raise refusal(fields.get("err_code") or RETURN_FAIL, fields.get("return_msg", ""))
    if code != "SUCCESS":
        raise BadAnswer("the answer's return_code is neither SUCCESS nor FAIL")


def _check_result_code(fields: Mapping[str, str]) -> None:
    code = fields.get("result_code")
    if code == "FAIL":
        raise refusal(fields.get("err_code") or RESULT_FAIL, fields.get("err_code_des", ""))
    if code != "SUCCESS":
        raise BadAnswer("the answer's result_code is neither SUCCESS nor FAIL")


def _check_identity(fields: Mapping[str, str], *, mch_id: str, appid: str, sub_mch_id: str) -> None:
    if fields.get("mch_id") != mch_id or fields.get("appid") != appid:
        raise BadSignature("the answer is for another mch_id or appid")
    if sub_mch_id and fields.get("sub_mch_id") != sub_mch_id:
        raise BadSignature("the answer is for another sub_mch_id")
    if not fields.get("nonce_str"):
        raise BadSignature("the answer has no nonce_str")
