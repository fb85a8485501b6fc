"""How an attempt over APIv3 is written down in the words of the report API, which are v2's.

A yes is SUCCESS twice, a no SUCCESS and FAIL with v2's word for the code. An answer that is
no document has said nothing. The address is written without the order's number and without
the query, so that the calls of one interface can be counted together.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

from django_wxpay.gateway.failover import Attempt
from django_wxpay.gateway.http.messages import Answer
from django_wxpay.gateway.records import CallRecord, Failure
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v2.replies import ReplySummary
from django_wxpay.protocol.v3.errors import read_error

T = TypeVar("T")

_NUMBERS: Final = (
    (re.compile("/out-trade-no/[^/]+"), "/out-trade-no/{out_trade_no}"),
    (re.compile("/id/[^/]+"), "/id/{transaction_id}"),
)
_ACCEPTED: Final = 202
_TOO_MANY_REQUESTS: Final = 429
_LONGEST_CODE: Final = 32
_LONGEST_TEXT: Final = 128
_LONGEST_REQUEST_ID: Final = 64


def v3_record(
    attempt: Attempt[T], *, merchant: Merchant, about: OrderTerms | OrderRef | None
) -> CallRecord:
    """Return the record of one attempt; ``about`` is None where no order is spoken of."""
    answer, exchange = attempt.answer, attempt.exchange
    said = _said(attempt)
    return CallRecord(
        api="v3",
        method=exchange.method,
        interface_url=_interface(exchange.url),
        host=exchange.host_name,
        is_standby=attempt.is_standby,
        out_trade_no=about.out_trade_no if about else "",
        mch_id=merchant.mch_id,
        appid=about.appid if about else "",
        sub_mch_id=about.sub_mch_id if about else "",
        device_info=about.device_info if isinstance(about, OrderTerms) else "",
        started_at=attempt.started_at,
        execute_time_ms=attempt.execute_time_ms,
        http_status=attempt.http_status,
        failure=attempt.failure,
        return_code=said.return_code,
        return_msg=said.return_msg,
        result_code=said.result_code,
        err_code=said.err_code,
        err_code_des=said.err_code_des,
        request_id=_request_id(answer) if answer else "",
        user_ip=answer.user_ip if answer else "",
        sub_appid=about.sub_appid if about else "",
    )


def _said(attempt: Attempt[T]) -> ReplySummary:
    answer = attempt.answer
    if answer is None or attempt.failure is Failure.UNREADABLE:
        return ReplySummary()
    if answer.status < 400 and answer.status != _ACCEPTED:
        return ReplySummary(return_code="SUCCESS", result_code="SUCCESS")
    error = read_error(answer.status, answer.body)
    if not error.code and answer.status != _TOO_MANY_REQUESTS:
        return ReplySummary()
    return ReplySummary(
        return_code="SUCCESS",
        result_code="FAIL",
        err_code=error.err_code[:_LONGEST_CODE],
        err_code_des=error.message[:_LONGEST_TEXT],
    )


def _interface(url: str) -> str:
    interface, _, _ = url.partition("?")
    for number, name in _NUMBERS:
        interface = number.sub(name, interface)
    return interface


def _request_id(answer: Answer) -> str:
    """Return what support asks for; it is the wire's, so only what can be read.

    Source: protocol-v3 section 1.3.
    """
    named = {name.lower(): value for name, value in answer.headers.items()}
    said = named.get("request-id", "")
    return said[:_LONGEST_REQUEST_ID] if said.isprintable() else ""
