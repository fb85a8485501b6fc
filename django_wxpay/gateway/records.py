"""What is kept of every attempt on the wire, and the words for what went wrong with it.

A ``CallRecord`` holds what ``payitil/report`` asks for (protocol-v2 section 8.1) and no
secret: neither the document sent nor the one received.

What an accepted order comes back as, whichever protocol carried it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from django_wxpay.protocol.facts import PrepayGrant


class Failure(StrEnum):
    """Why an attempt brought nothing to believe (protocol-v2 section 1.1).

    After ``DNS`` and ``CONNECT`` nothing was executed; after all others it may have been.
    """

    DNS = "DNS"  # the name did not resolve
    CONNECT = "CONNECT"  # refused, unreachable, no connection in time, or a proxy in the way
    TLS = "TLS"  # the handshake failed, or the certificate is not to be trusted
    TIMEOUT = "TIMEOUT"  # connected, but the whole answer did not come in time
    RESET = "RESET"  # the connection broke
    HTTP_5XX = "HTTP_5XX"
    UNREADABLE = "UNREADABLE"  # no document: HTML, empty, cut short, a redirect
    BAD_ANSWER = "BAD_ANSWER"  # a document that says what no WeChat Pay document says
    BAD_SIGNATURE = "BAD_SIGNATURE"  # a document that is not WeChat Pay's, or not for us
    PROBE = "PROBE"  # WeChat Pay signed wrongly on purpose (protocol-v3 section 2.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One attempt against one host.

    ``api`` is "v2" or "v3", ``method`` the HTTP method, ``host`` the host's name and port.
    ``interface_url`` is the address without what names one order, so that the calls of one
    interface can be counted together; ``is_standby`` where the host is not the merchant's first.
    ``failure`` is "" where a trustworthy answer came, a refusal included. The five words of
    the answer are what it said, believed or not.
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


def elapsed_ms(started: float, ended: float) -> int:
    """Return whole milliseconds between two readings in seconds; 0 if the clock went back."""
    return max(0, round((ended - started) * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What was granted, and the algorithm that the paying client must sign with."""

    grant: PrepayGrant
    sign_type: str
