"""The run: cases in batches, a clock of its own, and the counts.

Nothing sleeps and no socket is opened: requests go into Django's WSGI handler, questions to the
ledger, and time is what the index says.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.db import connections, router

import tests.fuzz.families  # noqa: F401 - registers the families
from django_wxpay.models import Order
from django_wxpay.services import clock, gateways
from django_wxpay.services.sync import sweep
from django_wxpay.services.worker.jobs import JOBS
from django_wxpay.signals import order_conflicted, order_paid, refund_settled
from tests.fuzz import oracle
from tests.fuzz.cases import BATCH, Case, make_case
from tests.fuzz.ledger import Ledger, Trade
from tests.fuzz.merchants import HOST
from tests.fuzz.requesting import post
from tests.fuzz.tables import Tables

# The jobs that settle what is open; the first round finds what is due at once.
_SETTLING: Final = ("notifications", "sync", "events")
_QUIET_ROUNDS: Final = 6
_QUIET_STEP: Final = timedelta(minutes=3)


@dataclass(slots=True)
class Counts:
    """What a run has done so far."""

    cases: int = 0
    inputs: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    most_calls: int = 0

    @property
    def total(self) -> int:
        return self.inputs.total()


class Harness:
    """Runs cases against the shop in this process."""

    def __init__(self, seed: int, *, families: tuple[str, ...] = ()) -> None:
        self.seed = seed
        self.families = families
        self.counts = Counts()
        self.reported: set[tuple[str, str]] = set()
        self.told = oracle.Told()
        self.ledger = Ledger(lambda: self._now)
        self._now = datetime.now(UTC)
        self._handler: Callable[..., Any] = WSGIHandler()
        self._written: list[str] = []
        self._raised: list[str] = []
        self._latest: dict[str, datetime] = {}
        self._connection = connections[router.db_for_write(Order)]
        self._tables = Tables(self._connection)

    @contextmanager
    def running(self) -> Iterator[Harness]:
        """Put clock, ledger, receivers and the watch on writes in place, and take them away."""
        with ExitStack() as stack:
            before = clock.now
            clock.now = lambda: self._now
            stack.callback(setattr, clock, "now", before)
            # The database's clock would put this one right.
            stack.callback(setattr, sweep, "shared_clock", sweep.shared_clock)
            sweep.shared_clock = lambda: lambda: self._now
            # Keys that were loaded under the real clock would keep it.
            gateways.platform_keys.cache_clear()
            gateways.mount(HOST, self.ledger)
            stack.callback(gateways.unmount, HOST)
            stack.callback(gateways.platform_keys.cache_clear)
            stack.enter_context(self._connection.execute_wrapper(self._watch))
            stack.enter_context(_quiet_logs())
            for signal, receiver in (
                (order_paid, self._on_paid),
                (refund_settled, self._on_refund),
                (order_conflicted, self._on_conflict),
                (got_request_exception, self._on_exception),
            ):
                signal.connect(receiver)
                stack.callback(signal.disconnect, receiver)
            yield self

    def run_batch(self, first: int, count: int = BATCH) -> list[CaseFinding]:
        """Run ``count`` cases from index ``first``, and their quiet time; return the findings."""
        cases = [make_case(self.seed, at, self.families) for at in range(first, first + count)]
        findings = self._run(cases)
        self.counts.rows += self._tables.sizes()
        return findings

    def run_alone(self, case: Case) -> str:
        """Run one case on empty tables, and its quiet time; return the problem, or ""."""
        self._latest.clear()
        found = self._run([case])
        return found[0].problem if found else ""

    def _run(self, cases: list[Case]) -> list[CaseFinding]:
        self.reset()
        placed = self._place(cases)
        findings = [*self._each(placed, self._send)]
        done = {id(finding.case) for finding in findings}
        placed = [(case, orders) for case, orders in placed if id(case) not in done]
        kept = self._tables.notifications()
        findings += self._each(
            placed, lambda case, orders: oracle.check_rows(case, self._tables, orders, kept)
        )
        try:
            self._quieten(placed)
            self._check_calls()
        except Exception:  # noqa: BLE001 - as in _each
            # Of the jobs, and so of no case: any of them stands for it.
            findings.append(CaseFinding(cases[0], traceback.format_exc()))
        findings += self._each(placed, self._check_settled)
        return findings

    def _each(
        self, placed: list[Placed], check: Callable[[Case, dict[int, Trade]], None]
    ) -> Iterator[CaseFinding]:
        for case, orders in placed:
            try:
                check(case, orders)
            except oracle.Finding as finding:
                yield CaseFinding(case, str(finding))
            except Exception:  # noqa: BLE001 - nothing that is sent may make anything raise
                yield CaseFinding(case, traceback.format_exc())

    def _send(self, case: Case, orders: dict[int, Trade]) -> None:
        self._now = datetime.fromtimestamp(case.now, UTC)
        self.counts.cases += 1
        for sent in case.inputs:
            self._written.clear()
            self._raised.clear()
            answer = post(self._handler, sent)
            self.counts.inputs[case.family] += 1
            self.counts.outcomes[oracle.outcome(answer)] += 1
            if self._raised:
                raise oracle.Finding(f"the request raised:\n{self._raised[0]}")
            oracle.check_answer(sent, answer)
            oracle.check_writes(sent, self._written)
            if oracle.GUARDED.intersection(self._written):
                oracle.check_state(self._tables, orders, self.told)
            self._check_calls()

    def _check_calls(self) -> None:
        calls, self.ledger.calls = self.ledger.calls, []
        oracle.check_calls(calls, self._latest)

    def _check_settled(self, case: Case, orders: dict[int, Trade]) -> None:
        oracle.check_state(self._tables, orders, self.told)
        if missing := oracle.unsettled(case, self._tables, orders, self.told):
            raise oracle.Finding(f"not settled: {'; '.join(missing)}")

    def _quieten(self, placed: list[Placed]) -> None:
        """Let the worker's jobs run through some minutes, until all is settled."""
        for at in range(_QUIET_ROUNDS):
            placed = [
                (case, orders)
                for case, orders in placed
                if oracle.unsettled(case, self._tables, orders, self.told)
            ]
            if not placed:
                return
            if at:
                self._now += _QUIET_STEP
            for job in JOBS:
                if job.name in _SETTLING:
                    while job.run(lambda: False).has_more:
                        pass

    def _place(self, cases: list[Case]) -> list[Placed]:
        """Put the trades into the ledger, and the shop's orders into its table."""
        placed: list[Placed] = []
        rows = []
        for case in cases:
            now = datetime.fromtimestamp(case.now, UTC)
            self.ledger.hold(case.trades)
            orders = {len(rows) + at: trade for at, trade in enumerate(case.orders, 1)}
            rows += [_order(pk, trade, now) for pk, trade in orders.items()]
            placed.append((case, orders))
        Order.objects.bulk_create(rows)
        return placed

    def reset(self) -> None:
        """Empty the tables; certificates stay, and so do the turns to download them."""
        self.told.clear()
        self.ledger.trades.clear()
        # Of an order that is gone nobody asks again.
        self._latest = {
            name: at for name, at in self._latest.items() if name.startswith("certificates")
        }
        self._tables.empty()

    def _watch(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if table := oracle.written_table(sql):
            self._written.append(table)
        return execute(sql, params, many, context)

    def _on_paid(self, order: Order, **_: Any) -> None:
        self.told.paid[order.merchant, order.out_trade_no] += 1

    def _on_refund(self, refund: Any, **_: Any) -> None:
        self.told.refunds[refund.merchant, refund.out_refund_no] += 1

    def _on_conflict(self, order: Order, **_: Any) -> None:
        self.told.conflicts[order.merchant, order.out_trade_no] += 1

    def _on_exception(self, **_: Any) -> None:
        self._raised.append(traceback.format_exc())


class CaseFinding(Exception):
    """A finding with the case that led to it."""

    def __init__(self, case: Case, problem: str) -> None:
        super().__init__(f"{case.family}: {problem}")
        self.case = case
        self.problem = problem


Placed = tuple[Case, dict[int, Trade]]


def _order(pk: int, trade: Trade, now: datetime) -> Order:
    return Order(
        pk=pk,
        merchant=trade.account.alias,
        mch_id=trade.account.mch_id,
        appid=trade.account.appid,
        sub_mch_id=trade.account.sub_mch_id,
        out_trade_no=trade.out_trade_no,
        trade_type=trade.trade_type,
        body="Tea",
        total_fee=trade.total_fee,
        fee_type=trade.fee_type,
        attach=trade.attach,
        trade_state="NOTPAY",
        created_at=now,
        updated_at=now,
    )


@contextmanager
def _quiet_logs() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("django_wxpay", "django.request", "django")]
    before = [(each, each.level) for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for each, level in before:
            each.setLevel(level)
