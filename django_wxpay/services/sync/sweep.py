"""The sweep: every order and refund whose check is due, by any number of workers.

``next_check_at`` is the schedule. Each merchant has threads of its own, with connections of their
own, and so one whose gateway hangs keeps no other waiting. They are few until it has answered: a
merchant has one thread, and one more for each answer, up to ``MOST_THREADS``. One that does not
answer so many times in a row is left alone for the rest of the run.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any, Final

from django.db.models import QuerySet

from django_wxpay import conf
from django_wxpay.models import Order, Refund
from django_wxpay.services import patience
from django_wxpay.services.claims import shared_clock
from django_wxpay.services.sync.answers import Answer
from django_wxpay.services.sync.asking import Question
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock

# Each has a connection to the database. WeChat Pay allows far more calls of one merchant.
MOST_THREADS: Final = 8
# One silence may be chance.
_MOST_SILENCES: Final = 2
_BATCH: Final = 500
# While a merchant hangs, the others are looked after as often as this.
_LOOK_EVERY_S: Final = 1.0
# A run that is to stop waits for its calls for so long.
_STOP_WITHIN_S: Final = 5.0

_SETTLED: Final = frozenset({Answer.SETTLED, Answer.ABSENT, Answer.CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun:
    """The counts of one run, orders and refunds together.

    ``found`` were due and ``settled`` of them had an answer, by which ``closed`` orders were
    closed. ``unanswered`` counts those without an answer, by the alias of their merchant;
    ``answered`` are the aliases for which one came. The rest were another worker's, or are left
    for the next run.
    """

    found: int
    settled: int
    closed: int = 0
    unanswered: Mapping[str, int] = field(default_factory=dict)
    # Beside the counts, by which runs are compared.
    answered: frozenset[str] = field(default=frozenset(), compare=False)


def sync_orders(
    *,
    limit: int | None = None,
    merchant: str | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> SyncRun:
    """Query the orders and refunds whose check is due, the longest due first; settle the answers.

    At most ``limit`` of them, and only those of ``merchant`` if one is named. Any number may run
    side by side. An order that was found unpaid after its time is closed; one without an answer is
    due again after a pause. When ``stop`` returns True, no further call is made. Raises
    ``InsideTransaction`` in an open transaction, and ``ConfigurationError``.
    """
    require_no_transaction("sync_orders")
    conf.current()
    return _Run(limit, merchant, stop).run()


@dataclass(slots=True)
class _Lane:
    """The work and the threads of one merchant."""

    waiting: deque[Question] = field(default_factory=deque)
    threads: int = 0
    answers: int = 0
    silences: int = 0
    has_failed: bool = False

    @property
    def is_left_alone(self) -> bool:
        return self.has_failed or self.silences >= max(_MOST_SILENCES, self.allowed)

    @property
    def allowed(self) -> int:
        return min(MOST_THREADS, 1 + self.answers)


class _Run:
    def __init__(self, limit: int | None, merchant: str | None, stop: Callable[[], bool]) -> None:
        self._limit = limit
        self._merchant = merchant
        self._stop = stop
        self._now = retry_on_lock(shared_clock)
        # Over everything below, which the threads share.
        self._lock = threading.Lock()
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
        self._in_hand: set[tuple[type, int]] = set()
        self._threads: set[Future[None]] = set()
        self._errors: list[BaseException] = []
        self._found = 0
        self._answers: Counter[Answer] = Counter()
        self._unanswered: Counter[str] = Counter()

    def run(self) -> SyncRun:
        while self._begin(retry_on_lock(self._look)) or self._threads:
            with self._lock:
                threads = list(self._threads)
            if self._stop():
                wait(threads, timeout=_STOP_WITHIN_S)
                break
            wait(threads, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED)
            self._forget_ended()
        self._forget_ended()
        with self._lock:
            for error in self._errors:
                raise error
            return SyncRun(
                found=self._found,
                settled=sum(self._answers[each] for each in _SETTLED),
                closed=self._answers[Answer.CLOSED],
                unanswered=dict(self._unanswered),
                answered=frozenset(alias for alias, lane in self._lanes.items() if lane.answers),
            )

    def _look(self) -> list[Question]:
        """Return what is due, of the merchants that have nothing to do."""
        with self._lock:
            lanes = self._lanes.items()
            busy = [alias for alias, lane in lanes if lane.waiting or lane.is_left_alone]
            in_hand = set(self._in_hand)
        most = _BATCH if self._limit is None else min(_BATCH, self._limit - self._found)
        if most <= 0:
            return []
        found = merge(
            self._due(Order.objects.all(), busy, most),
            self._due(Refund.objects.select_related("order"), busy, most),
            key=attrgetter("row.next_check_at"),
        )
        return list(islice((each for each in found if each.key not in in_hand), most))

    def _due(self, rows: QuerySet[Any], busy: list[str], most: int) -> Iterator[Question]:
        due = rows.filter(next_check_at__lte=self._now()).exclude(merchant__in=busy)
        if self._merchant is not None:
            due = due.filter(merchant=self._merchant)
        return map(Question, due.order_by("next_check_at", "id")[:most])

    def _begin(self, questions: list[Question]) -> bool:
        """Hand ``questions`` to the threads of their merchants; return whether there were any."""
        with self._lock:
            for question in questions:
                self._lanes[question.merchant].waiting.append(question)
                self._in_hand.add(question.key)
            self._found += len(questions)
        for alias in {question.merchant for question in questions}:
            self._start_threads(alias)
        return bool(questions)

    def _start_threads(self, alias: str) -> None:
        with self._lock:
            lane = self._lanes[alias]
            more = 0 if lane.is_left_alone else min(lane.allowed - lane.threads, len(lane.waiting))
            lane.threads += max(0, more)
        for _ in range(more):
            thread = patience.start(partial(self._work, alias), name="wxpay-sync")
            with self._lock:
                self._threads.add(thread)

    def _work(self, alias: str) -> None:
        has_ended = False
        try:
            while (question := self._next(alias)) is not None:
                self._note(question, question.ask(self._now))
                self._start_threads(alias)
            has_ended = True
        finally:
            with self._lock:
                self._lanes[alias].threads -= 1
                self._lanes[alias].has_failed |= not has_ended

    def _next(self, alias: str) -> Question | None:
        if self._stop():
            return None
        with self._lock:
            lane = self._lanes[alias]
            if not lane.waiting or lane.is_left_alone:
                return None
            return lane.waiting.popleft()

    def _note(self, question: Question, answer: Answer) -> None:
        with self._lock:
            lane = self._lanes[question.merchant]
            self._in_hand.discard(question.key)
            self._answers[answer] += 1
            if answer is Answer.NONE:
                self._unanswered[question.merchant] += 1
                lane.silences += 1
            elif answer is Answer.TAKEN:
                self._pass_over_half(lane)
            elif answer is not Answer.BUSY:
                lane.answers += 1
                lane.silences = 0

    def _pass_over_half(self, lane: _Lane) -> None:
        # Another worker is in the same place of the same list, and would be there next time. What
        # it has not taken by the end of the other half is found again.
        for _ in range(len(lane.waiting) // 2):
            self._in_hand.discard(lane.waiting.popleft().key)
            self._found -= 1

    def _forget_ended(self) -> None:
        with self._lock:
            ended = {thread for thread in self._threads if thread.done()}
            self._threads -= ended
            self._errors += [error for thread in ended if (error := thread.exception())]
