"""Who tells WeChat Pay of a sale: the identity given, or else that of the settings.

A Quick Pay sale as a whole: one row more, beside those of its calls (protocol-v2 section 8.4).

To reporting and to the summaries of latency it is an interface of its own. Like a call, a
sale whose row cannot be written is lost, and nothing else is.

Telling WeChat Pay of a terminal's sales, many in one report (protocol-v2 section 8.5).

It is for the back end of terminals that keep their sales themselves: nothing is written here,
and what became of each sale is returned. After a batch that nobody answered nothing more is
sent, so an outage costs one batch's two tries.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django_wxpay import conf
from django_wxpay.gateway import CallRecord, V2Gateway
from django_wxpay.protocol.errors import InvalidOrder, OutcomeUnknown, Refused
from django_wxpay.protocol.merchants import Merchant, Mode
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.request_fields import MISSING, check_fields
from django_wxpay.protocol.rules import OneOf
from django_wxpay.protocol.v2.batch_reports import (
    BATCH_PATH,
    SaleState,
    TerminalSale,
    batches,
    check_moment,
    check_number,
    check_text,
)
from django_wxpay.protocol.v2.fields import UNIFIEDORDER_RULES
from django_wxpay.protocol.v2.reports import WHOLE_SALE_PATH, Reporter
from django_wxpay.services import gateways
from django_wxpay.services.latency.recording import can_report, record_call
from django_wxpay.services.transactions import require_no_transaction

_IDENTITY: Final = {name: UNIFIEDORDER_RULES[name] for name in ("appid", "sub_appid", "sub_mch_id")}


def reporter_on(path: str, account: Merchant, **told: str) -> Reporter:
    """Return who reports on the interface ``path`` of the merchant's primary host.

    ``told`` are ``appid``, ``sub_appid``, ``sub_mch_id``, ``device_info`` and ``user_ip``, ""
    for what is as the settings have it. Raises ``InvalidOrder`` for another merchant's appid,
    for what is no text or no id, and for a sub-merchant of who is no institution; that an
    institution has none is for the caller to judge.
    """
    for name, text in told.items():
        check_text(name, text)
    told["appid"] = told["appid"] or account.appid
    if not account.owns_appid(told["appid"]):
        raise InvalidOrder("appid", "is not this merchant's", "APPID or one of APPIDS")
    if account.mode is Mode.INSTITUTIONAL:
        told["sub_appid"] = told["sub_appid"] or account.sub_appid
        told["sub_mch_id"] = told["sub_mch_id"] or account.sub_mch_id
    absent = frozenset(name for name in _IDENTITY if not told[name])
    check_fields(_IDENTITY, told, mode=account.mode, leaving_out=absent)
    return Reporter(mch_id=account.mch_id, interface_url=account.hosts[0] + path, **told)


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


logger = logging.getLogger("django_wxpay.latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesRun:
    """What became of each sale, in the order in which they were given.

    ``delivered``: WeChat Pay has them. ``refused``: it said no, and would again.
    ``unanswered``: nobody answered, or they were not tried any more; call again with these.
    ``skipped``: not to be reported, by ``REPORT_LEVEL``.
    """

    delivered: tuple[TerminalSale, ...] = ()
    refused: tuple[TerminalSale, ...] = ()
    unanswered: tuple[TerminalSale, ...] = ()
    skipped: tuple[TerminalSale, ...] = ()

    def __add__(self, other: SalesRun) -> SalesRun:
        names = [field.name for field in fields(self)]
        return SalesRun(**{name: getattr(self, name) + getattr(other, name) for name in names})


def report_sales(
    merchant: str,
    sales: Iterable[TerminalSale],
    *,
    device_info: str = "",
    appid: str = "",
    sub_appid: str = "",
    sub_mch_id: str = "",
    user_ip: str = "",
) -> SalesRun:
    """Report ``sales`` now, in their order and as many at once as fit; return what became of each.

    A sale that is given twice goes out once. With ``REPORT_LEVEL`` "off" nothing is sent,
    with "errors" only what did not end OK.

    Raises ``InsideTransaction`` in an open transaction, ``InvalidOrder`` naming what breaks a
    rule, ``ConfigurationError`` for a merchant that is unknown or has no v2 key, and nothing
    for what WeChat Pay does or does not answer.
    """
    require_no_transaction("report_sales")
    gateway, account = gateways.v2_gateway(merchant), conf.merchant(merchant)
    reporter = reporter_on(
        BATCH_PATH,
        account,
        appid=appid,
        sub_appid=sub_appid,
        sub_mch_id=sub_mch_id,
        device_info=device_info,
        user_ip=user_ip,
    )
    if not can_report(account, mch_id=reporter.mch_id, sub_of=reporter.sub_mch_id):
        raise InvalidOrder("sub_mch_id", MISSING, "an institution reports for a sub-merchant")
    wanted, skipped = _sorted_out(_each_once(sales))
    return sum(_sent(wanted, gateway, reporter), SalesRun(skipped=skipped))


def _each_once(sales: Iterable[TerminalSale]) -> Sequence[TerminalSale]:
    given = list(sales)
    for sale in given:
        if not isinstance(sale, TerminalSale):
            raise InvalidOrder("sales", f"{type(sale).__name__} is not a TerminalSale")
    return list(dict.fromkeys(given))


def _sorted_out(
    sales: Sequence[TerminalSale],
) -> tuple[Sequence[TerminalSale], tuple[TerminalSale, ...]]:
    """Return the sales that are to be reported, and the others."""
    level = conf.current().report_level
    if level == "errors":
        well = tuple(sale for sale in sales if sale.state == SaleState.OK)
        return [sale for sale in sales if sale.state != SaleState.OK], well
    return (sales, ()) if level == "all" else ([], tuple(sales))


def _sent(
    sales: Sequence[TerminalSale], gateway: V2Gateway, reporter: Reporter
) -> Iterator[SalesRun]:
    """Yield what became of each batch; once nobody answers, of all that are left."""
    waiting = batches(sales)
    for batch in waiting:
        try:
            gateway.report_sales(batch, reporter)
        except OutcomeUnknown as none:
            logger.warning("a report of %d sales was not answered: %s", len(batch), none)
            untried = tuple(sale for later in waiting for sale in later)
            yield SalesRun(unanswered=batch + untried)
        except Refused as refusal:
            logger.warning("a report of %d sales was refused: %s", len(batch), refusal)
            yield SalesRun(refused=batch)
        else:
            yield SalesRun(delivered=batch)
