"""One attempt against one host, and the record that is kept of it.

A ``CallRecord`` holds the columns that ``payitil/report`` asks for (protocol-v2 section 8.1)
and no secret: neither the document sent nor the one received.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from django_wxpay.gateway.http.failures import NoResponse, Probed, UntrustedHost
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.protocol.errors import BadAnswer, BadSignature, WXPayError
from django_wxpay.protocol.facts import ReplySummary
from django_wxpay.protocol.failures import Failure
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.orders import OrderRef, OrderTerms

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[T]):
    """One attempt that is over: either ``value`` was read from the response, or ``error`` is set.

    ``is_standby`` where it went to another host than the merchant's first; ``is_busy`` where
    the response says that WeChat Pay is busy.
    """

    request: HttpRequest
    is_standby: bool
    started_at: datetime
    execute_time_ms: int
    response: HttpResponse | None
    value: T | None
    error: WXPayError | None
    is_busy: bool = False

    @property
    def http_status(self) -> int | None:
        if self.response is not None:
            return self.response.status
        return self.error.http_status if isinstance(self.error, NoResponse) else None

    @property
    def failure(self) -> Failure | Literal[""]:
        """What went wrong; "" for a trustworthy answer, a refusal included."""
        if (self.http_status or 0) >= 500:
            return Failure.HTTP_5XX
        if isinstance(self.error, NoResponse):
            return self.error.failure
        if isinstance(self.error, Probed):
            return Failure.PROBE
        if isinstance(self.error, BadSignature):
            return Failure.BAD_SIGNATURE
        return Failure.BAD_ANSWER if isinstance(self.error, BadAnswer) else ""

    @property
    def should_failover(self) -> bool:
        return isinstance(self.error, NoResponse) and not isinstance(self.error, UntrustedHost)

    @property
    def has_not_been_sent(self) -> bool:
        """Whether nothing of the request can have arrived anywhere."""
        return self.failure in {Failure.DNS, Failure.CONNECT}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """The columns of one attempt. This is the one list of them: others are derived from it.

    ``api`` is "v2" or "v3", ``method`` the HTTP method, ``host`` the host's name and port.
    ``interface_url`` is the address without what names one order, so that the calls of one
    interface can be counted together; ``is_standby`` where the host is not the merchant's first.
    ``failure`` is "" where a trustworthy answer came, a refusal included. The five words of
    the answer are what it claims, verified or not.
    """

    api: str
    method: str
    interface_url: str
    host: str
    out_trade_no: str
    mch_id: str
    appid: str
    sub_mch_id: str
    device_info: str
    started_at: datetime
    execute_time_ms: int
    http_status: int | None
    failure: Failure | Literal[""]
    return_code: str
    return_msg: str
    result_code: str
    err_code: str
    err_code_des: str
    request_id: str = ""
    user_ip: str = ""
    sub_appid: str = ""
    is_standby: bool = False


def call_record(
    attempt: Attempt[T],
    *,
    api: str,
    merchant: Merchant,
    about: OrderTerms | OrderRef | None,
    summary: ReplySummary,
    interface_url: str,
    request_id: str = "",
) -> CallRecord:
    """Return the record of one attempt; ``about`` is None for a call that is about no order."""
    response, request = attempt.response, attempt.request
    return CallRecord(
        api=api,
        method=request.method,
        interface_url=interface_url,
        host=request.host_name,
        is_standby=attempt.is_standby,
        out_trade_no=about.out_trade_no if about else "",
        mch_id=merchant.mch_id,
        appid=about.appid if about else "",
        sub_appid=about.sub_appid if about else "",
        sub_mch_id=about.sub_mch_id if about else "",
        device_info=about.device_info if isinstance(about, OrderTerms) else "",
        started_at=attempt.started_at,
        execute_time_ms=attempt.execute_time_ms,
        http_status=attempt.http_status,
        failure=attempt.failure,
        request_id=request_id,
        user_ip=response.user_ip if response else "",
        **asdict(summary),
    )


def elapsed_ms(started: float, ended: float) -> int:
    """Return whole milliseconds between two readings in seconds; 0 if the clock went back."""
    return max(0, round((ended - started) * 1000))
