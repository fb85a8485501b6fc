"""Readers of verified APIv3 answers (protocol-v3 sections 3.2, 3.3, 4.2 and 4.3).

The signature over the octets has been checked before anything here looks at them. What
cannot be read is a ``BadAnswer``, and an answer about another order a ``BadSignature``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from django_wxpay.protocol.errors import BadAnswer, BadSignature, MalformedMessage
from django_wxpay.protocol.facts import (
    PrepayGrant,
    RefundFact,
    RefundStatus,
    ReplySummary,
    TradeFact,
    TradeType,
)
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.refunds import RefundRef
from django_wxpay.protocol.v3.client_parameters import SIGN_TYPE
from django_wxpay.protocol.v3.documents import read_with_marks
from django_wxpay.protocol.v3.errors import read_error
from django_wxpay.protocol.v3.reading import integer, number, text
from django_wxpay.protocol.v3.refunds import refund_fact
from django_wxpay.protocol.v3.trades import trade_fact

# The widths of payitil/report (protocol-v2 section 8.1).
_LONGEST_CODE: Final = 32
_LONGEST_TEXT: Final = 128

# What the paying client needs of each trade type; nothing else has to be there.
_NEEDED: Final = {
    TradeType.JSAPI: "prepay_id",
    TradeType.APP: "prepay_id",
    TradeType.NATIVE: "code_url",
    TradeType.MWEB: "mweb_url",
}


def read_grant(body: bytes, terms: OrderTerms) -> PrepayGrant:
    """Return what the answer to a placed order grants for ``terms``.

    NATIVE and MWEB are granted without a ``prepay_id``. Raises ``BadAnswer`` if there is not
    what the trade type needs.
    """
    try:
        answer = read_with_marks(body)
        grant = PrepayGrant(
            prepay_id=text(answer, "prepay_id"),
            trade_type=terms.trade_type,
            code_url=text(answer, "code_url"),
            mweb_url=text(answer, "h5_url", "mweb_url"),
            sign_type=SIGN_TYPE,
        )
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error
    if fault := grant.fault():
        raise BadAnswer(f"the answer's {fault}")
    needed = _NEEDED[TradeType(terms.trade_type)]
    if not getattr(grant, needed):
        raise BadAnswer(f"the answer has no {needed}")
    return grant


def read_trade(body: bytes | Mapping[str, Any], *, source: str) -> TradeFact:
    """Return the fact in an order object of either family; ``BadAnswer`` if it cannot be read."""
    try:
        trade = read_with_marks(body) if isinstance(body, bytes) else body
        return trade_fact(trade, source=source)
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error


def read_query(body: bytes, ref: OrderRef, *, merchant: Merchant) -> TradeFact:
    """Return the fact in the answer to a query about ``ref``.

    Raises ``BadSignature`` if it is about another order, merchant or appid, ``BadAnswer`` if
    it cannot be read.
    """
    fact = read_trade(body, source="v3.query")
    if (fact.out_trade_no, fact.mch_id) != (ref.out_trade_no, merchant.mch_id):
        raise BadSignature("the answer is about another order")
    if fact.sub_mch_id != ref.sub_mch_id:
        raise BadSignature("the answer is for another sub_mchid")
    # The answer may leave out the appid (protocol-v3 section 3.3); the request has named it.
    if (fact.appid or ref.appid) != ref.appid:
        raise BadSignature("the answer is for another appid")
    return replace(fact, appid=ref.appid)


def read_code_payment(body: bytes, terms: OrderTerms, *, merchant: Merchant) -> TradeFact:
    """Return the fact in the answer to a charged payment code (protocol-v3 sections 3.2 and 4.8).

    Raises what ``read_query`` raises.
    """
    ref = OrderRef(
        appid=terms.appid,
        mch_id=terms.mch_id,
        out_trade_no=terms.out_trade_no,
        sub_mch_id=terms.sub_mch_id,
    )
    return replace(read_query(body, ref, merchant=merchant), source="v3.micropay")


def read_refund(
    body: bytes, ref: RefundRef, *, merchant: Merchant, source: str = "v3.refund-query"
) -> RefundFact:
    """Return the fact in an answer about the refund ``ref``.

    One that names no status is accepted, and not yet paid back. Raises ``BadSignature`` if it
    is about another refund, order or merchant, ``BadAnswer`` if it cannot be read.
    """
    try:
        answer = read_with_marks(body)
        fact = refund_fact(answer, source=source, absent=RefundStatus.PROCESSING)
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error
    if fact.out_refund_no != ref.out_refund_no:
        raise BadSignature("the answer is about another refund")
    return _about(fact, ref.order, merchant)


def read_refund_list(
    body: bytes, ref: OrderRef, *, merchant: Merchant
) -> tuple[tuple[RefundFact, ...], int]:
    """Return the facts on one page of an order's refunds, and how many there are on all pages.

    Its rows do not repeat the numbers of the order (protocol-v3 section 3.6).
    """
    try:
        answer = read_with_marks(body)
        number_of_order = number(answer, "out_trade_no")
        total = integer(answer, "total_num") or 0
        facts = tuple(refund_fact(row, source="v3.refund-list") for row in _rows(answer))
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error
    if (number_of_order or ref.out_trade_no) != ref.out_trade_no:
        raise BadSignature("the answer is about another order")
    return tuple(_about(fact, ref, merchant) for fact in facts), total


def _rows(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = answer.get("data")
    # Strict, for one that is left out would be a refund that is missing here.
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MalformedMessage("a list of refunds without its rows")
    return rows


def _about(fact: RefundFact, order: OrderRef, merchant: Merchant) -> RefundFact:
    if (fact.out_trade_no or order.out_trade_no) != order.out_trade_no:
        raise BadSignature("the answer is about another order")
    if (fact.mch_id or merchant.mch_id) != merchant.mch_id:
        raise BadSignature("the answer is for another mchid")
    if (fact.sub_mch_id or order.sub_mch_id) != order.sub_mch_id:
        raise BadSignature("the answer is for another sub_mchid")
    # What the answer leaves out, the request has named.
    return replace(
        fact,
        out_trade_no=order.out_trade_no,
        mch_id=merchant.mch_id,
        sub_mch_id=order.sub_mch_id,
    )


def summarise(status: int, body: bytes) -> ReplySummary:
    """Return what an answer claims in the words of payitil/report, verified or not; never raises.

    That interface is v2's, so an answer of APIv3 is reported in v2's words: success is SUCCESS
    twice, a refusal SUCCESS and FAIL, and its code is the table's.
    """
    # A 202 has accepted the request and not decided it (protocol-v3 section 7.1).
    if status < 400 and status != HTTPStatus.ACCEPTED:
        return ReplySummary(return_code="SUCCESS", result_code="SUCCESS")
    error = read_error(status, body)
    if not error.code and status != HTTPStatus.TOO_MANY_REQUESTS:
        return ReplySummary()
    return ReplySummary(
        return_code="SUCCESS",
        result_code="FAIL",
        err_code=error.row.code[:_LONGEST_CODE],
        err_code_des=error.message[:_LONGEST_TEXT],
    )
