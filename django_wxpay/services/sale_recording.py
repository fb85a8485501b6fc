"""A Quick Pay sale as a whole: one row more, beside those of its calls (protocol-v2 section 8.4).

To reporting and to the summaries of latency it is an interface of its own. Like a call, a
sale whose row cannot be written is lost, and nothing else is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django_wxpay import conf
from django_wxpay.gateway import CallRecord
from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.fields import OneOf
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.v2.reports import WHOLE_SALE_PATH
from django_wxpay.protocol.v2.sales import check_moment, check_number, check_text
from django_wxpay.services.recording import record_call
from django_wxpay.services.reporters import reporter_on

_CODE: Final = OneOf(frozenset({"SUCCESS", "FAIL"}))


def record_sale(  # noqa: PLR0913 - the words are those of the report
    merchant: str,
    *,
    out_trade_no: str,
    started_at: datetime,
    execute_time_ms: int,
    return_code: str = "SUCCESS",
    return_msg: str = "",
    result_code: str = "SUCCESS",
    err_code: str = "",
    err_code_des: str = "",
    device_info: str = "",
    appid: str = "",
    sub_appid: str = "",
    sub_mch_id: str = "",
    user_ip: str = "",
) -> None:
    """Write down how long one Quick Pay sale took as a whole, for ``send_reports`` to tell.

    ``started_at`` (aware) is the scan, ``execute_time_ms`` the milliseconds from there to the
    final result, 0 where a clock went back. Both codes are SUCCESS or FAIL; ``user_ip`` is
    the terminal's address. Database only: it may join the caller's transaction, and never
    raises for a database in trouble. Raises ``InvalidOrder`` naming the field that breaks
    its rule, ``UnknownMerchant`` for an alias that is not in the settings.
    """
    account = conf.merchant(merchant)
    check_number(out_trade_no)
    check_moment("started_at", started_at)
    words = {"return_msg": return_msg, "err_code": err_code, "err_code_des": err_code_des}
    for name, text in words.items():
        check_text(name, text)
    reporter = reporter_on(
        WHOLE_SALE_PATH,
        account,
        appid=appid,
        sub_appid=sub_appid,
        sub_mch_id=sub_mch_id,
        device_info=device_info,
        user_ip=user_ip,
    )
    record = CallRecord(
        api="v2",
        method="POST",
        interface_url=reporter.interface_url,
        host=urlsplit(reporter.interface_url).netloc,
        out_trade_no=out_trade_no,
        mch_id=reporter.mch_id,
        appid=reporter.appid,
        sub_appid=reporter.sub_appid,
        sub_mch_id=reporter.sub_mch_id,
        device_info=reporter.device_info,
        user_ip=reporter.user_ip,
        started_at=started_at,
        execute_time_ms=_milliseconds(execute_time_ms),
        http_status=None,
        failure="",
        return_code=_code("return_code", return_code),
        result_code=_code("result_code", result_code),
        return_msg=return_msg,
        err_code=err_code,
        err_code_des=err_code_des,
    )
    record_call(merchant, record)


def _code(name: str, word: object) -> str:
    if not isinstance(word, str) or _CODE.problem(word):
        raise InvalidOrder(name, "not one of the words known", _CODE.text)
    return word


def _milliseconds(measured: object) -> int:
    rule = f"a whole number of milliseconds up to {LARGEST}"
    if isinstance(measured, bool) or not isinstance(measured, int):
        raise InvalidOrder("execute_time_ms", f"{type(measured).__name__} is no such number", rule)
    if measured > LARGEST:
        raise InvalidOrder("execute_time_ms", "too long", rule)
    return max(0, measured)
