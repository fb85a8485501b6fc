"""Sending what was measured to payitil/report: in the background, many at once, each row once.

Rows are claimed by a conditional update with a lease, so that any number of workers may run
side by side; a worker that dies leaves its rows to the others when the lease is over. The
database is used by the calling thread alone; the threads only talk to WeChat Pay.

What WeChat Pay answers settles a row. One that was tried twice without an answer is given
up. After as many silences in a row as there are threads, a run leaves that merchant alone:
what it has not tried stays waiting, so an outage costs each run a few rows and seconds.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from django_wxpay import conf
from django_wxpay.models import ApiReport
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.protocol.errors import OutcomeUnknown, WXPayError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v2.reports import MeasuredCall
from django_wxpay.services import clock, wire
from django_wxpay.services.recording import can_report
from django_wxpay.services.transactions import patiently, refuse_open

logger = logging.getLogger("django_wxpay.latency")

# Far more than a batch takes, even if every one of its reports waits out both of its tries.
LEASE: Final = timedelta(minutes=10)
_BATCH: Final = 200

Post = Callable[[], None]


class Fate(Enum):
    """What became of one claimed row."""

    SENT = auto()
    GIVEN_UP = auto()
    NOT_REPORTABLE = auto()
    UNTRIED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRun:
    """What one run came to. ``untried`` rows wait on, for it was stopped or nobody answered."""

    sent: int = 0
    given_up: int = 0
    not_reportable: int = 0
    untried: int = 0

    @property
    def settled(self) -> int:
        """How many rows are done with."""
        return self.sent + self.given_up + self.not_reportable

    def __add__(self, other: ReportRun) -> ReportRun:
        names = [field.name for field in fields(self)]
        return ReportRun(**{name: getattr(self, name) + getattr(other, name) for name in names})


def send_reports(
    *,
    limit: int | None = 1000,
    workers: int = 8,
    stop: Callable[[], bool] = lambda: False,
) -> ReportRun:
    """Report up to ``limit`` waiting rows (None: all), oldest first, ``workers`` at a time.

    When ``stop`` says so, those on the wire are waited for, a few seconds at most, and the
    others wait on, free for the next run. Raises ``InsideTransaction`` in an open
    transaction, and nothing for what WeChat Pay does or does not answer. With
    ``REPORT_LEVEL`` "off" nothing is sent, and what waits goes on waiting (protocol-v2
    section 8).
    """
    refuse_open("send_reports")
    total = ReportRun()
    if conf.current().report_level == "off":
        return total
    silence = _Silence(longest=workers)
    with ThreadPoolExecutor(workers, thread_name_prefix="wxpay-report") as pool:
        while not stop():
            rows = _claim(_next_batch(limit, total), but_of=silence.too_long)
            if not rows:
                break
            total += _send(rows, pool, silence, stop)
    return total


def _waiting() -> QuerySet[ApiReport]:
    """Return the rows that wait to be reported, claimed or not."""
    return ApiReport.objects.filter(report_status=ReportStatuses.PENDING)


class _Silence:
    """How many reports in a row nobody answered, by merchant; shared by a run's threads."""

    def __init__(self, *, longest: int) -> None:
        self._longest = longest
        self._lasted: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def too_long(self) -> list[str]:
        """The merchants to whom nobody answers; none of their rows is tried any more."""
        with self._lock:
            return [alias for alias, lasted in self._lasted.items() if lasted >= self._longest]

    def lasts(self, alias: str) -> None:
        with self._lock:
            self._lasted[alias] += 1

    def is_broken(self, alias: str) -> None:
        with self._lock:
            self._lasted[alias] = 0


def _next_batch(limit: int | None, total: ReportRun) -> int:
    return _BATCH if limit is None else min(_BATCH, limit - total.settled)


def _claim(count: int, *, but_of: Sequence[str]) -> list[ApiReport]:
    """Return up to ``count`` rows that are this run's until their lease ends; [] if none wait."""
    due = _free().exclude(merchant__in=but_of).order_by("created_at", "id")
    while seen := list(due.values_list("pk", flat=True)[: max(0, count)]):
        claim = clock.nonce()
        free, until = _free().filter(pk__in=seen), clock.now() + LEASE
        patiently(partial(free.update, report_claim=claim, report_claimed_until=until))
        # Where another worker was quicker, fewer are ours than were seen, perhaps none.
        ours = ApiReport.objects.filter(pk__in=seen, report_claim=claim)
        if rows := list(ours.order_by("created_at", "id")):
            return rows
    return []


def _free() -> QuerySet[ApiReport]:
    nobodys = Q(report_claimed_until__isnull=True) | Q(report_claimed_until__lt=clock.now())
    return _waiting().filter(nobodys)


def _send(
    rows: Sequence[ApiReport],
    pool: ThreadPoolExecutor,
    silence: _Silence,
    stop: Callable[[], bool],
) -> ReportRun:
    accounts = conf.merchants()
    posts = [_post(row, accounts) for row in rows]
    fates: dict[Fate, list[int]] = {fate: [] for fate in Fate}
    try:
        sending = pool.map(partial(_fate, silence=silence, stop=stop), rows, posts)
        for row, fate in zip(rows, sending, strict=True):
            fates[fate].append(row.pk)
    finally:
        # What was told before somebody pulled the plug must not be told again.
        _mark(rows[0].report_claim, fates)
    return ReportRun(
        sent=len(fates[Fate.SENT]),
        given_up=len(fates[Fate.GIVEN_UP]),
        not_reportable=len(fates[Fate.NOT_REPORTABLE]),
        untried=len(fates[Fate.UNTRIED]),
    )


def _post(row: ApiReport, accounts: Mapping[str, Merchant]) -> Post | None:
    """Return how ``row`` is sent; None for one that cannot be."""
    account = accounts.get(row.merchant)
    if account is None or not can_report(account, mch_id=row.mch_id, sub_of=row.sub_mch_id):
        return None
    call = MeasuredCall(
        appid=row.appid or account.appid,
        mch_id=row.mch_id,
        sub_appid=row.sub_appid,
        sub_mch_id=row.sub_mch_id or account.sub_mch_id,
        interface_url=row.interface_url,
        execute_time_ms=row.execute_time_ms,
        device_info=row.device_info,
        out_trade_no=row.out_trade_no,
        return_code=row.return_code,
        return_msg=row.return_msg,
        result_code=row.result_code,
        err_code=row.err_code,
        err_code_des=row.err_code_des,
        failure=row.failure,
        user_ip=row.user_ip,
    )
    return partial(wire.v2_gateway(row.merchant).report, call)


def _fate(
    row: ApiReport,
    post: Post | None,
    *,
    silence: _Silence,
    stop: Callable[[], bool],
) -> Fate:
    if post is None:
        return Fate.NOT_REPORTABLE
    if stop() or row.merchant in silence.too_long:
        return Fate.UNTRIED
    try:
        post()
    except OutcomeUnknown as none:
        silence.lasts(row.merchant)
        logger.warning("a latency report was given up: %s", none)
        return Fate.GIVEN_UP
    except WXPayError as refusal:
        silence.is_broken(row.merchant)
        logger.warning("a latency report was refused: %s", refusal)
        return Fate.GIVEN_UP
    silence.is_broken(row.merchant)
    return Fate.SENT


def _mark(claim: str, fates: Mapping[Fate, Sequence[int]]) -> None:
    _settle(claim, fates[Fate.SENT], ReportStatuses.SENT, reported_at=clock.now())
    _settle(claim, fates[Fate.GIVEN_UP], ReportStatuses.FAILED)
    _free_again(claim, fates[Fate.NOT_REPORTABLE], report_status=ReportStatuses.NOT_REPORTABLE)
    _free_again(claim, fates[Fate.UNTRIED])


def _settle(claim: str, rows: Sequence[int], status: ReportStatuses, **more: Any) -> None:
    attempts = F("report_attempts") + 1
    _free_again(claim, rows, report_status=status, report_attempts=attempts, **more)


def _free_again(claim: str, rows: Sequence[int], **more: Any) -> None:
    if rows:
        ours = ApiReport.objects.filter(pk__in=rows, report_claim=claim)
        patiently(partial(ours.update, report_claim="", report_claimed_until=None, **more))
