"""Telling WeChat Pay of a terminal's sales, many in one report (protocol-v2 section 8.5).

It is for the back end of terminals that keep their sales themselves: nothing is written here,
and what became of each sale is returned. After a batch that nobody answered nothing more is
sent, so an outage costs one batch's two tries.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

from django_wxpay import conf
from django_wxpay.gateway import V2Gateway
from django_wxpay.protocol.errors import InvalidOrder, OutcomeUnknown, Refused
from django_wxpay.protocol.v2.batch_reports import BATCH_PATH, batches
from django_wxpay.protocol.v2.reports import Reporter
from django_wxpay.protocol.v2.rules import MISSING
from django_wxpay.protocol.v2.sales import SaleState, TerminalSale
from django_wxpay.services import wire
from django_wxpay.services.recording import can_report
from django_wxpay.services.reporters import reporter_on
from django_wxpay.services.transactions import refuse_open

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
    refuse_open("report_sales")
    gateway, account = wire.v2_gateway(merchant), conf.merchant(merchant)
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
