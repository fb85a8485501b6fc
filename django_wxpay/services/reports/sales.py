"""Reports of Quick Pay sales.

``record_sale`` writes one row for a sale as a whole, beside the rows of its calls. To the
queue and to the summary of latency that is an interface of its own. Source: protocol-v2
section 8.4.

``report_sales`` sends a terminal's sales, many in one report, and writes nothing: it is for
the back end of terminals that keep their sales themselves. After a batch without an answer
nothing more is sent, so an outage costs the two tries of one batch. Source: protocol-v2
section 8.5.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
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

logger = logging.getLogger("django_wxpay.latency")

_IDENTITY: Final = {name: UNIFIEDORDER_RULES[name] for name in ("appid", "sub_appid", "sub_mch_id")}


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
    """Record how long one Quick Pay sale took as a whole, for ``send_reports`` to send.

    ``started_at`` (aware) is the scan, ``execute_time_ms`` the milliseconds from there to the
    final result, 0 where a clock went back. Both codes are SUCCESS or FAIL; ``user_ip`` is
    the terminal's address. Database only: it may join the caller's transaction. A sale whose
    row the database does not take is lost, and nothing is raised. Raises ``InvalidOrder``
    naming the field that breaks its rule, and ``UnknownMerchant``. A second call records a
    second sale.
    """
    account = conf.merchant(merchant)
    check_number(out_trade_no)
    started_at = check_moment("started_at", started_at)
    texts = {"return_msg": return_msg, "err_code": err_code, "err_code_des": err_code_des}
    for name, text in texts.items():
        check_text(name, text)
    codes = {"return_code": return_code, "result_code": result_code}
    for name, code in codes.items():
        _check_code(name, code)
    reporter = _reporter(
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
        host=urlsplit(reporter.interface_url).netloc,
        out_trade_no=out_trade_no,
        started_at=started_at,
        execute_time_ms=_milliseconds(execute_time_ms),
        http_status=None,
        failure="",
        **asdict(reporter) | codes | texts,
    )
    record_call(merchant, record)


def _reporter(path: str, account: Merchant, **given: str) -> Reporter:
    """Return the source of a report on the interface ``path``.

    ``given`` are ``appid``, ``sub_appid``, ``sub_mch_id``, ``device_info`` and ``user_ip``; the
    settings fill in an id that is "". Does not decide whether an institution may report
    without a sub-merchant.
    """
    for name, text in given.items():
        check_text(name, text)
    given["appid"] = given["appid"] or account.appid
    if not account.owns_appid(given["appid"]):
        raise InvalidOrder("appid", "is not this merchant's", "APPID or one of APPIDS")
    if account.mode is Mode.INSTITUTIONAL:
        given["sub_appid"] = given["sub_appid"] or account.sub_appid
        given["sub_mch_id"] = given["sub_mch_id"] or account.sub_mch_id
    absent = frozenset(name for name in _IDENTITY if not given[name])
    check_fields(_IDENTITY, given, mode=account.mode, leaving_out=absent)
    return Reporter(mch_id=account.mch_id, interface_url=account.hosts[0] + path, **given)


def _check_code(name: str, code: object) -> None:
    if not isinstance(code, str) or _CODE.problem(code):
        raise InvalidOrder(name, "not one of the words known", _CODE.text)


def _milliseconds(measured: object) -> int:
    rule = f"a whole number of milliseconds up to {LARGEST}"
    if isinstance(measured, bool) or not isinstance(measured, int):
        raise InvalidOrder("execute_time_ms", f"{type(measured).__name__} is no such number", rule)
    if measured > LARGEST:
        raise InvalidOrder("execute_time_ms", "too long", rule)
    return max(0, measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesRun:
    """The sales of one run by result, in the order in which they were given.

    ``delivered``: WeChat Pay has them. ``refused``: WeChat Pay refuses them, and would again.
    ``unanswered``: no answer came, or they were not sent any more; call again with these.
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
    """Report ``sales`` now, in their order and as many at once as fit; return the result of each.

    A sale that is given twice goes out once. With ``REPORT_LEVEL`` "off" nothing is sent,
    with "errors" only what did not end OK.

    Raises ``InsideTransaction`` in an open transaction, ``InvalidOrder`` naming what breaks a
    rule, ``ConfigurationError`` for a merchant that is unknown or has no v2 key, and nothing
    for what WeChat Pay does or does not answer.
    """
    require_no_transaction("report_sales")
    gateway, account = gateways.v2_gateway(merchant), conf.merchant(merchant)
    reporter = _reporter(
        BATCH_PATH,
        account,
        appid=appid,
        sub_appid=sub_appid,
        sub_mch_id=sub_mch_id,
        device_info=device_info,
        user_ip=user_ip,
    )
    if not can_report(account, reporter):
        raise InvalidOrder("sub_mch_id", MISSING, "an institution reports for a sub-merchant")
    wanted, skipped = _by_report_level(_without_repeats(sales))
    return sum(_send(wanted, gateway, reporter), SalesRun(skipped=skipped))


def _without_repeats(sales: Iterable[TerminalSale]) -> Sequence[TerminalSale]:
    given = list(sales)
    for sale in given:
        if not isinstance(sale, TerminalSale):
            raise InvalidOrder("sales", f"{type(sale).__name__} is not a TerminalSale")
    return list(dict.fromkeys(given))


def _by_report_level(
    sales: Sequence[TerminalSale],
) -> tuple[Sequence[TerminalSale], tuple[TerminalSale, ...]]:
    """Return the sales that are to be reported, and the others."""
    level = conf.current().report_level
    if level == "errors":
        succeeded = tuple(sale for sale in sales if sale.state == SaleState.OK)
        return [sale for sale in sales if sale.state != SaleState.OK], succeeded
    return (sales, ()) if level == "all" else ([], tuple(sales))


def _send(
    sales: Sequence[TerminalSale], gateway: V2Gateway, reporter: Reporter
) -> Iterator[SalesRun]:
    """Yield the result of each batch; after one without an answer, of all that are left."""
    waiting = batches(sales)
    for batch in waiting:
        try:
            gateway.report_sales(batch, reporter)
        except OutcomeUnknown as error:
            logger.warning("a report of %d sales was not answered: %s", len(batch), error)
            untried = tuple(sale for later in waiting for sale in later)
            yield SalesRun(unanswered=batch + untried)
        except Refused as refusal:
            logger.warning("a report of %d sales was refused: %s", len(batch), refusal)
            yield SalesRun(refused=batch)
        else:
            yield SalesRun(delivered=batch)
