"""Orders paid twice: two payments that stand under one reference of the shop's.

Two of them may be settled at the same moment, and neither transaction sees the other. So nothing
of this is in the way of a payment: a job looks at what was paid since it last succeeded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from django.db import IntegrityError

from django_wxpay.models import BackgroundJob, Order, OrderEvent
from django_wxpay.models.choices import EventKinds
from django_wxpay.services import clock
from django_wxpay.services.attention.cases import paid_twice
from django_wxpay.services.refunds.balances import balances
from django_wxpay.services.transactions import atomic, retry_on_lock
from django_wxpay.services.transitions.dispatch import first_marks
from django_wxpay.services.transitions.events import save_event

# The job's name in the table of jobs.
JOB: Final = "attention"
# A payment commits within seconds of the time that its event carries.
_COMMITTED_WITHIN: Final = timedelta(minutes=10)
# Where it never ran, the shop is new, or its table has millions that nobody asks about any more.
_FIRST_LOOK: Final = timedelta(days=1)
_BATCH: Final = 100
_KEY: Final = "paid-twice"


class _Purchase(NamedTuple):
    merchant: str
    reference: str


class Watch(NamedTuple):
    """The counts of one run: orders newly found paid twice, and marks whose cause is gone.

    One that ``is_cut_short`` has not looked at all that was paid since the last that was not.
    """

    found: int
    gone: int
    is_cut_short: bool = False


def watch_references(*, stop: Callable[[], bool] = lambda: False) -> Watch:
    """Mark orders that were paid beside another one, and end the marks that no longer hold.

    One that is wholly refunded does not count. Safe beside itself in any number of processes.
    """
    gone = sum(map(_end_marks, _batches(_marks())))
    found = 0
    for some in _batches(_lately_paid()):
        if stop():
            return Watch(found=found, gone=gone, is_cut_short=True)
        found += sum(map(_mark, _doubled(_purchases(some)).values()))
    return Watch(found=found, gone=gone)


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(rows)
    return iter(lambda: list(islice(left, _BATCH)), [])


def _lately_paid() -> Iterator[int]:
    """Yield the keys of the orders that were paid since this job last succeeded."""
    job = BackgroundJob.objects.filter(name=JOB, succeeded_at__isnull=False)
    succeeded_at = retry_on_lock(job.values_list("succeeded_at", flat=True).first)
    since = succeeded_at - _COMMITTED_WITHIN if succeeded_at else clock.now() - _FIRST_LOOK
    events = OrderEvent.objects.filter(kind=EventKinds.PAID, created_at__gte=since)
    keys = events.order_by("-created_at").values_list("order_id", flat=True)
    yield from keys.iterator(chunk_size=_BATCH)


def _purchases(keys: list[int]) -> set[_Purchase]:
    # Apart from the events: together, a database may read all orders to join them.
    rows = Order.objects.filter(pk__in=keys).exclude(reference="").order_by()
    found: list[tuple[str, str]] = retry_on_lock(
        partial(list, rows.values_list("merchant", "reference"))
    )
    return set(map(_Purchase._make, found))


def _marks() -> list[OrderEvent]:
    return retry_on_lock(partial(list, paid_twice().select_related("order")))


def _doubled(purchases: set[_Purchase]) -> dict[_Purchase, list[Order]]:
    """Return the payments that stand of each purchase that has more than one, in time order."""
    # By the reference alone: asked for paid ones as well, SQLite would read all that are paid.
    references = {purchase.reference for purchase in purchases}
    rows = Order.objects.filter(reference__in=references).order_by()
    orders: list[Order] = retry_on_lock(partial(list, rows))
    paid = [order for order in orders if order.is_paid]
    grouped: defaultdict[_Purchase, list[Order]] = defaultdict(list)
    for order in sorted(paid, key=_paid_at):
        grouped[_Purchase(order.merchant, order.reference)].append(order)
    several = [order for each in grouped.values() if len(each) > 1 for order in each]
    left = balances(several)
    standing = {
        purchase: [order for order in each if left[order.pk].refunded < order.total_fee]
        for purchase, each in grouped.items()
        if purchase in purchases and len(each) > 1
    }
    return {purchase: each for purchase, each in standing.items() if len(each) > 1}


def _paid_at(order: Order) -> tuple[datetime, int]:
    return order.success_time or order.updated_at, order.pk


def _mark(orders: list[Order]) -> int:
    """Mark all but the first; return how many are new."""
    first = orders[0]
    return sum(retry_on_lock(partial(_mark_one, order, first)) for order in orders[1:])


def _mark_one(order: Order, first: Order) -> bool:
    event = OrderEvent(
        order=order,
        # One mark an order, also where a person has resolved it.
        conflict_key=_KEY,
        kind=EventKinds.PAID_TWICE,
        from_state=order.trade_state,
        to_state=order.trade_state,
        source=JOB,
        detail={"reference": order.reference, "out_trade_no": first.out_trade_no},
        **first_marks(EventKinds.PAID_TWICE),
    )
    try:
        with atomic():
            save_event(event)
    except IntegrityError:
        return False
    return True


def _end_marks(marks: list[Any]) -> int:
    purchases = {_Purchase(mark.order.merchant, mark.order.reference) for mark in marks}
    standing = {order.pk for orders in _doubled(purchases).values() for order in orders[1:]}
    ended = [mark.pk for mark in marks if mark.order_id not in standing]
    rows = paid_twice().filter(pk__in=ended)
    return retry_on_lock(partial(rows.update, resolved_at=clock.now())) if ended else 0
