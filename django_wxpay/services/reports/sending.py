"""Sending what was measured to payitil/report: in the background, many at once, each row once.

Any number of workers may run side by side (``report_queue``). The database is used by the
calling thread alone; the threads only talk to WeChat Pay.

What WeChat Pay answers settles a row. One that was tried twice without an answer is given
up if others were answered meanwhile or later in the run: then it was that row. If nobody was
answered any more, WeChat Pay is away, and the row waits on as if it had not been tried, for
as long as rows are kept. After as many silences in a row as there are threads, a run leaves
that merchant alone, so an outage costs each run a few seconds.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import Final, NamedTuple

from django_wxpay import conf
from django_wxpay.models import ApiReport
from django_wxpay.protocol.errors import OutcomeUnknown, WXPayError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v2.reports import MeasuredCall
from django_wxpay.services import gateways
from django_wxpay.services.latency.recording import can_report
from django_wxpay.services.reports.queue import Claim
from django_wxpay.services.transactions import require_no_transaction

logger = logging.getLogger("django_wxpay.latency")

_BATCH: Final = 200

Post = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRun:
    """What one run came to.

    ``unanswered`` rows were tried and wait on, for nobody was answered any more; ``untried``
    ones wait on because of that, or because the run was stopped.
    """

    sent: int = 0
    given_up: int = 0
    not_reportable: int = 0
    unanswered: int = 0
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
    require_no_transaction("send_reports")
    if conf.current().report_level == "off":
        return ReportRun()
    run = _Run(_Talk(patience=workers), stop)
    try:
        with ThreadPoolExecutor(workers, thread_name_prefix="wxpay-report") as pool:
            while not stop() and run.send(
                _BATCH if limit is None else limit - run.total.settled, pool
            ):
                pass
    finally:
        run.end()
    return run.total


class Fate(Enum):
    """What became of one row that was taken."""

    SENT = auto()
    REFUSED = auto()
    UNANSWERED = auto()
    NOT_REPORTABLE = auto()
    UNTRIED = auto()


class _Talk:
    """Who was answered and who was not, by merchant; shared by a run's threads."""

    def __init__(self, *, patience: int) -> None:
        self._patience = patience
        self._answers: Counter[str] = Counter()
        self._silences: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def given_up_on(self) -> list[str]:
        """The merchants to whom nobody answers; none of their rows is tried any more."""
        with self._lock:
            return [alias for alias, lasted in self._silences.items() if lasted >= self._patience]

    def answers(self, alias: str) -> int:
        """How many reports were answered so far."""
        with self._lock:
            return self._answers[alias]

    def was_answered(self, alias: str) -> None:
        with self._lock:
            self._answers[alias] += 1
            self._silences[alias] = 0

    def was_not_answered(self, alias: str) -> None:
        with self._lock:
            self._silences[alias] += 1


class _Missed(NamedTuple):
    """A row that nobody answered, and how many answers there had been when it went out."""

    pk: int
    merchant: str
    answers: int


class _Run:
    """One run: what it has taken, and what it came to."""

    def __init__(self, talk: _Talk, stop: Callable[[], bool]) -> None:
        self.total = ReportRun()
        self._talk = talk
        self._stop = stop
        self._claim = Claim()
        self._missed: list[_Missed] = []

    def send(self, count: int, pool: ThreadPoolExecutor) -> bool:
        """Send a batch of up to ``count`` rows; False if none is left that may be sent."""
        rows = self._claim.take(min(count, _BATCH), but_of=self._talk.given_up_on)
        if not rows:
            return False
        accounts = conf.merchants()
        posts = [_post(row, accounts) for row in rows]
        fates: dict[Fate, list[int]] = {fate: [] for fate in Fate}
        try:
            for row, (fate, answers) in zip(rows, pool.map(self._try, rows, posts), strict=True):
                fates[fate].append(row.pk)
                if fate is Fate.UNANSWERED:
                    self._missed.append(_Missed(row.pk, row.merchant, answers))
        finally:
            # What was told before somebody pulled the plug must not be told again.
            self._mark(fates)
        return True

    def end(self) -> None:
        """Decide about the rows that nobody answered, which are kept out of the way until now."""
        is_theirs = {one.pk: self._talk.answers(one.merchant) > one.answers for one in self._missed}
        theirs = [pk for pk, others_were_answered in is_theirs.items() if others_were_answered]
        nobodys = [pk for pk, others_were_answered in is_theirs.items() if not others_were_answered]
        self._claim.give_up(theirs)
        self._claim.free(nobodys, tried=1)
        self.total += ReportRun(given_up=len(theirs), unanswered=len(nobodys))

    def _try(self, row: ApiReport, post: Post | None) -> tuple[Fate, int]:
        """Send one row; say how many answers there were before."""
        answers = self._talk.answers(row.merchant)
        if post is None:
            return Fate.NOT_REPORTABLE, answers
        if self._stop() or row.merchant in self._talk.given_up_on:
            return Fate.UNTRIED, answers
        try:
            post()
        except OutcomeUnknown as none:
            self._talk.was_not_answered(row.merchant)
            logger.warning("a latency report was not answered: %s", none)
            return Fate.UNANSWERED, answers
        except WXPayError as refusal:
            self._talk.was_answered(row.merchant)
            logger.warning("a latency report was refused: %s", refusal)
            return Fate.REFUSED, answers
        self._talk.was_answered(row.merchant)
        return Fate.SENT, answers

    def _mark(self, fates: Mapping[Fate, Sequence[int]]) -> None:
        self._claim.sent(fates[Fate.SENT])
        self._claim.give_up(fates[Fate.REFUSED])
        self._claim.cannot_be_sent(fates[Fate.NOT_REPORTABLE])
        self._claim.free(fates[Fate.UNTRIED], tried=0)
        self.total += ReportRun(
            sent=len(fates[Fate.SENT]),
            given_up=len(fates[Fate.REFUSED]),
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
    gateway = gateways.v2_gateway(row.merchant)
    return lambda: gateway.report(call)
