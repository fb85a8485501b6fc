"""Sending of recorded calls to payitil/report.

Each row is sent once, many at a time, in the background; any number of workers may run side
by side. The calling thread alone uses the database, the pool's threads only the network.

An answer is final for its row. A row without an answer, after two tries, is given up if
another report of its merchant was answered meanwhile or later in the run: then the row was at
fault. If none was, WeChat Pay is unreachable, and the row waits as if it had not been tried,
for as long as rows are kept. After as many silences in a row as it has threads, a run leaves the
merchant alone, so an outage costs a run a few seconds. So it does with one whose account cannot be
read, as while a source of merchants is down.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from enum import Enum, auto
from functools import partial
from typing import Final, NamedTuple

from django_wxpay import conf
from django_wxpay.models import ApiReport
from django_wxpay.protocol.errors import (
    ConfigurationError,
    OutcomeUnknown,
    UnknownMerchant,
    WXPayError,
)
from django_wxpay.protocol.v2.reports import MeasuredCall
from django_wxpay.services import gateways
from django_wxpay.services.latency.recording import can_report
from django_wxpay.services.reports.queue import ReportQueue
from django_wxpay.services.transactions import require_no_transaction

logger = logging.getLogger("django_wxpay.latency")

_BATCH: Final = 200

Send = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRun:
    """The number of rows of one run, by result.

    ``unanswered`` rows were tried and wait on, because WeChat Pay did not answer anything
    after them. ``untried`` rows wait on because of that, because the account of their merchant
    could not be read, or because the run was stopped.
    """

    sent: int = 0
    given_up: int = 0
    not_reportable: int = 0
    unanswered: int = 0
    untried: int = 0

    @property
    def settled(self) -> int:
        """The number of rows that no run will try again."""
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

    When ``stop`` returns True, the reports on the wire are waited for, a few seconds at most,
    and the others are left to the next run. With ``REPORT_LEVEL`` "off" nothing is sent, and
    the rows wait on. Raises ``InsideTransaction`` in an open transaction, and nothing for what
    WeChat Pay does or does not answer. Source: protocol-v2 section 8.
    """
    require_no_transaction("send_reports")
    if conf.current().report_level == "off":
        return ReportRun()
    # As many silences in a row as threads: one slow moment cannot silence a merchant.
    run = _Run(_AnswerCounts(max_silences=workers), stop)
    try:
        with ThreadPoolExecutor(workers, thread_name_prefix="wxpay-report") as pool:
            while not stop() and run.send_batch(
                _BATCH if limit is None else limit - run.total.settled, pool
            ):
                pass
    finally:
        run.end()
    return run.total


class DeliveryStatus(Enum):
    """The result of one claimed row."""

    SENT = auto()
    REFUSED = auto()
    UNANSWERED = auto()
    NOT_REPORTABLE = auto()
    UNTRIED = auto()


class _AnswerCounts:
    """Answers and silences in a row, by merchant; shared by a run's threads."""

    def __init__(self, *, max_silences: int) -> None:
        self._max_silences = max_silences
        self._answers: Counter[str] = Counter()
        self._silences: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def silent_merchants(self) -> list[str]:
        """The merchants that got no answer too often; none of their rows is tried any more."""
        with self._lock:
            return [alias for alias, count in self._silences.items() if count >= self._max_silences]

    def answers(self, alias: str) -> int:
        with self._lock:
            return self._answers[alias]

    def count_answer(self, alias: str) -> None:
        with self._lock:
            self._answers[alias] += 1
            self._silences[alias] = 0

    def count_silence(self, alias: str) -> None:
        with self._lock:
            self._silences[alias] += 1


class _Unanswered(NamedTuple):
    """A row without an answer, and how many answers there had been when it was sent."""

    pk: int
    merchant: str
    answers: int


class _Run:
    def __init__(self, counts: _AnswerCounts, stop: Callable[[], bool]) -> None:
        self.total = ReportRun()
        self._counts = counts
        self._stop = stop
        self._queue = ReportQueue()
        self._unanswered: list[_Unanswered] = []
        # The merchants whose accounts could not be read.
        self._unreadable: set[str] = set()

    def send_batch(self, count: int, pool: ThreadPoolExecutor) -> bool:
        """Send up to ``count`` rows; False if none is left that may be sent."""
        passed_over = [*self._counts.silent_merchants, *self._unreadable]
        rows = self._queue.claim(min(count, _BATCH), except_merchants=passed_over)
        if not rows:
            return False
        # Made by the calling thread, because the threads of the pool use no database.
        with conf.same_account():
            senders = [self._sender(row) for row in rows]
        pks: dict[DeliveryStatus, list[int]] = {status: [] for status in DeliveryStatus}
        results = pool.map(self._try, rows, senders)
        try:
            for row, (status, answers) in zip(rows, results, strict=True):
                pks[status].append(row.pk)
                if status is DeliveryStatus.UNANSWERED:
                    self._unanswered.append(_Unanswered(row.pk, row.merchant, answers))
        finally:
            # After Ctrl-C too: what was sent must not be sent again.
            self._mark(pks)
        return True

    def end(self) -> None:
        """Decide about the rows without an answer, whose claim is held until here."""
        rejected: list[int] = []
        unreachable: list[int] = []
        for row in self._unanswered:
            # If others were answered after this one was sent, WeChat Pay is up.
            is_at_fault = self._counts.answers(row.merchant) > row.answers
            (rejected if is_at_fault else unreachable).append(row.pk)
        self._queue.give_up(rejected)
        self._queue.release(unreachable, tries=1)
        self.total += ReportRun(given_up=len(rejected), unanswered=len(unreachable))

    def _sender(self, row: ApiReport) -> Send | DeliveryStatus:
        """Return what sends ``row``, or the status of one that is not sent."""
        if row.merchant in self._unreadable:
            return DeliveryStatus.UNTRIED
        try:
            return _sender(row) or DeliveryStatus.NOT_REPORTABLE
        except UnknownMerchant:
            return DeliveryStatus.NOT_REPORTABLE
        except ConfigurationError as problem:
            self._unreadable.add(row.merchant)
            logger.warning("the reports of merchant %s wait on: %s", row.merchant, problem)
            return DeliveryStatus.UNTRIED

    def _try(self, row: ApiReport, send: Send | DeliveryStatus) -> tuple[DeliveryStatus, int]:
        """Send one row; return its status, and how many answers there were before."""
        answers = self._counts.answers(row.merchant)
        if isinstance(send, DeliveryStatus):
            return send, answers
        if self._stop() or row.merchant in self._counts.silent_merchants:
            return DeliveryStatus.UNTRIED, answers
        try:
            send()
        except OutcomeUnknown as error:
            self._counts.count_silence(row.merchant)
            logger.warning("a latency report was not answered: %s", error)
            return DeliveryStatus.UNANSWERED, answers
        except WXPayError as refusal:
            # A refusal is final: the same report would be refused again.
            self._counts.count_answer(row.merchant)
            logger.warning("a latency report was refused: %s", refusal)
            return DeliveryStatus.REFUSED, answers
        self._counts.count_answer(row.merchant)
        return DeliveryStatus.SENT, answers

    def _mark(self, pks: Mapping[DeliveryStatus, Sequence[int]]) -> None:
        self._queue.mark_sent(pks[DeliveryStatus.SENT])
        self._queue.give_up(pks[DeliveryStatus.REFUSED])
        self._queue.mark_not_reportable(pks[DeliveryStatus.NOT_REPORTABLE])
        self._queue.release(pks[DeliveryStatus.UNTRIED], tries=0)
        self.total += ReportRun(
            sent=len(pks[DeliveryStatus.SENT]),
            given_up=len(pks[DeliveryStatus.REFUSED]),
            not_reportable=len(pks[DeliveryStatus.NOT_REPORTABLE]),
            untried=len(pks[DeliveryStatus.UNTRIED]),
        )


def _sender(row: ApiReport) -> Send | None:
    """Return what sends ``row``; None for one that cannot be reported."""
    account = conf.merchant(row.merchant)
    if not can_report(account, row):
        return None
    values = {field.name: getattr(row, field.name) for field in fields(MeasuredCall)}
    values["appid"] = row.appid or account.appid
    values["sub_mch_id"] = row.sub_mch_id or account.sub_mch_id
    return partial(gateways.v2_gateway(row.merchant).report, MeasuredCall(**values))
